package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// bundle is one migrated database and its handles.
type bundle struct {
	*testing.T
	db   *postgres.DB
	g    postgres.Gateway
	s    postgres.Syncer
	n    postgres.Notifier
	raw  *sqlx.DB
	url  string
	held map[int]mirror.Lease
}

func open(t *testing.T, o postgres.Options) *postgres.DB {
	t.Helper()
	o.AllowUnsafeDurability = true
	db, err := postgres.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// rawDB looks behind the package's back.
func rawDB(t *testing.T, url string) *sqlx.DB {
	t.Helper()
	raw, err := sqlx.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// setup migrates a fresh database and lets the owner "a" hold every partition.
func setup(t *testing.T) *bundle {
	t.Helper()
	t.Parallel()
	url := localtest.Migrated(t)
	db := open(t, postgres.Options{URL: url, MaxConns: 20})
	b := &bundle{T: t, db: db, g: db.Gateway(), s: db.Syncer(), n: db.Notifier(), raw: rawDB(t, url), url: url}
	b.held = b.renew("a")
	return b
}

func (b *bundle) renew(owner string) map[int]mirror.Lease {
	b.Helper()
	leases, err := b.s.Renew(b.Context(), owner, time.Minute)
	b.must(err)
	held := map[int]mirror.Lease{}
	for _, l := range leases {
		held[l.Part] = l
	}
	return held
}

func (b *bundle) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bundle) exec(query string, args ...any) {
	b.Helper()
	_, err := b.raw.ExecContext(b.Context(), query, args...)
	b.must(err)
}

func (b *bundle) count(query string, args ...any) int {
	b.Helper()
	var n int
	b.must(b.raw.GetContext(b.Context(), &n, query, args...))
	return n
}

func connection(id string) mirror.NewConnection {
	return mirror.NewConnection{
		Connection: mirror.Connection{
			ID: id, EmployerRef: "ref-" + id, EmployerName: "Employer " + id, Modules: []string{"jobs"},
			PollInterval: time.Hour, KeyLast4: "wxyz", WebhookToken: "token-" + id,
			Report: mirror.Report{OK: true, KeyTitle: "Key of " + id},
		},
		Key: []byte("sealed key " + id), KeyFingerprint: []byte("print " + id),
		WebhookSecret: []byte("sealed secret " + id),
	}
}

func (b *bundle) connect(ids ...string) {
	b.Helper()
	for _, id := range ids {
		b.must(b.g.Create(b.Context(), connection(id)))
	}
}

func (b *bundle) mandate(connection string) mirror.Mandate {
	return mirror.Mandate{Lease: b.held[mirror.Part(connection)], Connection: connection}
}

func (b *bundle) setStatus(connection string, status mirror.Status, reason string) (bool, error) {
	return b.s.SetStatus(b.Context(), b.mandate(connection), mirror.StatusChange{Status: status, Reason: reason})
}

func (b *bundle) start(connection string, claim time.Duration) mirror.Trigger {
	b.Helper()
	trigger, err := b.s.StartPoll(b.Context(), b.mandate(connection), claim)
	b.must(err)
	return trigger
}

func (b *bundle) unit(connection string) mirror.Unit {
	return mirror.Unit{
		Lease: b.held[mirror.Part(connection)], Connection: connection, Origin: events.OriginPoll,
	}
}

func (b *bundle) apply(u mirror.Unit) mirror.Applied {
	b.Helper()
	applied, err := b.s.Apply(b.Context(), u)
	b.must(err)
	return applied
}

func job(connection, posting, title string) *events.Job {
	return &events.Job{ID: posting, Connection: connection, Title: title, JSONLD: json.RawMessage(`{}`)}
}

func wantOpen(connection, posting, title string) mirror.Desired {
	return mirror.Desired{
		Posting: posting, Job: job(connection, posting, title), ObservedAt: time.Now(), VerifiedAt: time.Now(), VerifiedBy: events.ProofInfo, Translator: "t1",
	}
}

func wantClosed(posting string) mirror.Desired {
	return mirror.Desired{Posting: posting, Reason: events.ReasonUnpublished, ObservedAt: time.Now(), VerifiedAt: time.Now(), VerifiedBy: events.ProofInfo}
}

// post opens a listing with a title.
func (b *bundle) post(connection, posting, title string) mirror.Applied {
	b.Helper()
	u := b.unit(connection)
	u.Listings = []mirror.Desired{wantOpen(connection, posting, title)}
	return b.apply(u)
}

func record(kind, id, doc string) mirror.Record {
	return mirror.Record{
		Kind: kind, ID: id, Doc: json.RawMessage(doc), Hash: mirror.Hash([]byte(doc)), FetchedAt: time.Now(),
	}
}

// pending returns what is in the outbox, as "connection/posting v1 job.published".
func (b *bundle) pending() []string {
	b.Helper()
	out, err := b.n.Pending(b.Context(), nil, 1000)
	b.must(err)
	return names(out)
}

func names(out []mirror.Outgoing) []string {
	texts := []string{}
	for _, o := range out {
		texts = append(texts, fmt.Sprintf("%s/%s v%d %s", o.Connection, o.Posting, o.Version, o.Type))
	}
	return texts
}

// publish stands in for the relay: it gives what is pending the next places in the stream.
func publish(ctx context.Context, n postgres.Notifier, seq *uint64, limit int) ([]mirror.Outgoing, error) {
	out, err := n.Pending(ctx, nil, limit)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	var ps []mirror.Published
	for _, o := range out {
		*seq++
		ps = append(ps, mirror.Published{Outgoing: o, Seq: *seq})
	}
	return out, n.Published(ctx, ps, mirror.StreamState{CreatedAt: time.Unix(1, 0), LastSeq: *seq})
}

func (b *bundle) publishAll() {
	b.Helper()
	var seq uint64
	if state, err := b.n.StreamState(b.Context()); err == nil {
		seq = state.LastSeq
	}
	for {
		out, err := publish(b.Context(), b.n, &seq, 100)
		b.must(err)
		if len(out) == 0 {
			return
		}
	}
}

// open returns the open inbox rows of an object of acme.
func (b *bundle) open(kind mirror.HintKind, object string) []int64 {
	b.Helper()
	rows, err := b.s.OpenInbox(b.Context(), "acme", kind, object)
	b.must(err)
	return rows[object]
}
