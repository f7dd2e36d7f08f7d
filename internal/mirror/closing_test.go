package mirror_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestMassClosing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		public, vanished int
		want             bool
	}{
		{0, 0, false},
		{3, 3, false},
		{4, 4, true},
		{10, 3, false},
		{10, 4, true},
		{13, 4, true},
		{14, 4, false},
		{100, 30, false},
		{100, 31, true},
		{1000, 300, false},
		{1000, 301, true},
	}
	for _, tt := range tests {
		if got := mirror.MassClosing(tt.public, tt.vanished); got != tt.want {
			t.Errorf("MassClosing(%d, %d) = %v", tt.public, tt.vanished, got)
		}
	}
}

// ids returns the ids p<from> to p<to>.
func ids(from, to int) []string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprintf("p%02d", i))
	}
	return list
}

func TestReviewAbsence(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	young, old := now.Add(-mirror.HoldTime+time.Second), now.Add(-mirror.HoldTime)
	hold := func(created time.Time, postings []string) *mirror.Hold {
		return &mirror.Hold{Postings: postings, PublicCount: 20, Reason: "r", CreatedAt: created}
	}
	decided := func(created time.Time, state string) *mirror.Hold {
		h := hold(created, ids(1, 7))
		h.ID, h.State = "h", state
		return h
	}
	tests := []struct {
		name     string
		hold     *mirror.Hold
		vanished []string
		confirm  []string
		set      []string // postings of the hold to store, nil for none
		at       time.Time
		cleared  bool
	}{
		{name: "nothing vanished"},
		{name: "few are confirmed", vanished: ids(1, 6), confirm: ids(1, 6)},
		{name: "many are held", vanished: ids(1, 7), set: ids(1, 7), at: now},
		{name: "an early listing changes nothing", hold: hold(young, ids(1, 7)), vanished: ids(1, 7)},
		{name: "a later listing agrees", hold: hold(old, ids(1, 7)), vanished: ids(1, 7), confirm: ids(1, 7)},
		{name: "all came back", hold: hold(young, ids(1, 7)), cleared: true},
		{name: "most came back", hold: hold(young, ids(1, 20)), vanished: ids(1, 2), confirm: ids(1, 2), cleared: true},
		{name: "some came back early", hold: hold(young, ids(1, 12)), vanished: ids(1, 7), set: ids(1, 7), at: young},
		{name: "some came back", hold: hold(old, ids(1, 12)), vanished: ids(1, 7), confirm: ids(1, 7), set: ids(1, 7), at: old},
		{name: "more vanished early", hold: hold(young, ids(1, 7)), vanished: ids(1, 8), set: ids(1, 8), at: now},
		{name: "few more vanished", hold: hold(old, ids(1, 7)), vanished: ids(1, 9), confirm: ids(1, 9)},
		{name: "many more vanished", hold: hold(old, ids(1, 7)), vanished: ids(1, 20), confirm: ids(1, 7), set: ids(1, 20), at: now},
		{name: "quite others vanished", hold: hold(old, ids(1, 7)), vanished: ids(8, 16), set: ids(8, 16), at: now},
		{name: "a hold from the future waits", hold: hold(now.Add(time.Hour), ids(1, 7)), vanished: ids(1, 7)},
		{name: "an approved hold does not wait", hold: decided(young, mirror.HoldApproved), vanished: ids(1, 7), confirm: ids(1, 7)},
		{name: "approved, and few more vanished", hold: decided(young, mirror.HoldApproved), vanished: ids(1, 9), confirm: ids(1, 9)},
		{
			name: "approved, and many more vanished", hold: decided(young, mirror.HoldApproved), vanished: ids(1, 20),
			confirm: ids(1, 7), set: ids(1, 20), at: now,
		},
		{name: "approved, and all came back", hold: decided(young, mirror.HoldApproved), cleared: true},
		{name: "a rejected hold lets nothing go", hold: decided(old, mirror.HoldRejected), vanished: ids(1, 7)},
		{name: "rejected, and few others vanished", hold: decided(old, mirror.HoldRejected), vanished: ids(1, 9), confirm: ids(8, 9)},
		{
			name: "rejected, and many others vanished", hold: decided(old, mirror.HoldRejected), vanished: ids(1, 14),
			set: ids(1, 14), at: now,
		},
		{name: "rejected, and some came back", hold: decided(old, mirror.HoldRejected), vanished: ids(1, 2), set: ids(1, 2), at: old},
		{name: "rejected, and all came back", hold: decided(old, mirror.HoldRejected), vanished: ids(8, 9), confirm: ids(8, 9), cleared: true},
		{name: "named twice counts once", vanished: append(ids(1, 6), ids(1, 6)...), confirm: ids(1, 6)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			confirm, set, cleared := mirror.ReviewAbsence(tt.hold, 20, tt.vanished, now)
			if diff := cmp.Diff(tt.confirm, confirm); diff != "" {
				t.Errorf("confirm (-want +got):\n%s", diff)
			}
			if cleared != tt.cleared || (set != nil) != (tt.set != nil) {
				t.Fatalf("cleared %v, set %+v", cleared, set)
			}
			if set != nil && (!slices.Equal(set.Postings, tt.set) || !set.CreatedAt.Equal(tt.at) || set.Reason == "") {
				t.Errorf("set %+v, want %v at %v", set, tt.set, tt.at)
			}
			if set != nil && tt.hold != nil && set.ID != tt.hold.ID {
				t.Errorf("the hold changes its id from %q to %q", tt.hold.ID, set.ID)
			}
		})
	}
}

