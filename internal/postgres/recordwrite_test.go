package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

// telling opens the database anew, with record events.
func (b *bundle) telling() *postgres.DB {
	b.Helper()
	return open(b.T, postgres.Options{URL: b.url, MaxConns: 4, RecordEvents: true})
}

func sealed(kind, id, content string) mirror.Record {
	return mirror.Record{
		Kind: kind, ID: id, Sealed: mirror.Sealed(content), Hash: []byte("print of " + content), FetchedAt: time.Now(),
	}
}

func (b *bundle) record(kind, id string) mirror.RecordState {
	b.Helper()
	state, err := b.g.Record(b.Context(), "acme", kind, id)
	b.must(err)
	return state
}

func TestASealedRecordThroughItsLife(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	u.Upserts = []mirror.Record{sealed("candidate", "c1", "one"), record("job", "j1", `{"id":"j1"}`)}
	u.Upserts[0].Parent, u.Upserts[0].Variant = "p1", "archived"
	b.apply(u)
	first := b.record("candidate", "c1")
	if first.Doc != nil || string(first.Sealed) != "one" || first.Version != 1 || first.Gone || first.Parent != "p1" ||
		first.Variant != "archived" {
		t.Errorf("first: %+v", first)
	}
	if plain := b.record("job", "j1"); plain.Sealed != nil || string(plain.Doc) != `{"id": "j1"}` {
		t.Errorf("unsealed: %+v", plain)
	}

	// A read of the object alone does not know where it stands.
	u.Upserts = []mirror.Record{sealed("candidate", "c1", "two")}
	b.apply(u)
	second := b.record("candidate", "c1")
	if second.Version != 2 || !second.ChangedAt.After(first.ChangedAt) || second.Parent != "p1" || second.Variant != "archived" {
		t.Errorf("second: %+v", second)
	}
	u.Upserts[0].Variant = "active"
	if got := b.apply(u); got.Records != 1 {
		t.Errorf("another variant wrote %d records", got.Records)
	}
	before := b.versions()
	if got := b.apply(u); got.Records != 0 || b.writes(&before) != 0 {
		t.Errorf("what is equal wrote %d records", got.Records)
	}

	u.Upserts, u.Gone = nil, []mirror.RecordKey{{Kind: "candidate", ID: "c1"}, {Kind: "job", ID: "j1"}}
	b.apply(u)
	gone := b.record("candidate", "c1")
	if !gone.Gone || gone.Doc != nil || len(gone.Sealed) != 0 || gone.Version != 4 {
		t.Errorf("gone: %+v", gone)
	}
	if plain := b.record("job", "j1"); !plain.Gone || plain.Doc == nil || plain.Version != 2 {
		t.Errorf("unsealed and gone: %+v", plain)
	}
	u.Gone, u.Upserts = nil, []mirror.Record{sealed("candidate", "c1", "two")}
	b.apply(u)
	back := b.record("candidate", "c1")
	if back.Gone || string(back.Sealed) != "two" || back.Version != 5 {
		t.Errorf("back: %+v", back)
	}
}

func TestRecordEventsQueueEachWrittenRecordOnce(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	queue := func() []string {
		t.Helper()
		var rows []string
		b.must(b.raw.SelectContext(t.Context(), &rows, `SELECT kind || '/' || record_id FROM record_outbox ORDER BY id`))
		return rows
	}
	u := b.unit("acme")
	u.Upserts = []mirror.Record{sealed("candidate", "c1", "one"), record("job", "j1", `{}`)}
	b.apply(u)
	if got := queue(); len(got) != 0 {
		t.Errorf("without record events the queue has %v", got)
	}
	s := b.telling().Syncer()
	apply := func() {
		t.Helper()
		_, err := s.Apply(t.Context(), u)
		b.must(err)
	}
	apply() // nothing differs
	if got := queue(); len(got) != 0 {
		t.Errorf("what is equal went into the queue: %v", got)
	}
	u.Upserts = []mirror.Record{sealed("candidate", "c2", "two"), sealed("candidate", "c1", "three")}
	apply()
	u.Upserts, u.Gone = nil, []mirror.RecordKey{{Kind: "candidate", ID: "c1"}, {Kind: "job", ID: "j1"}}
	apply()
	if diff := cmp.Diff([]string{"candidate/c2", "candidate/c1", "job/j1"}, queue()); diff != "" {
		t.Error(diff)
	}
}

