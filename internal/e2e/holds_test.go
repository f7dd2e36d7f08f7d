package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// decide approves or rejects a hold.
func (s *system) decide(status int, hold, decision, note string) (h holdDoc) {
	s.t.Helper()
	s.must(status, http.MethodPost, "/v1/holds/"+hold+"/"+decision, map[string]any{"note": note}).decode(s.t, &h)
	return h
}

// held polls and returns the hold that is not ended.
func (s *system) held(e employer) holdDoc {
	s.t.Helper()
	s.poll(e)
	holds := s.holds(e.id, false)
	if len(holds) != 1 {
		s.t.Fatalf("%d holds: %+v", len(holds), holds)
	}
	return holds[0]
}

// ripen has a hold seem older than it must be before a second listing counts.
func (s *system) ripen() {
	s.t.Helper()
	_, err := s.sql.ExecContext(s.t.Context(), `UPDATE holds SET created_at = created_at - interval '6 minutes'`)
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestApprovalIsNoProof approves the hold of a listing that was wrong: the reads find the postings, and nothing closes.
func TestApprovalIsNoProof(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 12)
	s.inject(e, "shrunk-list:jobPosting.list")
	hold := s.held(e)
	s.decide(http.StatusOK, hold.ID, "approve", "they said so")
	s.poll(e)
	s.poll(e)
	s.noneClosed(e)
	s.sim.ClearFaults()
	s.poll(e)
	s.eventually("nothing is held any more", func() error {
		if open := s.holds(e.id, false); len(open) > 0 {
			return fmt.Errorf("%+v", open)
		}
		return nil
	})
	s.decide(http.StatusConflict, hold.ID, "approve", "")
	s.noneClosed(e)
	s.agreed(e)
}

// TestMassDisappearanceIsDecided has most postings vanish and a person reject that, then approve it.
func TestMassDisappearanceIsDecided(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 12)
	e.org.MuteWebhooks(true)
	gone := e.org.Postings()[:8]
	for _, p := range gone {
		e.org.DeletePosting(p.ID)
	}
	hold := s.held(e)
	s.comparesHold(hold, gone)
	if rejected := s.decide(http.StatusOK, hold.ID, "reject", "Ashby is being moved"); rejected.State != "rejected" || rejected.Note != "Ashby is being moved" {
		t.Errorf("after the rejection: %+v", rejected)
	}
	for range 3 {
		s.ripen()
		s.poll(e)
	}
	s.noneClosed(e)
	if now := s.held(e); now.ID != hold.ID || now.State != "rejected" {
		t.Errorf("after further polls: %+v", now)
	}
	before := len(s.sim.Requests())
	s.decide(http.StatusOK, hold.ID, "approve", "it is true")
	s.eventually("the postings are closed", func() error {
		if public := s.connection(e.id).Counts.Public; public != 4 {
			return fmt.Errorf("%d are public", public)
		}
		return nil
	})
	for _, p := range gone {
		read := func(r ashbytest.Request) bool { return r.Method == "jobPosting.info" && r.ID == p.ID }
		if !slices.ContainsFunc(s.sim.Requests()[before:], read) {
			t.Errorf("%s was closed without a read", p.ID)
		}
		if got := s.jobs(e.id)[p.ID]; got.State != "closed" || got.Reason != string(events.ReasonDeleted) {
			t.Errorf("%s: %+v", p.ID, got)
		}
	}
	s.poll(e)
	s.eventually("the hold ended", func() error {
		ended := s.holds(e.id, true)
		if len(ended) != 1 || ended[0].Outcome != "confirmed" || len(s.holds(e.id, false)) > 0 {
			return fmt.Errorf("%+v", ended)
		}
		return nil
	})
	for _, decision := range []string{"approve", "reject"} {
		s.decide(http.StatusConflict, hold.ID, decision, "")
	}
	s.agreed(e)
}

// comparesHold requires that a person sees what waits.
func (s *system) comparesHold(hold holdDoc, gone []ashbytest.PostingState) {
	s.t.Helper()
	var err error
	if hold.State != "open" || hold.PublicCount != 12 || len(hold.Postings) != len(gone) {
		err = errors.New("another state or size")
	}
	for _, p := range gone {
		i := slices.IndexFunc(hold.Postings, func(h heldDoc) bool { return h.ID == p.ID })
		if i < 0 || hold.Postings[i].Title == nil || *hold.Postings[i].Title != p.Title {
			err = errors.Join(err, fmt.Errorf("%s (%s) is not in it", p.ID, p.Title))
		}
	}
	if err != nil {
		s.t.Errorf("%v: %+v", err, hold)
	}
}