// Whatever listings come in: no more than a few go to confirmation unless they were absent in an earlier listing, at
// least HoldTime before; and whoever stays away is let go in the end.
func TestReviewAbsenceNeedsProof(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		public := rapid.IntRange(1, 40).Draw(t, "public")
		all := ids(1, public)
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		heldSince := map[string]time.Time{} // since when a hold has held a posting without a break
		var hold *mirror.Hold
		for range rapid.IntRange(1, 10).Draw(t, "listings") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
			vanished := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, public, rapid.ID).Draw(t, "vanished")
			confirm, set, cleared := mirror.ReviewAbsence(hold, public, vanished, now)
			proven := 0
			for _, id := range confirm {
				if !slices.Contains(vanished, id) {
					t.Fatalf("%s is to be confirmed, but is there", id)
				}
				if since, ok := heldSince[id]; ok && now.Sub(since) >= mirror.HoldTime {
					proven++
				}
			}
			if mirror.MassClosing(public, len(confirm)-proven) {
				t.Fatalf("%d of %d confirmed at once, %d of them proven", len(confirm), public, proven)
			}
			hold = follow(t, hold, set, cleared)
			track(heldSince, hold, now)
		}
		away := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, public, rapid.ID).Draw(t, "away")
		for range 3 {
			var confirm []string
			var set *mirror.Hold
			var cleared bool
			now = now.Add(mirror.HoldTime)
			confirm, set, cleared = mirror.ReviewAbsence(hold, public, away, now)
			hold = follow(t, hold, set, cleared)
			if len(confirm) == len(away) {
				return
			}
		}
		t.Fatalf("%v stay away and are held for ever by %+v", away, hold)
	})
}

// follow does what the decision says to the stored hold.
func follow(t *rapid.T, hold, set *mirror.Hold, cleared bool) *mirror.Hold {
	if set != nil && (cleared || len(set.Postings) == 0) {
		t.Fatalf("set %+v, cleared %v", set, cleared)
	}
	switch {
	case cleared && hold == nil:
		t.Fatal("clears a hold that is not there")
	case cleared:
		return nil
	case set != nil:
		return set
	}
	return hold
}

func track(heldSince map[string]time.Time, hold *mirror.Hold, now time.Time) {
	for id := range heldSince {
		if hold == nil || !slices.Contains(hold.Postings, id) {
			delete(heldSince, id)
		}
	}
	if hold == nil {
		return
	}
	for _, id := range hold.Postings {
		if _, ok := heldSince[id]; !ok {
			heldSince[id] = now
		}
	}
}
