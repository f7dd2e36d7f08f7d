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

// A program from before connection_events wrote a connection's events: the later one is known all the same, told in a
// repair, raised, and kept when the log forgets it.
func TestLatestOfAnOlderProgram(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	change := func(status mirror.Status, reason string) {
		t.Helper()
		for _, id := range []string{"acme", "beta"} {
			_, err := b.setStatus(id, status, reason)
			b.must(err)
		}
	}
	change(mirror.StatusDegraded, "Ashby is slow.")
	b.exec(`CREATE TABLE before AS SELECT * FROM connection_events WHERE connection_id = 'acme'`)
	change(mirror.StatusActive, "")
	b.exec(`DELETE FROM connection_events`)
	b.exec(`INSERT INTO connection_events SELECT * FROM before`)
	of := []mirror.Place{{Connection: "acme"}, {Connection: "beta"}}
	told := func(when, want string) {
		t.Helper()
		b.publishAll()
		var got []string
		for _, l := range b.latest(10) {
			got = append(got, fmt.Sprintf("%s v%d", l.Connection, l.Version))
		}
		history, err := b.n.History(t.Context(), of, 1)
		b.must(err)
		if text := fmt.Sprint(got, names(history)); text != want {
			t.Errorf("%s: %s, want %s", when, text, want)
		}
	}
	told("beside it", "[acme v2 beta v2] [acme/ v2 connection.recovered beta/ v2 connection.recovered]")
	b.must(b.n.Raise(t.Context(), []mirror.Place{{Connection: "beta", Version: 6}}))
	told("raised", "[acme v2 beta v7] [acme/ v2 connection.recovered beta/ v7 connection.recovered]")
	b.must(b.db.Maintain(t.Context()))
	b.exec(`DELETE FROM events`)
	told("forgotten by the log", "[acme v2 beta v7] [acme/ v2 connection.recovered beta/ v7 connection.recovered]")
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
