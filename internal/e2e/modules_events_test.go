package e2e

import (
	"errors"
	"fmt"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// candidateDeleted has webhooks tell of an application and of a candidate who is deleted: what hangs on the candidate
// goes too, and nothing is left of what was sealed.
func (s *system) candidateDeleted(e employer) {
	t := s.t
	t.Helper()
	db := s.sql
	s.setUpByHand(e)
	_, application := e.org.SubmitApplication(first(t, e.org).JobID)
	s.eventually("the application has come by webhook", func() error {
		if _, ok := s.records(e.id, "application")[application]; !ok {
			return errors.New("not yet")
		}
		return nil
	})
	candidate := ""
	for _, note := range s.records(e.id, "candidate_note") {
		candidate = note.Parent
	}
	if candidate == "" {
		t.Fatal("no candidate has notes")
	}
	e.org.DeleteCandidate(candidate)
	left := `SELECT count(*) FROM records WHERE connection_id = $1 AND (kind = 'candidate' AND id = $2 OR parent_id = $2)
		AND (gone_at IS NULL OR sealed <> '')`
	s.eventually("the candidate is gone with all notes", func() error {
		n, err := number(t.Context(), db, left, e.id, candidate)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d records are left", n)
		}
		return err
	})
	if r := s.records(e.id, "candidate")[candidate]; !r.Gone || string(r.Record) != "null" {
		t.Errorf("the candidate is %+v", r)
	}
	told := s.told()
	if m := told[events.RecordSubject(e.id, "candidate", candidate)]; m.Type != events.RecordGone || string(m.Data.Record) != "null" {
		t.Errorf("on the stream: %s %+v", m.Type, m.Data)
	}
	for subject, m := range told {
		if m.Data.Parent == candidate && m.Type != events.RecordGone {
			t.Errorf("on the stream: %s %s", subject, m.Type)
		}
	}
}

// misread has rows of every kind that cannot be read, and answers that are cut: what is said of them in logs and in
// quarantine must not repeat what they hold.
func (s *system) misread(e employer) {
	t := s.t
	t.Helper()
	db := s.sql
	for _, fault := range []string{"truncated:candidate.list:2", "wrong-content-type:user.list:2", "no-envelope:offer.list:1", "bad-row"} {
		s.inject(e, fault)
	}
	e.org.ExpireTokens()
	s.pollTries(e)
	s.eventually("rows of several kinds are in quarantine", func() error {
		n, err := number(t.Context(), db, `SELECT count(DISTINCT kind) FROM quarantine WHERE connection_id = $1`, e.id)
		if err == nil && n < 8 {
			err = fmt.Errorf("%d kinds", n)
		}
		return err
	})
	s.sim.ClearFaults()
	e.org.ExpireTokens() // a full reading tells of rows that showed no id that they can be read by now
	s.eventually("everything is read again", func() error {
		s.poll(e) // and has the next slice come at once
		for _, q := range s.quarantine(e.id) {
			res, _ := ashby.ResourceOf(ashby.Kind(q.Kind))
			if res.Parent == "" && len(res.Variants) == 0 { // those of one of several listings stay
				return fmt.Errorf("still in quarantine: %+v", q)
			}
		}
		return nil
	})
}
