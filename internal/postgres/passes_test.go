package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

var candidates = mirror.PassKey{Kind: "candidate", Sweep: true}

// page applies a page of a full pass with its records.
func (b *bundle) page(p mirror.Pass, ids ...string) {
	b.Helper()
	u := b.unit("acme")
	u.Pass = &mirror.PassStep{Pass: p, Seen: ids}
	b.apply(u)
}

func (b *bundle) unseen(p mirror.Pass) []string {
	b.Helper()
	ids, err := b.s.Unseen(b.Context(), "acme", p, 100)
	b.must(err)
	return ids
}

// stored writes candidates that were fetched at a time.
func (b *bundle) stored(at time.Time, ids ...string) {
	b.Helper()
	u := b.unit("acme")
	for _, id := range ids {
		r := sealed("candidate", id, id+at.String())
		r.FetchedAt = at
		u.Upserts = append(u.Upserts, r)
	}
	b.apply(u)
}

func TestAPassIsGoneOnWithAfterACrash(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	if p, err := b.s.Pass(t.Context(), "acme", candidates); p != nil || err != nil {
		t.Errorf("before the first: %+v, %v", p, err)
	}
	began := time.Now().UTC().Truncate(time.Microsecond)
	b.stored(began.Add(-time.Hour), "c1", "c2", "c3", "c4", "c5", "c6")
	p := mirror.Pass{PassKey: candidates, ParamsHash: []byte("h"), Cursor: "2", StartedAt: began, Pages: 1, Rows: 2}
	b.page(p, "c1", "c2")
	p.Cursor, p.Pages, p.Rows, p.Bad = "3", 2, 4, 1
	b.page(p, "c3")
	got, err := b.s.Pass(t.Context(), "acme", candidates)
	b.must(err)
	if diff := cmp.Diff(&p, got); diff != "" {
		t.Error(diff)
	}
	// Another process goes on, and has the last page twice because it did not hear that it was committed.
	p.Cursor, p.Pages, p.ReadAll = "", 3, true
	b.page(p, "c5")
	b.page(p, "c5")
	b.stored(began.Add(time.Second), "c6", "c7") // a webhook meanwhile
	u := b.unit("acme")
	u.Gone = []mirror.RecordKey{{Kind: "candidate", ID: "c2"}}
	b.apply(u)
	if diff := cmp.Diff([]string{"c4"}, b.unseen(p)); diff != "" {
		t.Error(diff)
	}
	u = b.unit("acme")
	u.Pass = &mirror.PassStep{Pass: p, Done: true, Swept: &mirror.Swept{Kind: "candidate", FinishedAt: began, Absent: []string{"c4"}}}
	b.apply(u)
	if p, err := b.s.Pass(t.Context(), "acme", candidates); p != nil || err != nil {
		t.Errorf("after the end: %+v, %v", p, err)
	}
	if n := b.count(`SELECT count(*) FROM pass_pages`); n != 0 {
		t.Errorf("%d pages are left", n)
	}
	before := b.versions()
	b.apply(u)
	if n := b.writes(&before); n != 0 {
		t.Errorf("the end once more wrote %d rows", n)
	}
}

func TestWhatAnEarlierPassSawCountsNoMore(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	began := time.Now()
	b.stored(began.Add(-time.Hour), "c1", "c2", "c3")
	b.page(mirror.Pass{PassKey: candidates, StartedAt: began.Add(-time.Minute), Pages: 1}, "c1")
	b.page(mirror.Pass{PassKey: candidates, StartedAt: began.Add(-time.Minute), Pages: 2}, "c2")
	// The cursor was refused, so the pass begins anew.
	p := mirror.Pass{PassKey: candidates, StartedAt: began, Pages: 1}
	b.page(p, "c3")
	if diff := cmp.Diff([]string{"c1", "c2"}, b.unseen(p)); diff != "" {
		t.Error(diff)
	}
	// Passes of another variant, and incremental ones, are others.
	p.Variant = "archived"
	b.page(p, "c1")
	p.Variant, p.Sweep = "", false
	b.page(p, "c2")
	p.Sweep = true
	if diff := cmp.Diff([]string{"c1", "c2"}, b.unseen(p)); diff != "" {
		t.Error(diff)
	}
	if ids, err := b.s.Unseen(t.Context(), "acme", p, 1); err != nil || len(ids) != 1 {
		t.Errorf("limit 1: %v, %v", ids, err)
	}
}

