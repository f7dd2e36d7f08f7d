package postgres_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestLatest(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.post("acme", "p1", "One")
	b.post("acme", "p1", "One again")
	b.post("acme", "p2", "Two")
	_, err := b.setStatus("beta", mirror.StatusDegraded, "Ashby is slow.")
	b.must(err)
	b.publishAll()
	b.post("acme", "p2", "Two again")   // both wait in the outbox
	b.post("acme", "p2", "Two at last") //
	b.post("acme", "p3", "Three")
	var ids []string
	b.must(b.raw.Select(&ids, `SELECT id FROM events ORDER BY connection_id, posting_id, version`))
	want := []mirror.Latest{
		{Place: mirror.Place{Connection: "acme", Posting: "p1", Version: 2}, EventID: ids[1]},
		{Place: mirror.Place{Connection: "acme", Posting: "p2", Version: 1}, EventID: ids[2]},
		{Place: mirror.Place{Connection: "beta", Version: 1}, EventID: ids[6]},
	}
	for page := range 5 {
		got := b.latest(page + 1)
		for i, l := range got {
			if (l.Hash != nil) != (l.Posting == "p1") {
				t.Errorf("%s has hash %x", l.Subject(), l.Hash)
			}
			got[i].Hash = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d: %s", page+1, diff)
		}
	}
	if _, _, err := b.n.Latest(t.Context(), "nonsense", 1); err == nil {
		t.Error("a cursor that is none was taken")
	}

	if rows, oldest, err := b.n.OutboxDepth(t.Context()); err != nil || rows != 3 || oldest == nil {
		t.Errorf("%d rows since %v in the outbox, %v", rows, oldest, err)
	}
	waiting, err := b.n.Waiting(t.Context(), append(ids[:4:4], "another"))
	b.must(err)
	if got := fmt.Sprint(names(waiting)); got != "[acme/p2 v2 job.updated]" {
		t.Errorf("waiting are %s", got)
	}
	unknown, err := b.n.Unknown(t.Context(), []mirror.Place{
		{Connection: "acme", Posting: "p1"},
		{Connection: "acme", Posting: "p9"},
		{Connection: "acme"},
		{Connection: "gone"},
		{Connection: "beta", Posting: "p1"},
	})
	b.must(err)
	if diff := cmp.Diff([]mirror.Place{
		{Connection: "acme", Posting: "p9"}, {Connection: "gone"}, {Connection: "beta", Posting: "p1"},
	}, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestPendingLeavesOutWhatIsInWork(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	for i := range 5 {
		b.post("acme", fmt.Sprintf("p%d", i), "Title")
	}
	all, err := b.n.Pending(t.Context(), nil, 10)
	b.must(err)
	some, err := b.n.Pending(t.Context(), []int64{all[0].OutboxID, all[2].OutboxID, 12345}, 2)
	b.must(err)
	if diff := cmp.Diff([]string{"acme/p1 v1 job.published", "acme/p3 v1 job.published"}, names(some)); diff != "" {
		t.Error(diff)
	}
}
