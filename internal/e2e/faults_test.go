package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// notFound makes single reads say that there is nothing of that id.
func notFound(method, code string) ashbytest.Fault {
	return ashbytest.Fault{Kind: ashbytest.FaultErrorEnvelopeA, Code: code, Method: method}
}

// failures are the ways in which Ashby may fail, several at once among them.
var failures = map[string][]ashbytest.Fault{
	"server error":          {{Kind: ashbytest.FaultStatus, Status: 500}},
	"bad gateway":           {{Kind: ashbytest.FaultStatus, Status: 502}},
	"too many requests":     {{Kind: ashbytest.Fault429, RetryAfter: time.Second}},
	"truncated":             {{Kind: ashbytest.FaultTruncated}},
	"a page instead":        {{Kind: ashbytest.FaultHTML}},
	"error in form A":       {{Kind: ashbytest.FaultErrorEnvelopeA, Code: "generic_internal_error"}},
	"not found in form A":   {{Kind: ashbytest.FaultErrorEnvelopeA, Code: "job_posting_not_found"}},
	"error in form B":       {{Kind: ashbytest.FaultErrorEnvelopeB, Code: "invalid_input"}},
	"error in form C":       {{Kind: ashbytest.FaultErrorEnvelopeC}},
	"an empty list":         {{Kind: ashbytest.FaultEmptyList}},
	"a shrunken list":       {{Kind: ashbytest.FaultShrunkList, Keep: 0.5}},
	"a list shrunk by one":  {{Kind: ashbytest.FaultShrunkList, Keep: 0.92}},
	"duplicate rows":        {{Kind: ashbytest.FaultDuplicateRows}},
	"forbidden":             {{Kind: ashbytest.FaultForbiddenPlain}},
	"wrong content type":    {{Kind: ashbytest.FaultWrongContentType}},
	"no envelope":           {{Kind: ashbytest.FaultNoSuccessField}},
	"listing is forbidden":  {{Kind: ashbytest.FaultForbiddenPlain, Method: "jobPosting.list"}},
	"listing is empty":      {{Kind: ashbytest.FaultEmptyList, Method: "jobPosting.list"}},
	"postings not found":    {notFound("jobPosting.info", "job_posting_not_found")},
	"jobs not found":        {notFound("job.info", "job_not_found")},
	"sync token is refused": {{Kind: ashbytest.FaultRestartCode}},
	"an empty list, postings not found": {
		{Kind: ashbytest.FaultEmptyList, Method: "jobPosting.list"}, notFound("jobPosting.info", "job_posting_not_found"),
	},
	"a shrunken list, postings not found": {
		{Kind: ashbytest.FaultShrunkList, Keep: 0.5, Method: "jobPosting.list"}, notFound("jobPosting.info", "job_posting_not_found"),
	},
	"empty lists, nothing found": {
		{Kind: ashbytest.FaultEmptyList}, notFound("", "job_posting_not_found"),
	},
	"a shrunken list, jobs not found": {
		{Kind: ashbytest.FaultShrunkList, Keep: 0.5}, notFound("job.info", "job_not_found"),
	},
	"duplicate rows, postings not found": {
		{Kind: ashbytest.FaultDuplicateRows}, notFound("jobPosting.info", "job_posting_not_found"),
	},
}

// taken says with an error which of the faults touched no request yet.
func (s *system) taken(faults []ashbytest.Fault) error {
	for i, f := range faults {
		if s.sim.FaultsTaken(f.Kind) == 0 {
			return fmt.Errorf("fault %d (kind %d) was never served", i, f.Kind)
		}
	}
	return nil
}

// TestNoFailureClosesAJob is P5, for each way in which Ashby may fail.
func TestNoFailureClosesAJob(t *testing.T) {
	t.Parallel()
	for name, faults := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, e := seeded(t, 12)
			for _, f := range faults {
				s.sim.Inject(f)
			}
			s.pollTries(e)
			// Webhooks in the middle of it must not close a job either: about one that a shrunken list still has, about one
			// that it lacks, and about a job itself.
			ps := e.org.Postings()
			e.org.Retitle(ps[0].ID, "Renamed during the fault")
			e.org.Retitle(ps[len(ps)-1].ID, "Renamed during the fault, too")
			e.org.RetitleJob(ps[1].JobID, "A job renamed during the fault")
			if err := s.sim.WaitDelivered(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.eventually("the fault is served", func() error { return s.taken(faults) })
			s.pollTries(e)
			s.noneClosed(e)
			s.sim.ClearFaults()
			s.poll(e)
			s.noneClosed(e)
			s.agreed(e)
			s.noneClosed(e)
		})
	}
}

// TestMassDeletionByWebhook has a listing of one row, single reads that find nothing, and a webhook about every posting:
// each of them alone would be proof of a deletion, all at once they are a failure of Ashby's.
func TestMassDeletionByWebhook(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 40)
	faults := []ashbytest.Fault{
		{Kind: ashbytest.FaultShrunkList, Keep: 0.03, Method: "jobPosting.list"}, notFound("jobPosting.info", "job_posting_not_found"),
	}
	for _, f := range faults {
		s.sim.Inject(f)
	}
	before := len(s.sim.Requests())
	for _, p := range e.org.Postings() {
		e.org.Retitle(p.ID, p.Title+" (renamed during the failure)")
	}
	if err := s.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("each posting is asked for, and not found", func() error {
		var missing []string
		asked := s.sim.Requests()[before:]
		for _, p := range e.org.Postings() {
			if !slices.ContainsFunc(asked, func(r ashbytest.Request) bool { return r.Method == "jobPosting.info" && r.ID == p.ID }) {
				missing = append(missing, p.ID)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d were not asked for", len(missing))
		}
		return s.taken(faults)
	})
	s.pollTries(e)
	s.noneClosed(e)
	if doc := s.connection(e.id); doc.Counts.Public != 40 {
		t.Errorf("%d jobs are public", doc.Counts.Public)
	}
	s.sim.ClearFaults()
	s.poll(e)
	s.agreed(e)
	s.noneClosed(e)
	s.eventually("nothing is held any more", func() error {
		if held := s.connection(e.id).Counts.Held; held != 0 {
			return errors.New("still held")
		}
		return nil
	})
	s.refreshed()
}

// TestMassDisappearanceIsHeld deletes most postings at once: nothing closes until a second listing, five minutes later,
// agrees.
func TestMassDisappearanceIsHeld(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 12)
	e.org.MuteWebhooks(true)
	gone := e.org.Postings()[:8]
	for _, p := range gone {
		e.org.DeletePosting(p.ID)
	}
	for range 2 { // two listings within five minutes are one opinion
		s.poll(e)
		s.noneClosed(e)
	}
	if doc := s.connection(e.id); doc.Counts.Held != 8 || doc.Counts.Public != 12 {
		t.Errorf("held %d, public %d", doc.Counts.Held, doc.Counts.Public)
	}
	db := s.sql
	if _, err := db.ExecContext(t.Context(), `UPDATE holds SET created_at = created_at - interval '6 minutes'`); err != nil {
		t.Fatal(err)
	}
	s.poll(e)
	s.eventually("the hold is resolved", func() error {
		if doc := s.connection(e.id); doc.Counts.Held != 0 || doc.Counts.Public != 4 {
			return fmt.Errorf("held %d, public %d", doc.Counts.Held, doc.Counts.Public)
		}
		return nil
	})
	for _, p := range gone {
		if got := s.jobs(e.id)[p.ID]; got.State != "closed" || got.Reason != string(events.ReasonDeleted) {
			t.Errorf("%s: %+v", p.ID, got)
		}
	}
	s.agreed(e)
}