func TestHeadsByIDAndByParent(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	u := b.unit("acme")
	for i := range 5 {
		r := sealed("candidate_note", fmt.Sprintf("n%d", i), fmt.Sprint("note ", i))
		r.Parent = fmt.Sprintf("c%d", i%2)
		u.Upserts = append(u.Upserts, r)
	}
	b.apply(u)
	u.Upserts, u.Gone = nil, []mirror.RecordKey{{Kind: "candidate_note", ID: "n2"}}
	b.apply(u)
	heads, err := b.s.HeadsOf(t.Context(), "acme", "candidate_note", []string{"n1", "n2", "never"})
	b.must(err)
	want := map[string]mirror.Head{"n1": {Hash: []byte("print of note 1")}, "n2": {Hash: []byte("print of note 2"), Gone: true}}
	if diff := cmp.Diff(want, heads); diff != "" {
		t.Error(diff)
	}
	children, err := b.s.Children(t.Context(), "acme", "candidate_note", "c0")
	b.must(err)
	want = map[string]mirror.Head{"n0": {Hash: []byte("print of note 0")}, "n4": {Hash: []byte("print of note 4")}}
	if diff := cmp.Diff(want, children); diff != "" {
		t.Error(diff)
	}
	ids, err := b.s.RecordIDs(t.Context(), "acme", "candidate_note", "n0", 2)
	b.must(err)
	if diff := cmp.Diff([]string{"n1", "n3"}, ids); diff != "" {
		t.Error(diff)
	}
	if ids, err := b.s.RecordIDs(t.Context(), "beta", "candidate_note", "", 2); err != nil || len(ids) != 0 {
		t.Errorf("of another connection: %v, %v", ids, err)
	}
	records, err := b.s.Records(t.Context(), "acme", "candidate_note", []string{"n1", "n2"})
	b.must(err)
	if len(records) != 1 || records[0].Parent != "c1" || string(records[0].Sealed) != "note 1" || records[0].Doc != nil {
		t.Errorf("records %+v", records)
	}
}

func TestTheFeedOfRecords(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	feed := func(q mirror.RecordQuery) []string {
		t.Helper()
		q.Connection, q.Kind = "acme", "candidate"
		states, err := b.g.Records(t.Context(), q)
		b.must(err)
		texts := []string{}
		for _, s := range states {
			texts = append(texts, fmt.Sprintf("%s v%d %t", s.ID, s.Version, s.Gone))
		}
		return texts
	}
	u := b.unit("acme")
	u.Upserts = []mirror.Record{sealed("candidate", "c1", "1"), sealed("candidate", "c2", "2"), sealed("offer", "o1", "3")}
	b.apply(u)
	var between time.Time
	b.must(b.raw.GetContext(t.Context(), &between, `SELECT clock_timestamp()`))
	u.Upserts, u.Gone = nil, []mirror.RecordKey{{Kind: "candidate", ID: "c1"}}
	b.apply(u)
	if diff := cmp.Diff([]string{"c2 v1 false", "c1 v2 true"}, feed(mirror.RecordQuery{Limit: 200})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c1 v2 true"}, feed(mirror.RecordQuery{Limit: 200, UpdatedSince: between})); diff != "" {
		t.Error(diff)
	}
	page, err := b.g.Records(t.Context(), mirror.RecordQuery{Connection: "acme", Kind: "candidate", Limit: 1})
	b.must(err)
	after := mirror.RecordCursor{ChangedAt: page[0].ChangedAt, ID: page[0].ID}
	if diff := cmp.Diff([]string{"c1 v2 true"}, feed(mirror.RecordQuery{Limit: 1, After: after})); diff != "" {
		t.Error(diff)
	}
	if _, err := b.g.Records(t.Context(), mirror.RecordQuery{Limit: 201}); err == nil {
		t.Error("a limit above 200 was accepted")
	}

	// A change that began before and is not committed yet holds back what came after it.
	slow := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = slow.Rollback() }()
	slow.MustExecContext(t.Context(), `UPDATE records SET changed_at = clock_timestamp() WHERE id = 'c2'`)
	u.Gone, u.Upserts = nil, []mirror.Record{sealed("candidate", "c3", "4")}
	b.apply(u)
	if got := feed(mirror.RecordQuery{Limit: 200}); slices.Contains(got, "c3 v1 false") {
		t.Errorf("while a change is under way: %v", got)
	}
	b.must(slow.Commit())
	if diff := cmp.Diff([]string{"c1 v2 true", "c2 v1 false", "c3 v1 false"}, feed(mirror.RecordQuery{Limit: 200})); diff != "" {
		t.Error(diff)
	}
}
