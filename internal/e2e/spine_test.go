package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

// seeded is a system with one employer of n postings, after its first synchronisation.
func seeded(t *testing.T, n int, change ...func(*settings)) (*system, employer) {
	t.Helper()
	s := start(t, change...)
	org := s.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(n)
	e := s.connect(org, "acme-1")
	s.synced(e)
	s.agreed(e)
	return s, e
}

// first is a public posting.
func first(t testing.TB, org *ashbytest.Organization) ashbytest.PostingState {
	t.Helper()
	for _, p := range org.Postings() {
		if p.Public() {
			return p
		}
	}
	t.Fatal("no public posting")
	return ashbytest.PostingState{}
}

func TestFirstSynchronisation(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 30)
	doc := s.connection(e.id)
	if doc.Status != "active" || doc.Counts.Public != 30 || doc.Counts.Mirrored != 30 || doc.Counts.AtAshby != 30 || doc.Counts.Held != 0 {
		t.Errorf("after the first synchronisation: %+v", doc)
	}
	ms := s.agreed(e)
	published, synced := 0, 0
	for _, m := range ms {
		eventstest.Validate(t, m.Raw)
		switch m.Event.Type {
		case events.JobPublished:
			published++
			if m.Job.Version != 1 || m.Job.Origin != events.OriginSeed {
				t.Errorf("%s: version %d, origin %s", m.Subject, m.Job.Version, m.Job.Origin)
			}
		case events.ConnectionSynced:
			synced++
			if m.Subject != events.ConnectionSubject(e.id) {
				t.Errorf("connection.synced on %s", m.Subject)
			}
		default:
			t.Errorf("unexpected %s", m.Event.Type)
		}
	}
	if published != 30 || synced != 1 {
		t.Errorf("%d jobs published, %d connection.synced", published, synced)
	}
	if jobs := s.jobs(e.id); len(jobs) != 30 {
		t.Errorf("the API lists %d jobs", len(jobs))
	}
}

func TestWebhookBecomesEvent(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 5)
	p := first(t, e.org)
	e.org.Retitle(p.ID, "Chief Bridge Builder")
	s.eventually("the new title is public", func() error {
		if got := s.jobs(e.id)[p.ID]; got.Job.Title != "Chief Bridge Builder" {
			return errors.New(got.Job.Title)
		}
		return nil
	})
	last := folded(s.agreed(e))[events.JobSubject(e.id, p.ID)]
	if last.Event.Type != events.JobUpdated || last.Job.Origin != events.OriginWebhook || last.Job.Version != 2 {
		t.Errorf("%s from %s, version %d", last.Event.Type, last.Job.Origin, last.Job.Version)
	}
	if n := s.refreshed(); n == 0 {
		t.Error("no webhook was judged")
	}
}

func TestPollFindsWhatALostWebhookMissed(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 8)
	e.org.MuteWebhooks(true)
	ps := e.org.Postings()
	e.org.Retitle(ps[0].ID, "Found by polling")
	e.org.Unpublish(ps[1].ID)
	fresh := e.org.CreatePosting(ashbytest.PostingSpec{Title: "Brand new"})
	e.org.Publish(fresh)
	s.poll(e)
	stream := folded(s.agreed(e))
	for id, want := range map[string]events.Type{
		ps[0].ID: events.JobUpdated, ps[1].ID: events.JobClosed, fresh: events.JobPublished,
	} {
		m := stream[events.JobSubject(e.id, id)]
		if m.Event.Type != want || m.Job.Origin != events.OriginPoll {
			t.Errorf("%s: %s from %s instead of %s from poll", id, m.Event.Type, m.Job.Origin, want)
		}
	}
}

