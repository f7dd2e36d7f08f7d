package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// TestOutageOfOurs has one organisation under two keys, which do not mind each other, and no syncer for a while: what
// changed meanwhile without a webhook is found at once, and not by the next hourly poll.
func TestOutageOfOurs(t *testing.T) {
	t.Parallel()
	s := start(t)
	org := s.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(8)
	one, two := s.connect(org, "acme-1"), s.connect(org, "acme-2")
	s.synced(one)
	s.synced(two)
	s.agreed(one, two)
	ps := org.Postings()
	org.Retitle(ps[0].ID, "Both are told by webhook")
	for _, e := range []employer{one, two} {
		s.eventually("both have the new title", func() error {
			if got := s.jobs(e.id)[ps[0].ID]; got.Job.Title != "Both are told by webhook" || got.Version != 2 {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
	}
	s.stopSyncer()
	org.MuteWebhooks(true)
	org.Retitle(ps[1].ID, "Changed while nobody was at work")
	org.Unpublish(ps[2].ID)
	silent := `UPDATE heartbeats SET at = at - interval '15 seconds' WHERE service = 'syncer'`
	if _, err := s.sql.ExecContext(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	s.startSyncer()
	for _, e := range []employer{one, two} {
		s.eventually("each connection is verified again", func() error {
			if at := s.connection(e.id).Sync.LastVerifiedAt; at == nil || at.Before(back) {
				return fmt.Errorf("last at %s", at)
			}
			return nil
		})
		runs := s.runs(e.id, "&task=poll")
		s.eventually("one poll made up for the outage", func() error {
			if runs = s.runs(e.id, "&task=poll"); len(runs) != 2 || runs[0].Trigger != "schedule" {
				return fmt.Errorf("%+v", runs)
			}
			return nil
		})
	}
	s.agreed(one, two)
	s.keysApart(one, two)
}

// keysApart revokes the key of one connection: the other one goes on.
func (s *system) keysApart(one, two employer) {
	s.t.Helper()
	org := two.org
	org.RevokeKey(one.key)
	s.pollTries(one)
	p := org.Postings()[3]
	org.Retitle(p.ID, "Told under the second key")
	s.poll(two)
	s.agreedAlone(two)
	if got := s.connection(one.id).Status; got != "unauthorized" {
		s.t.Errorf("the connection whose key was revoked is %s", got)
	}
	if got := s.jobs(one.id)[p.ID]; got.State != "open" || got.Job.Title != p.Title {
		s.t.Errorf("under the revoked key: %+v", got)
	}
	key := org.AddKey(ashbytest.KeyOptions{Title: "The third one"})
	s.must(http.StatusConflict, http.MethodPatch, "/v1/connections/"+one.id, map[string]any{"api_key": two.key})
	s.patch(one, map[string]any{"api_key": key})
	ms := s.agreed(one, two)
	told := map[string]int{}
	for _, m := range ms {
		if m.Event.Type == events.JobUpdated {
			told[m.Job.Job.Connection]++
		}
	}
	if told[one.id] != 3 || told[two.id] != 3 {
		s.t.Errorf("updates told: %d under the first key, %d under the second, want 3 each", told[one.id], told[two.id])
	}
}

// agreedAlone waits until P2 holds for an employer, whatever else waits.
func (s *system) agreedAlone(e employer) {
	s.t.Helper()
	db := s.sql
	s.eventually("Ashby and Postgres agree", func() error {
		rows, err := listings(s.t.Context(), db, e.id)
		if err != nil {
			return err
		}
		public, err := publicAtAshby(e.org)
		if err != nil {
			return err
		}
		return verdict(faultsOfListings(public, rows))
	})
}
