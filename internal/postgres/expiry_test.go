package postgres_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (b *bundle) unpost(connection, posting string) {
	b.Helper()
	u := b.unit(connection)
	u.Listings = []mirror.Desired{wantClosed(posting)}
	b.apply(u)
}

// age moves a listing's last change into the past.
func (b *bundle) age(posting string, d time.Duration) {
	b.Helper()
	b.exec(`UPDATE listings SET updated_at = now() - make_interval(secs => $1) WHERE posting_id = $2`, d.Seconds(), posting)
}

func (b *bundle) expired(limit int) []mirror.Place {
	b.Helper()
	places, err := b.n.Expired(b.Context(), mirror.ClosedKept, limit)
	b.must(err)
	slices.SortFunc(places, func(a, b mirror.Place) int { return strings.Compare(a.Posting, b.Posting) })
	return places
}

// closings publishes "old" and "older", closed long ago, and others that stay.
func (b *bundle) closings() {
	b.Helper()
	b.connect("acme")
	for _, posting := range []string{"old", "older", "fresh", "open"} {
		b.post("acme", posting, "Title")
	}
	for _, posting := range []string{"old", "older", "fresh"} {
		b.unpost("acme", posting)
	}
	b.publishAll()
	b.age("old", mirror.ClosedKept+time.Hour)
	b.age("older", 3*mirror.ClosedKept)
	b.age("fresh", mirror.ClosedKept-time.Hour)
	b.age("open", 3*mirror.ClosedKept)
}

func TestExpired(t *testing.T) {
	b := setup(t)
	b.closings()
	want := []mirror.Place{
		{Connection: "acme", Posting: "old", Version: 2}, {Connection: "acme", Posting: "older", Version: 2},
	}
	if diff := cmp.Diff(want, b.expired(10)); diff != "" {
		t.Error(diff)
	}
	if got := b.expired(1); len(got) != 1 || got[0].Posting != "old" {
		t.Errorf("limited to one: %v", got)
	}
	b.must(b.n.Forgotten(t.Context(), want[:1]))
	b.must(b.n.Forgotten(t.Context(), want[:1])) // as after a crash
	b.must(b.n.Forgotten(t.Context(), nil))
	if diff := cmp.Diff(want[1:], b.expired(10)); diff != "" {
		t.Error(diff)
	}
}

func TestForgottenLeavesWhatChanged(t *testing.T) {
	b := setup(t)
	b.closings()
	places := b.expired(10)
	left := func(posting string) int {
		t.Helper()
		return b.count(`SELECT left_version FROM listings WHERE posting_id = $1`, posting)
	}
	// One opened again and was closed, one is as it was, one is open, one is not there.
	b.post("acme", "old", "Again")
	b.unpost("acme", "old")
	places = append(places, mirror.Place{Connection: "acme", Posting: "open", Version: 1},
		mirror.Place{Connection: "acme", Posting: "none", Version: 1})
	b.must(b.n.Forgotten(t.Context(), places))
	if left("old") != 0 || left("older") != 2 || left("open") != 0 {
		t.Errorf("left versions %d, %d, %d", left("old"), left("older"), left("open"))
	}
}

func TestFound(t *testing.T) {
	b := setup(t)
	b.closings()
	gone := b.expired(10)
	b.must(b.n.Forgotten(t.Context(), gone))
	b.must(b.n.Found(t.Context(), []mirror.Place{
		{Connection: "acme", Posting: "old", Version: 1},
		{Connection: "acme", Posting: "fresh", Version: 1},
		{Connection: "acme", Posting: "open", Version: 1},
		{Connection: "other", Posting: "older", Version: 1},
	}))
	want := []mirror.Place{{Connection: "acme", Posting: "old", Version: 2}}
	if diff := cmp.Diff(want, b.expired(10)); diff != "" {
		t.Error(diff)
	}
	if n := b.count(`SELECT count(*) FROM listings WHERE left_version > 0`); n != 1 {
		t.Errorf("%d have left, want one", n)
	}
}

func TestLoggedLeavesOutTheLongClosed(t *testing.T) {
	b := setup(t)
	b.closings()
	_, err := b.setStatus("acme", mirror.StatusDegraded, "Ashby is slow.")
	b.must(err)
	b.publishAll()
	want := []string{
		"acme/ v1 connection.degraded", "acme/fresh v1 job.published", "acme/fresh v2 job.closed", "acme/open v1 job.published",
	}
	for _, page := range []int{1, 100} {
		if diff := cmp.Diff(want, names(b.logged(16, page))); diff != "" {
			t.Errorf("pages of %d: %s", page, diff)
		}
	}
	// After 30 days the log has nothing of them, and only the listings are left.
	b.exec(`DELETE FROM events WHERE posting_id <> ''`)
	want = []string{"acme/ v1 connection.degraded", "acme/fresh v2 job.closed", "acme/open v1 job.published"}
	if diff := cmp.Diff(want, names(b.logged(16, 100))); diff != "" {
		t.Error(diff)
	}

	b.post("acme", "old", "Again")
	b.publishAll()
	want = slices.Insert(want, 2, "acme/old v3 job.published")
	if diff := cmp.Diff(want, names(b.logged(16, 100))); diff != "" {
		t.Errorf("after opening again: %s", diff)
	}
	if got := b.expired(10); len(got) != 1 || got[0].Posting != "older" {
		t.Errorf("expired after opening again: %v", got)
	}
	b.unpost("acme", "old")
	b.publishAll()
	want[2] = "acme/old v4 job.closed"
	if diff := cmp.Diff(want, names(b.logged(1, 100))); diff != "" {
		t.Errorf("after closing again: %s", diff)
	}
}
