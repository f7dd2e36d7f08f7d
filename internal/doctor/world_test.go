package doctor_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/doctor"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// The server runs without fsync, which is quick, and a fault that the doctor must find each time.
func TestMain(m *testing.M) { localtest.Main(m, localtest.Volatile()) }

const durability = "database: durability"

// world is a sound installation, as far as the doctor sees one.
type world struct {
	*testing.T
	doctor.Options
	db   *postgres.DB
	raw  *sqlx.DB
	nats *bustest.Guarded
	bus  *bus.Bus
	org  *ashbytest.Organization
	key  string
	keys *seal.Keyset
}

// setup starts everything, with one employer's connection "c".
func setup(t *testing.T) *world {
	t.Helper()
	url := localtest.Migrated(t)
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url, AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sqlx.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = db.Close(), raw.Close() })
	w := &world{T: t, db: db, raw: raw, nats: bustest.StartGuarded(t)}
	w.bus = bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: w.nats.As(natsconf.UserAdmin)}))
	if w.keys, err = seal.Create(filepath.Join(t.TempDir(), "keyset.json")); err != nil {
		t.Fatal(err)
	}
	sim := ashbytest.New(ashbytest.Options{Seed: 1})
	t.Cleanup(sim.Close)
	w.org = sim.AddOrganization("acme", "Acme")
	w.org.Generate(3)
	w.key = w.org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge"})
	w.Config = config.Config{
		KeysetFile: w.keys.Path(), DatabaseURL: config.URL(url), DatabaseMaxConns: 4, NATSURL: config.URL(w.nats.As(natsconf.UserAdmin)),
		NATSIssuer: w.nats.Issuer, PublicURL: page(t, http.StatusOK, "openapi: 3.1.0\ninfo:\n  title: Ashbridge gateway\n"),
		AshbyURL: serve(t, sim), AllowPrivateAshby: true, RequestsPerMinute: 900,
	}
	w.Monitor = page(t, http.StatusOK, `{"jetstream": {"config": {"sync_always": true}}}`)
	w.Connection, w.Version = "c", "test"
	w.connect()
	for _, service := range []string{"gateway", "syncer", "notifier"} {
		w.hold(service)
	}
	w.exec(`UPDATE keyset_holders SET seen_at = now() + interval '1 hour'`) // however long the tests take
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.raw.Exec(sql, args...); err != nil {
		w.Fatal(err)
	}
}

// connect makes a connection that is fresh, and has heard of each webhook.
func (w *world) connect() {
	w.Helper()
	sealed := func(plain, kind string) mirror.Sealed {
		s, err := w.keys.Seal(ashby.Secret(plain), "c", kind)
		if err != nil {
			w.Fatal(err)
		}
		return s
	}
	if err := w.db.Gateway().Create(w.Context(), mirror.NewConnection{
		Connection: mirror.Connection{
			ID: "c", EmployerRef: "acme", EmployerName: "Acme", Status: mirror.StatusActive, Modules: []string{"jobs"},
			PollInterval: time.Hour, KeyLast4: w.key[len(w.key)-4:], WebhookToken: "canary-token",
		},
		Key: sealed(w.key, seal.KindAPIKey), KeyFingerprint: w.keys.Fingerprint(ashby.Secret(w.key)),
		WebhookSecret: sealed("canary-webhook-secret", seal.KindWebhookSecret),
	}); err != nil {
		w.Fatal(err)
	}
	w.exec(`UPDATE sync_state SET last_verified_at = now(), first_synced_at = now()`)
	for _, action := range ashby.WebhookActions("jobs") {
		w.exec(`INSERT INTO webhook_setup (connection_id, action, pinged_at) VALUES ('c', $1, now())
			ON CONFLICT (connection_id, action) DO UPDATE SET pinged_at = now()`, action)
	}
}

// hold has a service say which keys it has.
func (w *world) hold(service string) {
	w.Helper()
	id := uint32(w.keys.Keys().Sealing)
	if _, err := w.db.Keyset().Hold(w.Context(), mirror.KeysetHolder{
		Owner: service, Service: service, Host: "h", Sealing: id, Keys: []uint32{id},
	}); err != nil {
		w.Fatal(err)
	}
}

// serve returns the address of a handler.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// page is the address of a server that always gives one answer.
func page(t *testing.T, status int, body string, header ...string) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range header {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
}

// silent is the address of a server that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// want is a finding that a case expects: of a check, how it ended, and a part of what to do, or where nothing is to be done,
// of what was found.
type want struct {
	check   string
	outcome doctor.Outcome
	says    string
}

func (w want) matches(f doctor.Finding) bool {
	return f.Check == w.check && f.Outcome == w.outcome && (strings.Contains(f.Do, w.says) || strings.Contains(f.Found, w.says)) &&
		(f.Do != "") == (w.outcome == doctor.Failed || w.outcome == doctor.Warning)
}

// unwell are the findings that are not ok.
func unwell(findings []doctor.Finding) []doctor.Finding {
	var out []doctor.Finding
	for _, f := range findings {
		if f.Outcome != doctor.OK {
			out = append(out, f)
		}
	}
	return out
}

// check fails unless exactly the findings that are wanted are not ok.
func check(t *testing.T, o doctor.Options, wants ...want) {
	t.Helper()
	began := time.Now()
	findings := doctor.Run(t.Context(), o)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	left := unwell(findings)
	for _, f := range findings {
		if f.Check == "migrations" { // the database is reached
			wants = append(wants, want{durability, doctor.Failed, "postgresql.conf"})
		}
	}
	for _, w := range wants {
		found := false
		for i, f := range left {
			if w.matches(f) {
				found, left = true, append(left[:i:i], left[i+1:]...)
				break
			}
		}
		if !found {
			t.Errorf("no finding %+v", w)
		}
	}
	for _, f := range left {
		t.Errorf("not expected: %+v", f)
	}
	for _, f := range findings {
		for _, secret := range []string{"canary", o.Config.NATSIssuer.Reveal(), o.Config.DatabaseURL.Reveal(), o.Config.NATSURL.Reveal()} {
			if secret != "" && (strings.Contains(f.Found, secret) || strings.Contains(f.Do, secret)) {
				t.Errorf("%s prints a secret: %+v", f.Check, f)
			}
		}
	}
}
