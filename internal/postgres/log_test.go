package postgres_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// logged reads the whole log, page by page.
func (b *bundle) logged(keep, page int) []mirror.Outgoing {
	b.Helper()
	var all []mirror.Outgoing
	cursor := ""
	for {
		out, next, err := b.n.Logged(b.Context(), cursor, keep, page)
		b.must(err)
		all = append(all, out...)
		if next == "" {
			return all
		}
		cursor = next
	}
}

func TestLoggedReturnsTheLatestVersions(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	for i := range 5 {
		b.post("acme", "p1", fmt.Sprintf("Title %d", i))
	}
	b.post("acme", "p2", "Two")
	b.post("beta", "p1", "Other")
	_, err := b.setStatus("beta", mirror.StatusDegraded, "Ashby is slow.")
	b.must(err)
	b.publishAll()
	b.post("acme", "p2", "Two again") // stays in the outbox
	want := []string{
		"acme/p1 v3 job.updated", "acme/p1 v4 job.updated", "acme/p1 v5 job.updated", "acme/p2 v1 job.published",
		"beta/ v1 connection.degraded", "beta/p1 v1 job.published",
	}
	for _, page := range []int{1, 2, 3, 6, 100} {
		if diff := cmp.Diff(want, names(b.logged(3, page))); diff != "" {
			t.Errorf("pages of %d: %s", page, diff)
		}
	}
}

func TestLoggedMakesUpForWhatLeftTheLog(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "One")
	b.post("acme", "p1", "One again")
	b.post("acme", "p2", "Two <b>&</b>")
	b.post("acme", "p3", "Three")
	u := b.unit("acme")
	u.Listings = []mirror.Desired{wantClosed("p2")}
	b.apply(u)
	b.publishAll()
	before := map[string]mirror.Outgoing{}
	for _, o := range b.logged(16, 100) {
		before[o.Posting] = o // the latest of each
	}
	b.exec(`DELETE FROM events WHERE posting_id <> 'p3'`)
	for _, page := range []int{1, 2, 100} {
		got := b.logged(16, page)
		want := []string{"acme/p1 v2 job.published", "acme/p2 v2 job.closed", "acme/p3 v1 job.published"}
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Fatal(diff)
		}
		for _, o := range got {
			was := before[o.Posting]
			if o.EventID != was.EventID || !o.CreatedAt.Equal(was.CreatedAt) {
				t.Errorf("%s: id %s at %s, was %s at %s", o.Posting, o.EventID, o.CreatedAt, was.EventID, was.CreatedAt)
			}
			if diff := cmp.Diff(stripped(t, was), stripped(t, o)); diff != "" {
				t.Errorf("%s: %s", o.Posting, diff)
			}
		}
	}
}

// stripped returns an event's data without what a listing does not keep.
func stripped(t *testing.T, o mirror.Outgoing) events.JobData {
	t.Helper()
	var data events.JobData
	if err := json.Unmarshal(o.Data, &data); err != nil {
		t.Fatal(err)
	}
	data.Origin, data.Changed = "", nil
	return data
}

func TestPublishedNotesTheLatestPlace(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "One")
	b.post("acme", "p1", "Two")
	out, err := b.n.Pending(t.Context(), 10)
	b.must(err)
	state := mirror.StreamState{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), LastSeq: 8}
	place := func() int { t.Helper(); return b.count(`SELECT stream_seq FROM listings`) }
	b.must(b.n.Published(t.Context(), []mirror.Published{{Outgoing: out[1], Seq: 8}}, state))
	b.must(b.n.Published(t.Context(), []mirror.Published{{Outgoing: out[0], Seq: 7}}, state))
	if place() != 8 {
		t.Errorf("an older version's place went over a newer one's: %d", place())
	}
	repaired := out[1]
	repaired.OutboxID = 0
	b.must(b.n.Published(t.Context(), []mirror.Published{{Outgoing: repaired, Seq: 3}}, state))
	if place() != 3 {
		t.Errorf("a repair did not move the place: %d", place())
	}
	got, err := b.n.StreamState(t.Context())
	b.must(err)
	if diff := cmp.Diff(state, got); diff != "" || len(b.pending()) != 0 {
		t.Errorf("pending %v, %s", b.pending(), diff)
	}
}
