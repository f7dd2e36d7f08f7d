package postgres_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// latest reads all that the stream must hold last, page by page.
func (b *bundle) latest(page int) []mirror.Latest {
	b.Helper()
	var all []mirror.Latest
	cursor := ""
	for {
		out, next, err := b.n.Latest(b.Context(), cursor, page)
		b.must(err)
		all = append(all, out...)
		if next == "" {
			return all
		}
		cursor = next
	}
}

// logged reads the whole log, some objects at a time.
func (b *bundle) logged(keep, page int) []mirror.Outgoing {
	b.Helper()
	var of []mirror.Place
	for _, l := range b.latest(page) {
		of = append(of, l.Place)
	}
	slices.SortFunc(of, func(a, b mirror.Place) int { return cmp.Compare(a.Subject(), b.Subject()) })
	var all []mirror.Outgoing
	for some := range slices.Chunk(of, page) {
		out, err := b.n.History(b.Context(), some, keep)
		b.must(err)
		all = append(all, out...)
	}
	slices.SortStableFunc(all, func(a, b mirror.Outgoing) int {
		return strings.Compare(a.Connection+" "+a.Posting, b.Connection+" "+b.Posting)
	})
	return all
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
		if diff := gocmp.Diff(want, names(b.logged(3, page))); diff != "" {
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
		if diff := gocmp.Diff(want, names(got)); diff != "" {
			t.Fatal(diff)
		}
		for _, o := range got {
			was := before[o.Posting]
			if o.EventID != was.EventID || !o.CreatedAt.Equal(was.CreatedAt) {
				t.Errorf("%s: id %s at %s, was %s at %s", o.Posting, o.EventID, o.CreatedAt, was.EventID, was.CreatedAt)
			}
			if diff := gocmp.Diff(stripped(t, was), stripped(t, o)); diff != "" {
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

func TestPublishedMayBeRepeated(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "One")
	b.post("acme", "p1", "Two")
	out, err := b.n.Pending(t.Context(), nil, 10)
	b.must(err)
	state := mirror.StreamState{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), LastSeq: 8, Messages: 5}
	repaired := out[1]
	repaired.OutboxID = 0
	for range 2 {
		b.must(b.n.Published(t.Context(), []mirror.Published{{Outgoing: out[0], Seq: 7}, {Outgoing: repaired, Seq: 8}}, state))
	}
	got, err := b.n.StreamState(t.Context())
	b.must(err)
	if diff := gocmp.Diff(state, got); diff != "" || len(b.pending()) != 1 {
		t.Errorf("pending %v, %s", b.pending(), diff)
	}
}

// The log forgets after 30 days; a connection's latest event is kept all the same.
func TestHistoryOfAConnectionOutlivesTheLog(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	for i := range 3 {
		_, err := b.setStatus("acme", []mirror.Status{mirror.StatusDegraded, mirror.StatusActive}[i%2], fmt.Sprint(i))
		b.must(err)
	}
	b.publishAll()
	before := b.logged(16, 10)
	b.exec(`DELETE FROM events`)
	if diff := gocmp.Diff(before[len(before)-1:], b.logged(16, 10)); diff != "" {
		t.Error(diff)
	}
	_, err := b.setStatus("acme", mirror.StatusActive, "again")
	b.must(err)
	if got := b.logged(16, 10); len(got) != 0 {
		t.Errorf("%v although only one waits", names(got))
	}
}
