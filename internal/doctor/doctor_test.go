package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/doctor"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// TestEachFaultIsFoundWithAdvice breaks one setting at a time of a sound installation.
func TestEachFaultIsFoundWithAdvice(t *testing.T) {
	t.Parallel()
	w := setup(t)
	closed := localtest.FreeAddr(t)
	insecure, another := filepath.Join(t.TempDir(), "k"), filepath.Join(t.TempDir(), "k")
	for _, path := range []string{insecure, another} {
		if _, err := seal.Create(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(insecure, 0o644); err != nil {
		t.Fatal(err)
	}
	seed, _, err := bus.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	late := "Date: " + time.Now().Add(-3*time.Minute).UTC().Format(http.TimeFormat)

	const failed, warning, skipped = doctor.Failed, doctor.Warning, doctor.Skipped
	for name, c := range map[string]struct {
		spoil func(o *doctor.Options)
		wants []want
	}{
		"sound":                       {},
		"by the employer's name":      {func(o *doctor.Options) { o.Connection = "acme" }, nil},
		"monitoring without a scheme": {func(o *doctor.Options) { o.Monitor = strings.TrimPrefix(o.Monitor, "http://") }, nil},
		"configuration": {func(o *doctor.Options) { o.Faults = config.Faults{"a is wrong", "b is wrong"} }, []want{
			{"configuration", failed, "a is wrong"}, {"configuration", failed, "docs/configuration.md"},
		}},
		"open secret": {func(o *doctor.Options) {
			o.Config.Warnings = []config.Exposure{{Found: "the file is open", Do: "chmod 600"}}
		}, []want{{"configuration: secrets", warning, "chmod 600"}}},
		"no keyset": {func(o *doctor.Options) { o.Config.KeysetFile = "/nowhere" }, []want{
			{"keyset", failed, "from a backup"}, {"keyset: stored secrets", skipped, "no keyset"}, {"connection: key", skipped, "no keyset"},
		}},
		"keyset open to others": {func(o *doctor.Options) { o.Config.KeysetFile = insecure }, []want{
			{"keyset", failed, "chmod 600"}, {"keyset: stored secrets", skipped, ""}, {"connection: key", skipped, ""},
		}},
		"another keyset": {func(o *doctor.Options) { o.Config.KeysetFile = another }, []want{
			{"keyset: stored secrets", failed, "ASHBRIDGE_KEYSET_FILE"}, {"connection: key", failed, "enter the key again"},
		}},
		"database away": {func(o *doctor.Options) {
			o.Config.DatabaseURL = config.URL("postgres://u:canary@" + closed + "/a?sslmode=disable")
		}, []want{{"database", failed, "the server runs"}}},
		"up was killed": {func(o *doctor.Options) {
			o.Config.DatabaseURL, o.EmbeddedDatabase, o.Config.DataDir = config.URL("postgres://u:canary@"+closed+"/a?sslmode=disable"), true, "/data"
		}, []want{{"database", failed, "start `ashbridge up` of /data"}}},
		"database hangs": {func(o *doctor.Options) {
			o.Config.DatabaseURL = config.URL("postgres://u:canary@" + silent(t) + "/a?sslmode=disable")
		}, []want{{"database", failed, "the server runs"}}},
		"no database": {func(o *doctor.Options) { o.Config.DatabaseURL = "" }, []want{{"database", skipped, "DATABASE_URL"}}},
		"too few connections": {func(o *doctor.Options) { o.Config.DatabaseMaxConns = 10_000 }, []want{
			{"database: connections", warning, "max_connections"},
		}},
		"nats away": {func(o *doctor.Options) { o.Config.NATSURL = config.URL("nats://u:canary@" + closed) }, []want{
			{"nats", failed, "the server runs"}, {"nats: job boards' logins", skipped, "not reached"},
		}},
		"nats hangs": {func(o *doctor.Options) { o.Config.NATSURL = config.URL("nats://u:canary@" + silent(t)) }, []want{
			{"nats", failed, "the server runs"}, {"nats: job boards' logins", skipped, "not reached"},
		}},
		"wrong password": {func(o *doctor.Options) { o.Config.NATSURL = config.URL("nats://admin:canary@" + w.nats.Addr()) }, []want{
			{"nats", failed, "password"}, {"nats: job boards' logins", skipped, "not reached"},
		}},
		"a service's user": {func(o *doctor.Options) { o.Config.NATSURL = config.URL(w.nats.As(natsconf.UserGateway)) }, []want{
			{"nats: stream HINTS", skipped, "user admin"}, {"nats: stream SPILL", skipped, "user admin"}, {"nats: limits", skipped, "user admin"},
		}},
		"stream is missing": {func(o *doctor.Options) { o.Config.RecordEvents = true }, []want{{"nats: stream RECORDS", failed, "start the services"}}},
		"other copies": {func(o *doctor.Options) { o.Config.NATSReplicas = 3 }, []want{
			{"nats: stream JOBS", warning, "the same for all"}, {"nats: stream HINTS", warning, ""}, {"nats: stream SPILL", warning, ""},
		}},
		"another issuer": {func(o *doctor.Options) { o.Config.NATSIssuer = ashby.Secret(seed) }, []want{{"nats: job boards' logins", failed, "keys issuer"}}},
		"not synced": {func(o *doctor.Options) {
			o.Monitor = page(t, http.StatusOK, `{"jetstream": {"config": {"sync_interval": 120000000000}}}`)
		}, []want{{"nats: sync_interval", failed, "always"}}},
		"no JetStream": {func(o *doctor.Options) { o.Monitor = page(t, http.StatusOK, `{}`) }, []want{{"nats: sync_interval", failed, "jetstream"}}},
		"no monitoring": {func(o *doctor.Options) { o.Monitor = "http://" + closed }, []want{
			{"nats: sync_interval", skipped, "see yourself"},
		}},
		"nobody at the public address": {func(o *doctor.Options) { o.Config.PublicURL = "http://" + closed }, []want{
			{"public address", failed, "nothing listens there"},
		}},
		"public address hangs": {func(o *doctor.Options) { o.Config.PublicURL = "http://" + silent(t) }, []want{
			{"public address", failed, "firewall"},
		}},
		"something else at the public address": {func(o *doctor.Options) { o.Config.PublicURL = page(t, http.StatusOK, "<html>") }, []want{
			{"public address", failed, "gateway's address"},
		}},
		"proxy without gateway": {func(o *doctor.Options) { o.Config.PublicURL = page(t, http.StatusBadGateway, "") }, []want{
			{"public address", failed, "proxy"},
		}},
		"public address elsewhere": {func(o *doctor.Options) {
			o.Config.PublicURL = page(t, http.StatusMovedPermanently, "", "Location: https://other")
		}, []want{{"public address", failed, "answers itself"}}},
		"untrusted certificate": {func(o *doctor.Options) { o.Config.PublicURL = untrusted.URL }, []want{
			{"public address", failed, "not trusted"}, {"trusted proxies", warning, "ASHBRIDGE_TRUSTED_PROXIES of every gateway"},
		}},
		"proxy that is named": {func(o *doctor.Options) {
			o.Config.PublicURL, o.Config.TrustedProxies = untrusted.URL, []string{"10.0.0.7"}
		}, []want{{"public address", failed, "not trusted"}}},
		"address of this machine alone": {func(o *doctor.Options) { o.Config.AllowPrivateAshby = false }, []want{
			{"public address", warning, "only this machine"}, {"ashby", failed, "ALLOW_PRIVATE_ASHBY"}, {"connection: key", warning, "try again"},
		}},
		"no public address": {func(o *doctor.Options) { o.Config.PublicURL, o.Config.HTTPAddr = "", closed }, []want{
			{"public address", skipped, "PUBLIC_URL"},
		}},
		"clock of Ashby": {func(o *doctor.Options) { o.Config.AshbyURL = page(t, http.StatusUnauthorized, "{}", late) }, []want{
			{"clock: Ashby", failed, "time server"}, {"connection: key", failed, "rotate-key"},
		}},
		"ashby away": {func(o *doctor.Options) { o.Config.AshbyURL = "http://" + closed }, []want{
			{"ashby", failed, "nothing listens there"}, {"connection: key", warning, "check of Ashby"},
		}},
		"ashby fails": {func(o *doctor.Options) { o.Config.AshbyURL = page(t, http.StatusInternalServerError, "") }, []want{
			{"ashby", warning, "status.ashbyhq.com"}, {"connection: key", warning, "check of Ashby"},
		}},
		"not ashby": {func(o *doctor.Options) { o.Config.AshbyURL = page(t, http.StatusNotFound, "") }, []want{
			{"ashby", failed, "ASHBRIDGE_ASHBY_URL"}, {"connection: key", warning, ""},
		}},
		"unknown connection": {func(o *doctor.Options) { o.Connection = "x" }, []want{{"connection", failed, "connections list"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := w.Options
			if c.spoil != nil {
				c.spoil(&o)
			}
			check(t, o, c.wants...)
		})
	}
}

// TestDamageIsFound breaks the servers of one installation, one after another, and mends them again.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const failed, warning, skipped = doctor.Failed, doctor.Warning, doctor.Skipped
	w.Actor = "anna"
	check(t, w.Options)
	var act struct {
		Kind       string `db:"actor_kind"`
		Name       string `db:"actor_name"`
		Connection string `db:"connection"`
		Outcome    string `db:"outcome"`
	}
	if err := w.raw.Get(&act, `SELECT actor_kind, actor_name, connection, outcome FROM audit_log WHERE action = 'doctor.run'`); err != nil ||
		act.Kind != "command" || act.Name != "anna" || act.Connection != "c" || act.Outcome != "done" {
		t.Errorf("that secrets were opened is not in the audit log: %+v, %v", act, err)
	}
	db := func(spoil, mend string, wants ...want) {
		t.Helper()
		w.exec(spoil)
		check(t, w.Options, wants...)
		w.exec(mend)
	}
	db(`UPDATE goose_db_version SET is_applied = FALSE WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`,
		`UPDATE goose_db_version SET is_applied = TRUE`, want{"migrations", failed, "ashbridge migrate"})
	// A newer schema may let older programs work, by a table of its own.
	floor := `; DO $$ BEGIN IF to_regclass('schema_floor') IS NOT NULL THEN EXECUTE 'UPDATE schema_floor SET version = %s'; END IF; END $$`
	db(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`+fmt.Sprintf(floor, "99999"),
		`DELETE FROM goose_db_version WHERE version_id = 99999`+fmt.Sprintf(floor, "1"),
		want{"migrations", failed, "of the version that migrated"})
	// What cannot be written down is not done.
	db(`ALTER TABLE audit_log RENAME TO audit_log_away`, `ALTER TABLE audit_log_away RENAME TO audit_log`,
		want{"keyset: stored secrets", failed, "may write"}, want{"connection: key", skipped, "written"})
	db(`UPDATE secrets SET sealed = set_byte(sealed, 30, 255 - get_byte(sealed, 30)) WHERE kind = 'webhook_secret'`,
		`UPDATE secrets SET sealed = set_byte(sealed, 30, 255 - get_byte(sealed, 30)) WHERE kind = 'webhook_secret'`,
		want{"keyset: stored secrets", failed, "keys rotate --dry-run"})
	db(`UPDATE keyset_holders SET fault = 'it is old' WHERE service = 'syncer'`, `UPDATE keyset_holders SET fault = ''`,
		want{"services", failed, "present keyset"})
	db(`UPDATE keyset_holders SET seen_at = now() - interval '2 minutes' WHERE service = 'syncer'`, `UPDATE keyset_holders SET seen_at = now() + interval '1 hour'`,
		want{"services", warning, "start them"})
	db(`INSERT INTO keyset_rotations (key, required_at) VALUES (1, now())`, `DELETE FROM keyset_rotations`,
		want{"services", failed, "docs/backup.md"})
	db(`INSERT INTO keyset_rotations (key, required_at) SELECT sealing, now() FROM keyset_holders WHERE service = 'syncer';
		UPDATE keyset_holders SET sealing = 1 WHERE service = 'syncer'`, `DELETE FROM keyset_rotations; UPDATE keyset_holders SET sealing = keys[1]`,
		want{"services", warning, "keys rotate"})
	db(`UPDATE sync_state SET last_verified_at = now() - interval '3 hours'`, `UPDATE sync_state SET last_verified_at = now()`,
		want{"connection", failed, "syncer"})
	db(`UPDATE connections SET status = 'unauthorized', status_reason = 'refused'`, `UPDATE connections SET status = 'active'`,
		want{"connection", failed, "rotate-key"})
	db(`UPDATE webhook_setup SET pinged_at = NULL`, `UPDATE webhook_setup SET pinged_at = now()`, want{"connection: webhooks", warning, "webhooks"})
	db(`INSERT INTO webhook_coverage (connection_id, action, by_webhook, by_poll, last_missed_at) VALUES ('c', 'jobPostingUpdate', 3, 1, now())`,
		`DELETE FROM webhook_coverage`, want{"connection: coverage", warning, "jobPostingUpdate"})
	db(`UPDATE webhook_setup SET setting_id = '7b2c1f3e-0000-4000-8000-000000000000' WHERE action = 'jobPostingUpdate'`, `UPDATE webhook_setup SET setting_id = ''`,
		want{"connection: webhooks", warning, "deleted at Ashby"})

	w.org.SetScopes(w.key, "apiKeys:read")
	check(t, w.Options, want{"connection: key", failed, "Jobs"})
	w.org.RevokeKey(w.key)
	check(t, w.Options, want{"connection: key", failed, "rotate-key"})
	w.Connection = ""

	w.nats.Unsure(true)
	check(t, w.Options, want{"nats: job boards' logins", failed, "run a gateway"})
	w.nats.Unsure(false)
	stream, err := w.bus.JetStream().Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxBytes /= 2
	if _, err := w.bus.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := w.bus.JetStream().DeleteStream(t.Context(), bus.StreamHints); err != nil {
		t.Fatal(err)
	}
	check(t, w.Options, want{"nats: stream JOBS", failed, "restart the service"}, want{"nats: stream HINTS", failed, "start the services"})
}