func TestUnseenLooksAtOneVariant(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	for id, variant := range map[string]string{"c1": "active", "c2": "archived"} {
		r := sealed("candidate", id, id)
		r.Variant, r.FetchedAt = variant, time.Now().Add(-time.Hour)
		u.Upserts = append(u.Upserts, r)
	}
	b.apply(u)
	p := mirror.Pass{PassKey: mirror.PassKey{Kind: "candidate", Variant: "archived"}, StartedAt: time.Now()}
	if diff := cmp.Diff([]string{"c2"}, b.unseen(p)); diff != "" {
		t.Error(diff)
	}
}

func TestASweepIsRememberedForTheNext(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	if s, err := b.s.Swept(t.Context(), "acme", "candidate", ""); s != nil || err != nil {
		t.Errorf("before the first: %+v, %v", s, err)
	}
	for _, absent := range [][]string{{"c1", "c2"}, {"c2"}, {}} {
		want := mirror.Swept{Kind: "candidate", FinishedAt: time.Now().UTC().Truncate(time.Microsecond), Absent: absent}
		u := b.unit("acme")
		u.Pass = &mirror.PassStep{Pass: mirror.Pass{PassKey: candidates}, Done: true, Swept: &want}
		b.apply(u)
		got, err := b.s.Swept(t.Context(), "acme", "candidate", "")
		b.must(err)
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Error(diff)
		}
	}
	if s, err := b.s.Swept(t.Context(), "acme", "candidate", "archived"); s != nil || err != nil {
		t.Errorf("of another variant: %+v, %v", s, err)
	}
}

// A token says that everything before it is stored, so it comes with the page that it follows or not at all.
func TestATokenIsStoredWithItsPageOrNotAtAll(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	u.Upserts = []mirror.Record{sealed("candidate", "c1", "one"), {Kind: "candidate", ID: "neither", Hash: []byte("h")}}
	u.Token = &mirror.Token{Kind: "candidate", Variant: "archived", ParamsHash: []byte("h"), Token: "t1"}
	u.Pass = &mirror.PassStep{Pass: mirror.Pass{PassKey: candidates, Pages: 1}, Seen: []string{"c1"}}
	u.StaleParents = []mirror.ParentKey{{Kind: "candidate_note", Parent: "c1"}}
	u.Bad = []mirror.BadRow{{Kind: "candidate", ID: "c9", Reason: "bad"}}
	if _, err := b.s.Apply(t.Context(), u); err == nil {
		t.Fatal("a record without content was stored")
	}
	if n := b.count(`SELECT (SELECT count(*) FROM records) + (SELECT count(*) FROM sync_tokens) + (SELECT count(*) FROM passes)
		+ (SELECT count(*) FROM pass_pages) + (SELECT count(*) FROM stale_parents) + (SELECT count(*) FROM quarantine)`); n != 0 {
		t.Errorf("a unit that failed left %d rows", n)
	}
	u.Upserts = u.Upserts[:1]
	b.apply(u)
	got, err := b.s.Token(t.Context(), "acme", "candidate", "archived")
	b.must(err)
	if diff := cmp.Diff(*u.Token, got); diff != "" {
		t.Error(diff)
	}
	if _, err := b.s.Token(t.Context(), "acme", "candidate", ""); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("of another variant: %v", err)
	}
	other := b.unit("acme")
	other.Token = &mirror.Token{Kind: "candidate", ParamsHash: []byte("h"), Token: "t2"}
	b.apply(other)
	other.Token.Token = ""
	b.apply(other)
	if _, err := b.s.Token(t.Context(), "acme", "candidate", "archived"); err != nil {
		t.Errorf("it went with that of another variant: %v", err)
	}
}
