package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (b *bundle) quarantined() map[string]int {
	b.Helper()
	bad, err := b.g.Quarantine(b.Context(), "acme", 100)
	b.must(err)
	times := map[string]int{}
	for _, q := range bad {
		times[q.Kind+"/"+q.ID] = q.Times
	}
	return times
}

func TestQuarantineCountsAndLetsGo(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	bad := func(rows ...mirror.BadRow) {
		t.Helper()
		u := b.unit("acme")
		u.Bad = rows
		b.apply(u)
	}
	shape := map[string]string{"id": "string", "title": "number"}
	bad(mirror.BadRow{Kind: "candidate", ID: "c1", Reason: "title is a number", Shape: shape},
		mirror.BadRow{Kind: "candidate", ID: "row-ab12", Reason: "no id \x00\xff"},
		mirror.BadRow{Kind: "candidate", ID: "row-ab12", Reason: "no id"})
	bad(mirror.BadRow{Kind: "posting", ID: "p1", Reason: "bad"}, mirror.BadRow{Kind: "offer", ID: "o1", Reason: "bad"})
	bad(mirror.BadRow{Kind: "candidate", ID: "row-of-c9", Reason: "children"})
	bad(mirror.BadRow{Kind: "candidate", ID: "c1", Reason: "title is a bool", Shape: shape})
	want := map[string]int{"candidate/c1": 2, "candidate/row-ab12": 1, "candidate/row-of-c9": 1, "posting/p1": 1, "offer/o1": 1}
	if diff := cmp.Diff(want, b.quarantined()); diff != "" {
		t.Error(diff)
	}
	all, err := b.g.Quarantine(t.Context(), "acme", 1)
	b.must(err)
	if len(all) != 1 || all[0].Reason != "title is a bool" || !all[0].LastSeenAt.After(all[0].FirstSeenAt) {
		t.Errorf("the latest: %+v", all)
	}
	if diff := cmp.Diff(shape, all[0].Shape); diff != "" {
		t.Error(diff)
	}
	keys, err := b.s.Quarantined(t.Context(), "acme", []string{"candidate", "offer"}, 10)
	b.must(err)
	if diff := cmp.Diff([]mirror.RecordKey{{Kind: "offer", ID: "o1"}, {Kind: "candidate", ID: "c1"}}, keys); diff != "" {
		t.Error(diff)
	}
	if view, err := b.g.View(t.Context(), "acme"); err != nil || view.Quarantined != 5 {
		t.Errorf("the view counts %d, %v", view.Quarantined, err)
	}
	for _, c := range []struct {
		before time.Time
		want   []mirror.RecordKey
	}{
		{time.Now().Add(time.Minute), []mirror.RecordKey{{Kind: "candidate", ID: "row-ab12"}}},
		{all[0].FirstSeenAt.Add(-time.Minute), []mirror.RecordKey{}},
	} {
		keys, err := b.s.Nameless(t.Context(), "acme", "candidate", c.before)
		b.must(err)
		if diff := cmp.Diff(c.want, keys); diff != "" {
			t.Error(diff)
		}
	}
	u := b.unit("acme")
	u.Released = []mirror.RecordKey{{Kind: "candidate", ID: "c1"}, {Kind: "candidate", ID: "never"}}
	b.apply(u)
	if _, held := b.quarantined()["candidate/c1"]; held {
		t.Error("what was read well stayed")
	}
}

func TestAPollReleasesPostingsThatItDidNotFindUnreadable(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	u.Bad = []mirror.BadRow{
		{Kind: "posting", ID: "gone", Reason: "bad"},
		{Kind: "posting", ID: "bad", Reason: "bad"},
		{Kind: "candidate", ID: "c1", Reason: "bad"},
	}
	b.apply(u)
	b.start("acme", time.Minute)
	started := time.Now()
	u.Bad = []mirror.BadRow{{Kind: "posting", ID: "bad", Reason: "bad"}}
	b.apply(u)
	_, err := b.s.FinishPoll(t.Context(), b.mandate("acme"), mirror.CompletePoll{Started: started, Next: time.Hour})
	b.must(err)
	if diff := cmp.Diff(map[string]int{"posting/bad": 2, "candidate/c1": 1}, b.quarantined()); diff != "" {
		t.Error(diff)
	}
}
