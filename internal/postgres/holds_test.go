package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (b *bundle) setHold(h mirror.Hold) {
	b.Helper()
	u := b.unit("acme")
	u.SetHold = &h
	b.apply(u)
}

func decision(state, note string) mirror.HoldDecision {
	return mirror.HoldDecision{State: state, Note: note, By: "somebody"}
}

func (b *bundle) hold() *mirror.Hold {
	b.Helper()
	hold, err := b.s.Hold(b.Context(), "acme")
	b.must(err)
	return hold
}

func TestAHoldFromOpeningToEnd(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "Engineer")
	b.post("acme", "p2", "Cook")
	b.setHold(mirror.Hold{Postings: []string{"p1", "p2", "p3"}, PublicCount: 4, Reason: "vanished"})
	hold := b.hold()
	if hold.ID == "" || hold.State != mirror.HoldOpen {
		t.Fatalf("opened as %+v", hold)
	}
	before := b.versions()
	b.setHold(*hold)
	if n := b.writes(&before); n != 0 {
		t.Errorf("the same hold wrote %d rows", n)
	}
	u := b.unit("acme")
	u.Listings = []mirror.Desired{wantClosed("p2")}
	b.apply(u)
	view, err := b.g.HeldBy(t.Context(), hold.ID)
	b.must(err)
	if diff := cmp.Diff(map[string]string{"p1": "Engineer"}, view.Jobs); diff != "" || view.EmployerRef != "ref-acme" ||
		view.Connection != "acme" || view.OpenedAt.IsZero() || view.DecidedAt != nil || view.EndedAt != nil {
		t.Errorf("view %+v %s", view, diff)
	}
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 hour', first_synced_at = now()`)
	b.exec(`ALTER TABLE listings RENAME TO away`)
	if _, err := b.g.DecideHold(t.Context(), hold.ID, decision(mirror.HoldApproved, "")); err == nil {
		t.Error("a decision without an answer")
	}
	b.exec(`ALTER TABLE away RENAME TO listings`)
	if again, err := b.g.HeldBy(t.Context(), hold.ID); err != nil || !cmp.Equal(again, view) {
		t.Errorf("who was told of a failure finds a decision: %+v %v", again, err)
	}
	decided, err := b.g.DecideHold(t.Context(), hold.ID, decision(mirror.HoldApproved, "They closed the branch."))
	b.must(err)
	view.State, view.Note = mirror.HoldApproved, "They closed the branch."
	view.DecidedAt, view.Decisions = decided.DecidedAt, decided.Decisions
	if diff := cmp.Diff(view, decided); diff != "" || decided.DecidedAt == nil || len(decided.Decisions) != 1 {
		t.Errorf("the answer to a decision: %+v %s", decided, diff)
	}
	if got := b.start("acme", time.Minute); got != mirror.TriggerRequest {
		t.Errorf("the poll after a decision is started by %s", got)
	}
	_, err = b.g.DecideHold(t.Context(), hold.ID, decision(mirror.HoldRejected, "They did not."))
	b.must(err)
	if n := b.count(`SELECT count(*) FROM sync_state WHERE next_poll_at <= clock_timestamp()`); n != 1 {
		t.Error("a decision made no poll due")
	}
	if view, err := b.g.View(t.Context(), "acme"); err != nil || view.Counts.Held != 0 {
		t.Errorf("of a rejected hold %d count as held, %v", view.Counts.Held, err)
	}
	u = b.unit("acme")
	u.EndHold = mirror.HoldRecovered
	b.apply(u)
	if got := b.hold(); got != nil {
		t.Errorf("after its end: %+v", got)
	}
	view, err = b.g.HeldBy(t.Context(), hold.ID)
	b.must(err)
	if view.State != mirror.HoldEnded || view.Outcome != mirror.HoldRecovered || view.Note != "They did not." ||
		view.DecidedAt == nil || view.EndedAt == nil {
		t.Errorf("ended as %+v", view)
	}
	if made := view.Decisions; len(made) != 2 || made[0].State != mirror.HoldApproved || made[0].Note != "They closed the branch." ||
		made[1].State != mirror.HoldRejected || made[1].By != "somebody" || !made[1].At.Equal(*view.DecidedAt) || made[1].At.Before(made[0].At) {
		t.Errorf("decided %+v", made)
	}
	if _, err := b.g.DecideHold(t.Context(), hold.ID, decision(mirror.HoldApproved, "")); !errors.Is(err, mirror.ErrEnded) {
		t.Errorf("deciding on an ended hold: %v", err)
	}
	if _, err := b.g.DecideHold(t.Context(), "never", decision(mirror.HoldApproved, "")); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("deciding on an unknown hold: %v", err)
	}
	if _, err := b.g.DecideHold(t.Context(), hold.ID, decision(mirror.HoldEnded, "")); err == nil || errors.Is(err, mirror.ErrEnded) {
		t.Errorf("a decision that is none: %v", err)
	}
	if _, err := b.g.HeldBy(t.Context(), "never"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("an unknown hold: %v", err)
	}
}

