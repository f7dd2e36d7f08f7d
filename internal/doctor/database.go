package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/rotation"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	// oldestServer is the oldest PostgreSQL that is supported.
	oldestServer = 150000
	// clocksDiffer and clocksFar are by how much this clock and another may differ before that is said, or is a fault.
	clocksDiffer = 2 * time.Second
	clocksFar    = time.Minute
	// opened is how many stored secrets are tried.
	opened = 20
	// running is within what time a process was heard of that runs.
	running = 30 * time.Second
)

// database looks at the server and, behind it, at what only a database tells.
func (d *doctor) database(ctx context.Context, keys *seal.Keyset) []Finding {
	const check = "database"
	if d.Config.DatabaseURL == "" {
		return []Finding{skipped(check, "ASHBRIDGE_DATABASE_URL is not set")}
	}
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	db, err := postgres.Open(asking, postgres.Options{
		URL: d.Config.DatabaseURL.Reveal(), ApplicationName: "ashbridge doctor", MaxConns: 2, ConnectTimeout: 4 * time.Second,
		StatementTimeout: 3 * time.Second, IOTimeout: 4 * time.Second, AllowUnsafeDurability: true, Logger: d.Logger,
	})
	if err != nil {
		return []Finding{failed(check, sentence(err), d.unreached(d.EmbeddedDatabase, "see that the server runs and is reached from here, and that user, password, database and "+
			"sslmode of ASHBRIDGE_DATABASE_URL are right"))}
	}
	defer func() { _ = db.Close() }()
	seen, err := db.Inspect(asking)
	if err != nil {
		return []Finding{failed(check, sentence(err), "see whether the server is overloaded or the network broken")}
	}
	all := append(server(check, seen), d.connections(seen), clock("clock: database", seen.Ahead, "the database's server"))
	if err := db.CheckSchema(asking); err != nil {
		return append(all, migrations(err))
	}
	all = append(all, ok("migrations", "the tables fit this version"))
	if keys == nil {
		return append(all, d.stored(ctx, asking, db, nil)...)
	}
	found, err := d.audited(ctx, asking, db, keys)
	if err != nil {
		found = d.stored(ctx, asking, db, nil)
		found[0] = failed(storedSecrets, "nothing was opened, since that could not be written to the audit log: "+sentence(err),
			"see whether the user of ASHBRIDGE_DATABASE_URL may write to the tables")
	}
	return append(all, found...)
}

// audited looks at what is stored, and writes to the audit log that secrets are opened. The error says that it could not be
// written, and that nothing was opened.
func (d *doctor) audited(ctx, asking context.Context, db *postgres.DB, keys *seal.Keyset) (found []Finding, err error) {
	act := mirror.Act{Actor: mirror.Actor{Name: d.Actor}, Action: "doctor.run", Detail: map[string]any{"version": d.Version}}
	if d.Connection != "" {
		if act.Connection, err = db.ConnectionNamed(asking, d.Connection); err != nil {
			act.Connection = "" // the check of the connection says why
		}
	}
	err = db.Audit().Command(asking, act, func(asking context.Context) (map[string]any, error) {
		found = d.stored(ctx, asking, db, keys)
		return nil, nil
	})
	if found != nil {
		return found, nil // at worst, the log does not say how it ended
	}
	return nil, err
}

// stored looks at what the tables hold: first at the secrets, which it opens where there are keys, last at the connection.
func (d *doctor) stored(ctx, asking context.Context, db *postgres.DB, keys *seal.Keyset) []Finding {
	all := []Finding{d.secrets(asking, db, keys), d.processes(asking, db, keys)}
	if d.Connection != "" {
		all = append(all, d.connection(ctx, db, keys)...)
	}
	return all
}

func server(check string, seen postgres.Inspection) []Finding {
	all := []Finding{ok(check, "PostgreSQL %s, %s, answers in %s", seen.VersionText, size(seen.Size), span(seen.RTT))}
	if seen.Version < oldestServer {
		all[0] = failed(check, "PostgreSQL "+seen.VersionText+" is too old", "upgrade it to version 15 or newer")
	}
	if seen.IsStandby {
		all = append(all, failed(check, "it is a standby, in which nothing can be written", "name the primary in ASHBRIDGE_DATABASE_URL"))
	}
	if seen.Encoding != "UTF8" {
		all = append(all, failed(check, "its encoding is "+seen.Encoding, "make a database with ENCODING 'UTF8'"))
	}
	const durable = "database: durability"
	switch {
	case len(seen.Unsafe) > 0:
		all = append(all, failed(durable, strings.Join(seen.Unsafe, ", ")+" off: a power cut takes back webhooks that were answered 200",
			"set it to on in postgresql.conf and reload"))
	case !seen.HasChecksums:
		all = append(all, warning(durable, "commits are on disk, but damaged pages go unnoticed", "turn checksums on with pg_checksums when the server can be stopped"))
	default:
		all = append(all, ok(durable, "fsync, full_page_writes, synchronous_commit and checksums are on"))
	}
	return all
}

func (d *doctor) connections(seen postgres.Inspection) Finding {
	const check = "database: connections"
	free := seen.MaxConns - seen.Conns
	text := fmt.Sprintf("%d of %d connections are free; each process takes up to %d", free, seen.MaxConns, d.Config.DatabaseMaxConns)
	if free < d.Config.DatabaseMaxConns {
		return warning(check, text, "raise max_connections of the server, or lower ASHBRIDGE_DATABASE_MAX_CONNS; all processes together must fit")
	}
	return ok(check, "%s", text)
}

