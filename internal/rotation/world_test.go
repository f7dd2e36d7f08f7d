package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/rotation"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

func TestMain(m *testing.M) { localtest.Main(m, localtest.Volatile()) }

// world is a database with everything that can be sealed in it, and the keyset's file.
type world struct {
	*testing.T
	db   *postgres.DB
	raw  *sqlx.DB
	file string
	// plain is what must be found, by place and key.
	plain map[string]string
}

func setup(t *testing.T) *world {
	t.Helper()
	t.Parallel()
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
	w := &world{T: t, db: db, raw: raw, file: filepath.Join(t.TempDir(), "keyset.json"), plain: map[string]string{}}
	k, err := seal.Create(w.file)
	if err != nil {
		t.Fatal(err)
	}
	w.fill(k)
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.raw.Exec(sql, args...); err != nil {
		w.Fatal(err)
	}
}

func (w *world) seal(k *seal.Keyset, of, kind, plain string) []byte {
	w.Helper()
	s, err := k.Seal(ashby.Secret(plain), of, kind)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// fill makes three connections with their secrets, two endpoints of which one is deleted, and records of both forms.
func (w *world) fill(k *seal.Keyset) {
	for i := range 3 {
		c := fmt.Sprintf("c%d", i)
		w.exec(`INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token)
			VALUES ($1, 0, $1, $1, 'active', '{jobs}', 3600, '{}', $1)`, c)
		for column, kind := range map[string]string{
			"api_key": seal.KindAPIKey, "webhook_secret": seal.KindWebhookSecret, "webhook_secret_previous": seal.KindWebhookSecret,
		} {
			w.exec(`INSERT INTO secrets (connection_id, kind, sealed) VALUES ($1, $2, $3)`, c, column, w.seal(k, c, kind, column+c))
			w.plain[key(mirror.SealedSecrets, c, column, "")] = column + c
		}
		for j := range 7 {
			id := fmt.Sprintf("r%d", j)
			if j == 0 { // one that is not sealed, and one that is gone
				w.exec(`INSERT INTO records (connection_id, kind, id, doc, hash, fetched_at) VALUES ($1, 'job', $2, '{}', '', now())`, c, id)
				w.exec(`INSERT INTO records (connection_id, kind, id, sealed, hash, fetched_at, gone_at)
					VALUES ($1, 'candidate', $2, '', '', now(), now())`, c, id)
				continue
			}
			w.exec(`INSERT INTO records (connection_id, kind, id, sealed, hash, fetched_at) VALUES ($1, 'candidate', $2, $3, '', now())`,
				c, id, w.seal(k, c, mirror.RecordSecret("candidate", id), "record"+c+id))
			w.plain[key(mirror.SealedRecords, c, "candidate", id)] = "record" + c + id
		}
	}
	w.exec(`INSERT INTO endpoints (id, url, secret, previous, status) VALUES ('e1', 'https://a', $1, $2, 'active'),
		('e2', '', '', NULL, 'deleted')`, w.seal(k, "e1", seal.KindEndpointSecret, "now"), w.seal(k, "e1", seal.KindEndpointSecret, "before"))
	w.plain[key(mirror.SealedEndpoints, "e1", "secret", "")] = "now"
	w.plain[key(mirror.SealedEndpoints, "e1", "previous", "")] = "before"
}

func key(place mirror.SealedPlace, parts ...string) string {
	return string(place) + "/" + strings.Join(parts, "/")
}

// load is the keyset in the memory of another process.
func (w *world) load(file string) *seal.Keyset {
	w.Helper()
	k, err := seal.Load(file)
	if err != nil {
		w.Fatal(err)
	}
	return k
}

// sealedRow is what a test sees in a table, with what it is bound to.
type sealedRow struct {
	Place  string `db:"place"`
	A      string `db:"a"`
	B      string `db:"b"`
	C      string `db:"c"`
	Of     string `db:"bound"`
	Kind   string `db:"kind"`
	Sealed []byte `db:"sealed"`
}

// rows are found by SQL that is not the product's.
func (w *world) rows() []sealedRow {
	w.Helper()
	var rows []sealedRow
	if err := w.raw.Select(&rows, `
		SELECT 'secrets' AS place, connection_id AS a, kind AS b, '' AS c, connection_id AS bound,
			replace(kind, '_previous', '') AS kind, sealed FROM secrets
		UNION ALL SELECT 'endpoints', id, 'secret', '', id, 'endpoint_secret', secret FROM endpoints WHERE length(secret) > 0
		UNION ALL SELECT 'endpoints', id, 'previous', '', id, 'endpoint_secret', previous FROM endpoints WHERE length(previous) > 0
		UNION ALL SELECT 'records', connection_id, kind, id, connection_id, 'record.' || kind || '.' || id, sealed
			FROM records WHERE length(sealed) > 0`); err != nil {
		w.Fatal(err)
	}
	return rows
}

// checkOpens fails unless the keyset opens everything, and each is what it was.
func (w *world) checkOpens(when string, k *seal.Keyset) {
	w.Helper()
	rows := w.rows()
	if len(rows) != len(w.plain) {
		w.Errorf("%s: %d are sealed, not %d", when, len(rows), len(w.plain))
	}
	for _, r := range rows {
		got, err := k.Open(r.Sealed, r.Of, r.Kind)
		name := key(mirror.SealedPlace(r.Place), r.A, r.B, r.C)
		if err != nil || got.Reveal() != w.plain[name] {
			w.Errorf("%s: %s does not open to what it was: %v", when, name, err)
		}
	}
}

// checkAllWith fails unless everything is sealed with a key.
func (w *world) checkAllWith(id seal.KeyID) {
	w.Helper()
	for _, r := range w.rows() {
		if with, _ := seal.SealedWith(r.Sealed); with != id {
			w.Errorf("%s %s %s is sealed with %d, not with %d", r.Place, r.A, r.B, with, id)
		}
	}
}

// service runs the keyholder of a process until the test ends or stop is called.
func (w *world) service(name, file string) (k *seal.Keyset, stop func()) {
	w.Helper()
	k = w.load(file)
	holder := app.NewKeyholder(app.Parts{DB: w.db, Keys: k, Owner: name, Log: slog.New(slog.DiscardHandler)}, name)
	holder.Every = 20 * time.Millisecond
	if err := holder.Enter(w.Context()); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := holder.Run(ctx); err != nil {
			w.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := holder.Leave(w.Context()); err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(func() { cancel(); running.Wait() })
	return k, stop
}

// rotator is a call of the command in a process of its own.
func (w *world) rotator(change func(o *rotation.Options)) *rotation.Rotator {
	w.Helper()
	o := rotation.Options{
		Keys: w.load(w.file), Store: w.db.Keyset(), Leases: w.db.Notifier(), Owner: "command", Wait: 30 * time.Second, Batch: 4,
		LookEvery: 10 * time.Millisecond, Settle: 10 * time.Millisecond, RetireAfter: time.Nanosecond,
	}
	if change != nil {
		change(&o)
	}
	r, err := rotation.New(o)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

var errKilled = errors.New("killed")

// mortal is a store under a process that dies at one of its calls: before the call has an effect, or just after.
type mortal struct {
	rotation.Store
	at, n int
	after bool
}

func (m *mortal) step(do func() error) error {
	m.n++
	switch {
	case m.n > m.at, m.n == m.at && !m.after:
		return errKilled
	case m.n == m.at:
		return errors.Join(do(), errKilled)
	}
	return do()
}

func (m *mortal) Begin(ctx context.Context, key uint32) error {
	return m.step(func() error { return m.Store.Begin(ctx, key) })
}

func (m *mortal) Require(ctx context.Context, key uint32) error {
	return m.step(func() error { return m.Store.Require(ctx, key) })
}

func (m *mortal) Finish(ctx context.Context, key uint32) error {
	return m.step(func() error { return m.Store.Finish(ctx, key) })
}

func (m *mortal) Holders(ctx context.Context) (holders []mirror.KeysetHolder, err error) {
	err = m.step(func() (err error) { holders, err = m.Store.Holders(ctx); return err })
	return holders, err
}

func (m *mortal) SealedPage(
	ctx context.Context, place mirror.SealedPlace, after mirror.SealedKey, except []byte, limit int,
) (rows []mirror.SealedRow, err error) {
	err = m.step(func() (err error) { rows, err = m.Store.SealedPage(ctx, place, after, except, limit); return err })
	return rows, err
}

func (m *mortal) Reseal(
	ctx context.Context, place mirror.SealedPlace, old []mirror.SealedRow, next []mirror.Sealed,
) (n int, err error) {
	err = m.step(func() (err error) { n, err = m.Store.Reseal(ctx, place, old, next); return err })
	return n, err
}
