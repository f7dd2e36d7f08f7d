package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/notifier"
)

var _ notifier.RecordStore = postgres.Notifier{}

// keep writes a record's next version behind the package's back, as an Apply with record events does.
func (b *bundle) keep(connection, kind, id, doc string) {
	b.Helper()
	sealed := !strings.HasPrefix(doc, "{")
	b.exec(`
		WITH written AS (
			INSERT INTO records AS r (connection_id, kind, id, doc, sealed, hash, fetched_at, parent_id)
			VALUES ($1, $2, $3, CASE WHEN $5 THEN NULL ELSE CAST(CAST($4 AS text) AS jsonb) END, CASE WHEN $5 THEN convert_to($4, 'UTF8') END,
				'h', '2026-11-23T10:00:00Z', 'parent')
			ON CONFLICT (connection_id, kind, id) DO UPDATE
			SET doc = EXCLUDED.doc, sealed = EXCLUDED.sealed, version = r.version + 1, changed_at = clock_timestamp(), gone_at = NULL
		)
		INSERT INTO record_outbox (connection_id, kind, record_id)
		VALUES ($1, $2, $3)
		ON CONFLICT (connection_id, kind, record_id) DO UPDATE SET id = DEFAULT`, connection, kind, id, doc, sealed)
}

func (b *bundle) pendingRecords(limit int) []mirror.OutgoingRecord {
	b.Helper()
	out, err := b.n.PendingRecords(b.Context(), limit)
	b.must(err)
	return out
}

func recordNames(out []mirror.OutgoingRecord) []string {
	texts := []string{}
	for _, r := range out {
		text := fmt.Sprintf("%s/%s/%s v%d %s", r.Connection, r.Kind, r.ID, r.Version, r.Doc)
		if r.Gone {
			text += " gone"
		}
		texts = append(texts, text)
	}
	return texts
}

func (b *bundle) wantRecords(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, recordNames(b.pendingRecords(100))); diff != "" {
		b.Error(diff)
	}
}

func TestPendingRecordsArePresentStates(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.keep("acme", "job", "1", `{"n":1}`)
	b.keep("beta", "candidate", "1", "secret")
	b.keep("acme", "job", "2", `{"n":1}`)
	b.keep("acme", "job", "1", `{"n":2}`)
	b.exec(`UPDATE records SET gone_at = now(), ashby_updated_at = '2026-11-22T10:00:00Z' WHERE connection_id = 'acme' AND id = '2'`)
	b.exec(`INSERT INTO record_outbox (connection_id, kind, record_id) VALUES ('acme', 'job', 'unknown')`)
	b.wantRecords(`beta/candidate/1 v1 `, `acme/job/2 v1 {"n": 1} gone`, `acme/job/1 v2 {"n": 2}`, `acme/job/unknown v0  gone`)

	first := b.pendingRecords(2)
	if len(first) != 2 {
		t.Fatalf("%d of at most 2", len(first))
	}
	if first[0].Sealed != nil || first[0].Parent != "parent" || first[0].UpdatedAt != nil {
		t.Errorf("sealed record comes as %+v", first[0])
	}
	if at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC); first[1].UpdatedAt == nil || !first[1].UpdatedAt.Equal(at) {
		t.Errorf("updated at %v", first[1].UpdatedAt)
	}
	if at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC); !first[0].FetchedAt.Equal(at) || time.Since(first[0].ChangedAt) > time.Hour {
		t.Errorf("fetched at %v, changed at %v", first[0].FetchedAt, first[0].ChangedAt)
	}
}

func TestRecordsPublishedLeavesWhatChanged(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.keep("acme", "job", "1", `{"n":1}`)
	b.keep("acme", "job", "2", `{"n":1}`)
	b.keep("acme", "job", "3", `{"n":1}`)
	out := b.pendingRecords(2)
	b.keep("acme", "job", "1", `{"n":2}`)
	for range 2 { // may be repeated
		b.must(b.n.RecordsPublished(t.Context(), out))
		b.wantRecords(`acme/job/3 v1 {"n": 1}`, `acme/job/1 v2 {"n": 2}`)
	}
	b.must(b.n.RecordsPublished(t.Context(), nil))
	b.must(b.n.RecordsPublished(t.Context(), b.pendingRecords(100)))
	b.wantRecords([]string{}...)
}

