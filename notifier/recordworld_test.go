package notifier_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

// world is a database with two employers, and a NATS server.
type world struct {
	testing.TB
	srv   *bustest.Server
	b     *bus.Bus
	store postgres.Notifier
	raw   *sql.DB
}

// fed has the stream RECORDS from the beginning.
func fed(t testing.TB) *world {
	t.Helper()
	w := made(t, bustest.StartServer(t))
	w.b = w.connect(w.srv.URL())
	return w
}

func made(t testing.TB, srv *bustest.Server) *world {
	t.Helper()
	url := localtest.Migrated(t)
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url, AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{TB: t, srv: srv, store: db.Notifier()}
	if w.raw, err = sql.Open("postgres", url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.raw.Close() })
	for _, id := range []string{"acme", "beta"} {
		if err := db.Gateway().Create(t.Context(), mirror.NewConnection{
			Connection: mirror.Connection{
				ID: id, EmployerRef: id, Modules: []string{"jobs"}, PollInterval: time.Hour, WebhookToken: "token-" + id,
			},
			Key: []byte("key"), KeyFingerprint: []byte(id), WebhookSecret: []byte("secret"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) connect(url string) *bus.Bus {
	w.Helper()
	return bustest.Ready(w, bustest.ConnectOptions(w, bus.Options{URL: url, Records: true}))
}

// feed runs a notifier that feeds RECORDS.
func (w *world) feed(owner string, change ...func(*notifier.Options)) running {
	w.Helper()
	return start(w, w.store, w.b, owner, append([]func(*notifier.Options){func(o *notifier.Options) {
		o.Records, o.RecordStore, o.RecordIdle = true, w.store, 10*time.Millisecond
	}}, change...)...)
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	if _, err := w.raw.ExecContext(w.Context(), query, args...); err != nil {
		w.Fatal(err)
	}
}

const queue = `
	INSERT INTO record_outbox (connection_id, kind, record_id) VALUES ($1, $2, $3)
	ON CONFLICT (connection_id, kind, record_id) DO UPDATE SET id = DEFAULT`

// keep writes a record's next version, as a unit of work does. A document that is no object is a sealed one.
func (w *world) keep(connection, kind, id, doc string) {
	w.Helper()
	var open, sealed any = doc, nil
	if !strings.HasPrefix(doc, "{") {
		open, sealed = nil, []byte(doc)
	}
	w.exec(`
		WITH written AS (
			INSERT INTO records AS r (connection_id, kind, id, doc, sealed, hash, fetched_at)
			VALUES ($1, $2, $3, CAST(CAST($4 AS text) AS jsonb), $5, 'h', now())
			ON CONFLICT (connection_id, kind, id) DO UPDATE
			SET doc = EXCLUDED.doc, sealed = EXCLUDED.sealed, version = r.version + 1, changed_at = clock_timestamp(), gone_at = NULL
		)`+queue, connection, kind, id, open, sealed)
}

// lose notes that a record is gone.
func (w *world) lose(connection, kind, id string) {
	w.Helper()
	w.exec(`
		WITH written AS (
			UPDATE records
			SET version = version + 1, changed_at = clock_timestamp(), gone_at = clock_timestamp(),
				sealed = CASE WHEN sealed IS NOT NULL THEN CAST('' AS bytea) END
			WHERE connection_id = $1 AND kind = $2 AND id = $3
		)`+queue, connection, kind, id)
}

// forget takes a kind away from a connection, or with an empty kind the connection itself.
func (w *world) forget(connection, kind string) {
	w.Helper()
	w.exec(`
		WITH outbox AS (DELETE FROM record_outbox WHERE connection_id = $1 AND ($2 = '' OR kind = $2)),
			mirror AS (DELETE FROM records WHERE connection_id = $1 AND kind = $2),
			connection AS (UPDATE connections SET status = 'removed' WHERE id = $1 AND $2 = '')
		INSERT INTO record_purges (connection_id, kind) VALUES ($1, $2)`, connection, kind)
}

func (w *world) count(query string, args ...any) (n int) {
	w.Helper()
	if err := w.raw.QueryRowContext(w.Context(), query, args...).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// told waits until nothing is left to be told.
func (w *world) told() {
	w.Helper()
	bustest.Eventually(w, "everything is told", func() bool {
		return w.count(`SELECT (SELECT count(*) FROM record_outbox) + (SELECT count(*) FROM record_purges)`) == 0
	})
}

// state is a message of RECORDS.
type state struct {
	seq  uint64
	id   string
	typ  events.Type
	data events.RecordData
}

func read(t testing.TB, subject, headerID string, seq uint64, body []byte) state {
	t.Helper()
	eventstest.Validate(t, body)
	var e events.Event
	s := state{seq: seq}
	if err := errors.Join(json.Unmarshal(body, &e), json.Unmarshal(e.Data, &s.data)); err != nil {
		t.Errorf("message %d: %v", seq, err)
	}
	s.id, s.typ = e.ID, e.Type
	d := s.data
	if want := events.RecordSubject(d.Connection, d.Kind, d.ID); subject != want || headerID != e.ID ||
		e.Subject != d.Kind+"/"+d.ID || e.ID != fmt.Sprintf("%s.%s.%s.%d", d.Connection, d.Kind, d.ID, d.Version) {
		t.Errorf("message %d to %s says other things in its envelope: %s", seq, subject, body)
	}
	return s
}

// states reads all of RECORDS.
func (w *world) states() map[string]state {
	w.Helper()
	s, err := w.b.JetStream().Stream(w.Context(), events.RecordsStream)
	if err != nil {
		w.Fatal(err)
	}
	found := map[string]state{}
	for seq := max(1, s.CachedInfo().State.FirstSeq); seq <= s.CachedInfo().State.LastSeq; seq++ {
		raw, err := s.GetMsg(w.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			w.Fatal(err)
		}
		if strings.HasPrefix(raw.Subject, "records.v1.") {
			found[raw.Subject] = read(w, raw.Subject, raw.Header.Get("Nats-Msg-Id"), seq, raw.Data)
		}
	}
	return found
}

// judge holds the stream against the database: each record that is there, and no other, at its version.
func (w *world) judge() {
	w.Helper()
	found := w.states()
	rows, err := w.raw.QueryContext(w.Context(), `
		SELECT connection_id, kind, r.id, version, gone_at IS NOT NULL, sealed IS NOT NULL
		FROM records r JOIN connections c ON c.id = connection_id WHERE c.status <> 'removed'`)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var connection, kind, id string
		var version int64
		var gone, sealed bool
		if err := rows.Scan(&connection, &kind, &id, &version, &gone, &sealed); err != nil {
			w.Fatal(err)
		}
		subject := events.RecordSubject(connection, kind, id)
		s, ok := found[subject]
		delete(found, subject)
		if !ok || s.data.Version != version || s.data.Sealed != sealed || (s.typ == events.RecordGone) != gone {
			w.Errorf("%s is told as %+v, but is at version %d, gone %v, sealed %v", subject, s, version, gone, sealed)
		}
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	for subject := range found {
		w.Errorf("%s is on the stream, but no record", subject)
	}
}

// watched are the messages that a reader of RECORDS saw, by subject, in their order.
type watched struct {
	mu   sync.Mutex
	seen map[string][]state
}

// watch reads along with the stream until the end of the test.
func (w *world) watch() *watched {
	w.Helper()
	seen := &watched{seen: map[string][]state{}}
	consumer, err := w.b.JetStream().OrderedConsumer(w.Context(), events.RecordsStream, jetstream.OrderedConsumerConfig{
		FilterSubjects: events.RecordSubjects(),
	})
	if err != nil {
		w.Fatal(err)
	}
	reading, err := consumer.Consume(func(m jetstream.Msg) {
		md, err := m.Metadata()
		if err != nil {
			w.Error(err)
			return
		}
		s := read(w, m.Subject(), m.Headers().Get("Nats-Msg-Id"), md.Sequence.Stream, m.Data())
		seen.mu.Lock()
		defer seen.mu.Unlock()
		seen.seen[m.Subject()] = append(seen.seen[m.Subject()], s)
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { reading.Stop(); <-reading.Closed() })
	return seen
}

func (s *watched) versions(subject string) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var versions []int64
	for _, m := range s.seen[subject] {
		versions = append(versions, m.data.Version)
	}
	return versions
}

// slowStore is a store whose steps a test may hold up or break.
type slowStore struct {
	postgres.Notifier
	// afterPending runs when rows were read, beforePublished before they are taken out; an error of either is the store's.
	afterPending, beforePublished func(rows []mirror.OutgoingRecord) error
	// beforePending runs before rows are read, beforeState before the noted state of a stream is.
	beforePending, beforeState func()
}

func (s slowStore) StreamStateOf(ctx context.Context, stream string) (mirror.StreamState, error) {
	if s.beforeState != nil {
		s.beforeState()
	}
	return s.Notifier.StreamStateOf(ctx, stream)
}

func (s slowStore) PendingRecords(ctx context.Context, limit int) ([]mirror.OutgoingRecord, error) {
	if s.beforePending != nil {
		s.beforePending()
	}
	rows, err := s.Notifier.PendingRecords(ctx, limit)
	if err == nil && s.afterPending != nil && len(rows) > 0 {
		err = s.afterPending(rows)
	}
	return rows, err
}

func (s slowStore) RecordsPublished(ctx context.Context, rows []mirror.OutgoingRecord) error {
	if s.beforePublished != nil {
		if err := s.beforePublished(rows); err != nil {
			return err
		}
	}
	return s.Notifier.RecordsPublished(ctx, rows)
}

// heldStore never refuses the lease: what a process sees that was paused past it.
type heldStore struct{ postgres.Notifier }

func (heldStore) Acquire(context.Context, string, string, time.Duration) (int64, bool, error) {
	return 1, true, nil
}