// The syncer may have read the hold before a person decided on it.
func TestADecisionStandsUnlessMoreIsHeld(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.setHold(mirror.Hold{ID: "h1", Postings: []string{"p1", "p2"}, PublicCount: 3, Reason: "vanished"})
	read := *b.hold()
	if read.ID != "h1" {
		t.Errorf("the given id became %s", read.ID)
	}
	_, err := b.g.DecideHold(t.Context(), read.ID, decision(mirror.HoldRejected, ""))
	b.must(err)
	read.Postings = []string{"p2"}
	b.setHold(read)
	if got := b.hold(); got.State != mirror.HoldRejected || len(got.Postings) != 1 {
		t.Errorf("reduced to %+v", got)
	}
	read.Postings = []string{"p2", "p9"}
	b.setHold(read)
	if got := b.hold(); got.State != mirror.HoldOpen || got.ID != read.ID {
		t.Errorf("with another posting: %+v", got)
	}
	// An ended hold is history; one with its id begins anew under another.
	u := b.unit("acme")
	u.EndHold, u.SetHold = mirror.HoldConfirmed, &read
	b.apply(u)
	if got := b.hold(); got == nil || got.ID == read.ID {
		t.Errorf("ended and set: %+v", got)
	}
	if n := b.count(`SELECT count(*) FROM holds WHERE state <> 'ended'`); n != 1 {
		t.Errorf("%d holds are current", n)
	}
	if _, err := b.raw.ExecContext(t.Context(), `
		INSERT INTO holds (connection_id, posting_ids, public_count, reason) VALUES ('acme', '{}', 1, 'x')`); err == nil {
		t.Error("a connection has two holds at once")
	}
}

func TestHoldsAreListedNewestFirst(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	for _, id := range []string{"h1", "h2", "h3"} {
		u := b.unit("acme")
		u.EndHold, u.SetHold = mirror.HoldRecovered, &mirror.Hold{ID: id, Postings: []string{"p1"}, PublicCount: 1, Reason: "x"}
		b.apply(u)
	}
	u := b.unit("beta")
	u.SetHold = &mirror.Hold{ID: "h4", Postings: []string{"p1"}, PublicCount: 1, Reason: "x"}
	b.apply(u)
	list := func(q mirror.HoldQuery) (ids []string, last mirror.HoldCursor) {
		t.Helper()
		views, err := b.g.Holds(t.Context(), q)
		b.must(err)
		for _, v := range views {
			ids = append(ids, v.ID)
			last = mirror.HoldCursor{OpenedAt: v.OpenedAt, ID: v.ID}
		}
		return ids, last
	}
	for _, c := range []struct {
		query mirror.HoldQuery
		want  []string
	}{
		{mirror.HoldQuery{Limit: 10}, []string{"h4", "h3"}},
		{mirror.HoldQuery{Limit: 10, Ended: true}, []string{"h4", "h3", "h2", "h1"}},
		{mirror.HoldQuery{Limit: 10, Ended: true, Connection: "acme"}, []string{"h3", "h2", "h1"}},
	} {
		got, _ := list(c.query)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v: %s", c.query, diff)
		}
	}
	_, last := list(mirror.HoldQuery{Limit: 2, Ended: true})
	got, _ := list(mirror.HoldQuery{Limit: 2, Ended: true, Before: last})
	if diff := cmp.Diff([]string{"h2", "h1"}, got); diff != "" {
		t.Errorf("second page: %s", diff)
	}
	if _, err := b.g.Holds(t.Context(), mirror.HoldQuery{}); err == nil {
		t.Error("a limit of 0 was accepted")
	}
	_, err := b.g.Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	if view, err := b.g.HeldBy(t.Context(), "h3"); err != nil || view.Outcome != mirror.HoldDisconnected {
		t.Errorf("after the removal: %+v, %v", view, err)
	}
}