func TestRecordPurges(t *testing.T) {
	b := setup(t)
	b.exec(`INSERT INTO record_purges (connection_id, kind, asked_at) VALUES ('acme', 'offer', now() - interval '1 min'), ('beta', '', now())`)
	purges, err := b.n.RecordPurges(t.Context(), 10)
	b.must(err)
	if len(purges) != 2 || purges[0].Connection != "acme" || purges[0].Kind != "offer" || purges[1].Connection != "beta" || purges[1].Kind != "" {
		t.Fatalf("purges %+v", purges)
	}
	b.exec(`UPDATE record_purges SET asked_at = clock_timestamp() WHERE connection_id = 'acme'`) // asked for again
	for range 2 {
		for _, p := range purges {
			b.must(b.n.RecordsPurged(t.Context(), p))
		}
	}
	left, err := b.n.RecordPurges(t.Context(), 10)
	b.must(err)
	if len(left) != 1 || left[0].Connection != "acme" {
		t.Fatalf("left %+v", left)
	}
	b.must(b.n.RecordsPurged(t.Context(), left[0]))
	if n := b.count(`SELECT count(*) FROM record_purges`); n != 0 {
		t.Errorf("%d purges are left", n)
	}
}

func TestRequeueRecords(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta", "gone")
	const many = 5001 // more than one transaction's
	b.exec(`
		INSERT INTO records (connection_id, kind, id, doc, hash, fetched_at)
		SELECT 'acme', 'job', i, '{}', 'h', now() FROM generate_series(1, $1) AS i`, many)
	b.keep("beta", "candidate", "1", "secret")
	b.keep("gone", "job", "1", `{}`)
	b.exec(`UPDATE records SET gone_at = now() WHERE connection_id = 'acme' AND id = '7'`)
	before := b.pendingRecords(1)
	b.exec(`UPDATE connections SET status = 'removed' WHERE id = 'gone'`)
	b.exec(`DELETE FROM record_outbox WHERE connection_id = 'gone'`)
	for range 2 {
		n, err := b.n.RequeueRecords(t.Context())
		b.must(err)
		if n != many+1 {
			t.Errorf("%d records were queued, want %d", n, many+1)
		}
		if got := b.count(`SELECT count(*) FROM record_outbox`); got != many+1 {
			t.Errorf("%d rows wait", got)
		}
	}
	b.must(b.n.RecordsPublished(t.Context(), before))
	if got := b.count(`SELECT count(*) FROM record_outbox WHERE connection_id = 'beta'`); got != 1 {
		t.Error("what was published to the lost stream is no longer told")
	}
}

func TestRecordsOfARemovedConnectionAreNotTold(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.keep("acme", "job", "1", `{"n":1}`)
	b.exec(`UPDATE connections SET status = 'removed'`)
	b.wantRecords(`acme/job/1 v0  gone`)
}

func TestStreamStateOf(t *testing.T) {
	b := setup(t)
	if _, err := b.n.StreamStateOf(t.Context(), "RECORDS"); !errors.Is(err, mirror.ErrNotFound) {
		t.Fatalf("state of a stream that never was: %v", err)
	}
	for _, want := range []mirror.StreamState{
		{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), LastSeq: 8}, {},
	} {
		b.must(b.n.PutStreamState(t.Context(), "RECORDS", want))
		got, err := b.n.StreamStateOf(t.Context(), "RECORDS")
		b.must(err)
		if !got.CreatedAt.Equal(want.CreatedAt) || got.LastSeq != want.LastSeq {
			t.Errorf("state %+v, want %+v", got, want)
		}
	}
	if _, err := b.n.StreamState(t.Context()); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("the state of JOBS was touched: %v", err)
	}
}