func migrations(err error) Finding {
	const check = "migrations"
	switch {
	case errors.Is(err, postgres.ErrSchemaBehind):
		return failed(check, sentence(err), "run `ashbridge migrate` of this version, then start the services")
	case errors.Is(err, postgres.ErrSchemaAhead):
		return failed(check, sentence(err), "use this command, and run services, of the version that migrated the database")
	}
	return failed(check, sentence(err), "see whether the user of ASHBRIDGE_DATABASE_URL owns the tables")
}

// storedSecrets is the check of what is sealed.
const storedSecrets = "keyset: stored secrets"

// secrets opens some of what is stored.
func (d *doctor) secrets(ctx context.Context, db *postgres.DB, keys *seal.Keyset) Finding {
	const check = storedSecrets
	if keys == nil {
		return skipped(check, "there is no keyset to open them with")
	}
	tried, refused := 0, 0
	for _, place := range mirror.SealedPlaces() {
		rows, err := db.Keyset().SealedPage(ctx, place, mirror.SealedKey{}, []byte("none."), opened)
		if err != nil {
			return failed(check, sentence(err), "see whether the user of ASHBRIDGE_DATABASE_URL may read the tables")
		}
		for _, r := range rows {
			if len(r.Sealed) == 0 {
				continue
			}
			of, kind := rotation.Bound(place, r.Key)
			tried++
			if _, err := keys.Open(r.Sealed, of, kind); err != nil {
				refused++
			}
		}
	}
	switch {
	case tried == 0:
		return ok(check, "nothing is stored yet")
	case refused == tried:
		return failed(check, fmt.Sprintf("none of %d opens: this is not the keyset with which they were sealed", tried), "name the right file in ASHBRIDGE_KEYSET_FILE")
	case refused > 0:
		return failed(check, fmt.Sprintf("%d of %d do not open", refused, tried), "`ashbridge keys rotate --dry-run` names them and says what to do")
	}
	return ok(check, "%d were opened", tried)
}

// processes are those that run, by what they say of their keys.
func (d *doctor) processes(ctx context.Context, db *postgres.DB, keys *seal.Keyset) Finding {
	const check = "services"
	holders, err := db.Keyset().Holders(ctx)
	if err != nil {
		return failed(check, sentence(err), "see whether the user of ASHBRIDGE_DATABASE_URL may read the tables")
	}
	required := uint32(0)
	if r, err := db.Keyset().Rotation(ctx); err == nil && r.Required {
		required = r.Key
	}
	if required != 0 && keys != nil && !keys.Keys().Has(seal.KeyID(required)) {
		return failed(check, fmt.Sprintf("the keyset here lacks key %d, without which no service starts", required),
			"copy the present keyset file here; if it is lost, see docs/backup.md")
	}
	counts := map[string]int{}
	for _, h := range holders {
		if h.Silent > running {
			continue
		}
		counts[h.Service]++
		if h.Fault != "" {
			return failed(check, h.Service+" on "+h.Host+" does not take its keyset: "+h.Fault, "put the present keyset file there")
		}
		if required != 0 && h.Sealing != required {
			return warning(check, fmt.Sprintf("%s on %s seals with key %d, not with %d", h.Service, h.Host, h.Sealing, required),
				"copy the present keyset file there, then `ashbridge keys rotate` goes on")
		}
	}
	var missing []string
	for _, service := range []string{"gateway", "syncer", "notifier"} {
		if counts[service] == 0 && counts["up"] == 0 {
			missing = append(missing, service)
		}
	}
	if len(missing) > 0 {
		return warning(check, "not running, or of an older version: "+strings.Join(missing, ", "), "start them; gateway, syncer and notifier are needed once at least")
	}
	return ok(check, "%s", services(counts))
}

func services(counts map[string]int) string {
	var parts []string
	for _, service := range []string{"up", "gateway", "syncer", "notifier"} {
		if n := counts[service]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d × %s", n, service))
		}
	}
	return strings.Join(parts, ", ")
}

// clock compares this machine's clock with another.
func clock(check string, ahead time.Duration, whose string) Finding {
	text := fmt.Sprintf("%s is %s ahead of this machine", whose, ahead.Round(time.Millisecond))
	switch {
	case ahead.Abs() < 10*time.Millisecond:
		text = whose + " agrees with this machine"
	case ahead < 0:
		text = fmt.Sprintf("%s is %s behind this machine", whose, (-ahead).Round(time.Millisecond))
	}
	switch {
	case ahead.Abs() > clocksFar:
		return failed(check, text, "let both follow a time server (chrony, systemd-timesyncd): receivers refuse webhooks that are signed with a wrong time")
	case ahead.Abs() > clocksDiffer:
		return warning(check, text, "let both follow a time server (chrony, systemd-timesyncd)")
	}
	return ok(check, "%s", text)
}

// span is a short time for people.
func span(d time.Duration) string {
	if d < time.Millisecond {
		return "less than 1ms"
	}
	return d.Round(time.Millisecond).String()
}

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.0f MB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.0f kB", float64(bytes)/(1<<10))
}
