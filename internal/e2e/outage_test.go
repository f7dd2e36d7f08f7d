package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// TestNATSAway has webhooks answered 200 and jobs read while NATS is away; the events follow.
func TestNATSAway(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 8)
	s.nats.Stop()
	p := first(t, e.org)
	e.org.Retitle(p.ID, "Renamed while NATS was away")
	if err := s.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.sim.Deliveries() {
		if d.Status != http.StatusOK {
			t.Errorf("%s was answered %d", d.Action, d.Status)
		}
	}
	s.eventually("Postgres has the new title", func() error {
		if got := s.jobs(e.id)[p.ID]; got.Job.Title != "Renamed while NATS was away" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	s.nats.Start()
	s.agreed(e)
	if s.refreshed() == 0 {
		t.Error("no webhook was judged")
	}
}

// TestStreamLost is P7: NATS comes back with nothing, and the stream is rebuilt with the same ids and versions.
func TestStreamLost(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 10)
	for i := range 3 {
		for _, p := range e.org.Postings()[:4] {
			e.org.Retitle(p.ID, fmt.Sprintf("%s, revision %d", p.Title, i))
		}
		s.agreed(e)
	}
	before := s.agreed(e)
	s.nats.Stop()
	s.nats.Wipe()
	s.nats.Start()
	p := e.org.Postings()[9]
	e.org.Retitle(p.ID, "Renamed after the loss")
	s.eventually("the stream is whole again", func() error {
		ms, err := readStream(t.Context(), s.nats.URL())
		if err != nil {
			return err
		}
		if len(ms) <= len(before) {
			return fmt.Errorf("%d messages instead of more than %d", len(ms), len(before))
		}
		return nil
	})
	after := s.agreed(e)
	ids := map[string]message{}
	for _, m := range after {
		ids[m.Event.ID] = m
	}
	for _, m := range before {
		again, ok := ids[m.Event.ID]
		if !ok {
			t.Errorf("%s version %d was not published again", m.Subject, m.Job.Version)
			continue
		}
		if again.Subject != m.Subject || !sameJSON(string(again.Event.Data), string(m.Event.Data)) {
			t.Errorf("%s version %d came back different", m.Subject, m.Job.Version)
		}
	}
	if got := folded(after)[events.JobSubject(e.id, p.ID)]; got.Job.Job.Title != "Renamed after the loss" {
		t.Errorf("the job renamed after the loss is %q", got.Job.Job.Title)
	}
}

// TestPostgresAway has webhooks answered 200 while Postgres is away, from the fsynced stream; with NATS away too they are
// answered 503, and Ashby's retry brings them again. Nothing is lost, nothing is closed, no final status is given.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 8, func(o *settings) { o.sim.RetryScale = 0.02 })
	ps := e.org.Postings()
	e.org.Retitle(ps[0].ID, "Just before") // so that the gateway knows the address
	s.agreed(e)
	s.pg.cut()
	e.org.Retitle(ps[1].ID, "Renamed while Postgres was away")
	s.eventually("a webhook is answered 200 without Postgres", func() error {
		return answered(s, ps[1].ID, http.StatusOK)
	})
	s.nats.Stop()
	e.org.Retitle(ps[2].ID, "Renamed while both were away")
	s.eventually("a webhook is answered 503 without both", func() error {
		return answered(s, ps[2].ID, http.StatusServiceUnavailable)
	})
	s.nats.Start()
	s.pg.restore()
	if err := s.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.agreed(e)
	s.noneClosed(e)
	if s.refreshed() == 0 {
		t.Error("no webhook was judged")
	}
	for _, d := range s.sim.Deliveries() {
		if d.Status != http.StatusOK && d.Status != http.StatusServiceUnavailable {
			t.Errorf("a fault of ours was answered %d", d.Status)
		}
	}
}

// answered says whether a webhook about the posting was answered so.
func answered(s *system, posting string, status int) error {
	seen := []int{}
	for _, d := range s.sim.Deliveries() {
		if d.Object == posting {
			if d.Status == status {
				return nil
			}
			seen = append(seen, d.Status)
		}
	}
	return fmt.Errorf("answers so far: %v", seen)
}