func TestEveryWayToCloseAndOpenAgain(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 12)
	ps := e.org.Postings()
	ways := []struct {
		reason      events.Reason
		close, open func(p ashbytest.PostingState)
	}{
		{events.ReasonUnpublished, func(p ashbytest.PostingState) { e.org.Unpublish(p.ID) }, func(p ashbytest.PostingState) { e.org.Publish(p.ID) }},
		{events.ReasonUnlisted, func(p ashbytest.PostingState) { e.org.SetListed(p.ID, false) }, func(p ashbytest.PostingState) { e.org.SetListed(p.ID, true) }},
		{events.ReasonInternal, func(p ashbytest.PostingState) { e.org.SetInternal(p.ID, true) }, func(p ashbytest.PostingState) { e.org.SetInternal(p.ID, false) }},
		{events.ReasonDraft, func(p ashbytest.PostingState) { e.org.SetJobStatus(p.JobID, ashbytest.JobDraft) }, func(p ashbytest.PostingState) { e.org.SetJobStatus(p.JobID, ashbytest.JobOpen) }},
		{events.ReasonDeleted, func(p ashbytest.PostingState) { e.org.DeletePosting(p.ID) }, nil},
	}
	state := func(id, want string, version int64, reason events.Reason) {
		t.Helper()
		s.eventually(fmt.Sprintf("%s is %s", id, want), func() error {
			got := s.jobs(e.id)[id]
			if got.State != want || got.Version != version || got.Reason != string(reason) {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
	}
	for i, w := range ways {
		w.close(ps[i])
		state(ps[i].ID, "closed", 2, w.reason)
		if w.open != nil {
			w.open(ps[i])
			state(ps[i].ID, "open", 3, "")
		}
	}
	s.agreed(e)
}

// TestOnlyPublicJobsArePublished is P8: what may not be shown never reaches the stream at all.
func TestOnlyPublicJobsArePublished(t *testing.T) {
	t.Parallel()
	s := start(t)
	org := s.sim.AddOrganization("secretive", "Secretive Inc")
	org.Generate(10)
	ps := org.Postings()
	org.SetListed(ps[0].ID, false)
	org.SetInternal(ps[1].ID, true)
	org.SetConfidential(ps[2].JobID, true)
	org.SetJobStatus(ps[3].JobID, ashbytest.JobDraft)
	org.Unpublish(ps[4].ID)
	org.CreatePosting(ashbytest.PostingSpec{Title: "A draft"})
	key := org.AddKey(ashbytest.KeyOptions{Confidential: true})
	e := s.register(org, key, "secretive")
	s.synced(e)
	ms := s.agreed(e)
	hidden := map[string]bool{}
	for _, p := range org.Postings() {
		hidden[events.JobSubject(e.id, p.ID)] = !p.Public()
	}
	shown := 0
	for _, m := range ms {
		if hidden[m.Subject] {
			t.Errorf("%s was published", m.Subject)
		} else if m.Event.Type == events.JobPublished {
			shown++
		}
	}
	if shown != 5 {
		t.Errorf("%d jobs shown instead of 5", shown)
	}
}

// TestConfidentialClosesEvenUnseen has a public job made confidential while the key may not see such jobs.
func TestConfidentialClosesEvenUnseen(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 12)
	p := first(t, e.org)
	e.org.SetConfidential(p.JobID, true)
	s.poll(e)
	s.eventually("the job is closed", func() error {
		if got := s.jobs(e.id)[p.ID]; got.State != "closed" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	s.agreed(e)
}

func TestDisconnecting(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"keep", "close"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			s, e := seeded(t, 4)
			db := s.sql
			s.must(http.StatusOK, http.MethodDelete, "/v1/connections/"+e.id+"?jobs="+choice, nil)
			secrets, err := number(t.Context(), db, `SELECT count(*) FROM secrets WHERE connection_id = $1`, e.id)
			if err != nil || secrets != 0 {
				t.Errorf("%d secrets are left, %v", secrets, err)
			}
			s.eventually("the removal is on the stream", func() error {
				ms, err := readStream(t.Context(), s.nats.URL())
				if err != nil {
					return err
				}
				if last := ms[len(ms)-1]; last.Event.Type != events.ConnectionRemoved {
					return fmt.Errorf("last is %s", last.Event.Type)
				}
				_, err = orderly(t.Context(), db, s.nats.URL())
				return err
			})
			want := map[string]string{"keep": "open", "close": "closed"}[choice]
			for id, j := range s.jobs(e.id) {
				if j.State != want {
					t.Errorf("%s is %s after %s", id, j.State, choice)
				}
			}
			e.org.Retitle(first(t, e.org).ID, "Nobody hears this")
			if err := s.sim.WaitDelivered(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, d := range s.sim.Deliveries() {
				if d.Action == "jobPostingUpdate" && d.Status != http.StatusGone {
					t.Errorf("a webhook after the removal was answered %d", d.Status)
				}
			}
		})
	}
}
