package e2e

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// pollTries asks for a poll and waits until one that began afterwards has ended, well or badly.
func (s *system) pollTries(e employer) {
	s.t.Helper()
	before := time.Now()
	s.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+e.id+"/sync", nil)
	s.eventually("a poll is tried", func() error {
		now := s.connection(e.id).Sync
		if now.PollStartedAt == nil || now.PollStartedAt.Before(before) || now.PollFinishedAt == nil || now.PollFinishedAt.Before(*now.PollStartedAt) {
			return fmt.Errorf("not ended: %+v", now)
		}
		return nil
	})
}

// noneClosed requires that nothing is closed, on the stream or in Postgres.
func (s *system) noneClosed(e employer) {
	s.t.Helper()
	ms, err := readStream(s.t.Context(), s.nats.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	s.noneClosedOf(e, ms)
}

// noneClosedOf is noneClosed of an employer among others, with the stream at hand.
func (s *system) noneClosedOf(e employer, ms []message) {
	s.t.Helper()
	var faults []string
	for _, m := range ms {
		if m.Event.Type == events.JobClosed && strings.HasPrefix(m.Subject, events.JobSubject(e.id, "")) {
			faults = append(faults, fmt.Sprintf("%s was closed by a %s: %s", m.Subject, m.Job.Origin, *m.Job.Reason))
		}
	}
	for id, j := range s.jobs(e.id) {
		if j.State != "open" {
			faults = append(faults, fmt.Sprintf("%s is %s", id, j.State))
		}
	}
	if err := verdict(faults); err != nil {
		s.t.Fatalf("%v\n%s", err, s.logs.tail())
	}
}

func TestRevokedKeyClosesNothing(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 6)
	e.org.RevokeKey(e.key)
	s.pollTries(e)
	s.eventually("the connection is unauthorized", func() error {
		if got := s.connection(e.id); got.Status != "unauthorized" {
			return fmt.Errorf("%s: %s", got.Status, got.StatusReason)
		}
		return nil
	})
	s.noneClosed(e)
	e.org.MuteWebhooks(true)
	e.org.Retitle(first(t, e.org).ID, "Changed while the key was dead")
	s.must(http.StatusOK, http.MethodPatch, "/v1/connections/"+e.id,
		map[string]any{"api_key": e.org.AddKey(ashbytest.KeyOptions{Title: "The new one"})})
	s.agreed(e)
	if got := s.connection(e.id); got.Status != "active" {
		t.Errorf("after a new key: %s", got.Status)
	}
	s.noneClosed(e)
}

func TestMissingPermissionClosesNothing(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 6)
	e.org.SetScopes(e.key, "organization:read")
	s.pollTries(e)
	s.noneClosed(e)
	e.org.SetScopes(e.key, "jobs:read")
	s.poll(e)
	s.agreed(e)
	s.noneClosed(e)
}

func TestDuplicateAndDisorderedWebhooks(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 6)
	e.org.DuplicateWebhooks(3)
	e.org.ShuffleWebhooks(30 * time.Millisecond)
	p := first(t, e.org)
	for i := range 20 {
		e.org.Retitle(p.ID, fmt.Sprintf("Title number %d", i))
		if i%5 == 0 {
			e.org.Unpublish(p.ID)
			e.org.Publish(p.ID)
		}
	}
	if err := s.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	ms := s.agreed(e)
	if got := folded(ms)[events.JobSubject(e.id, p.ID)]; got.Job.Job.Title != "Title number 19" {
		t.Errorf("the last title on the stream is %q", got.Job.Job.Title)
	}
	if s.refreshed() == 0 {
		t.Error("no webhook was judged")
	}
}

// TestUnchangedDataWritesNothing is P4.
func TestUnchangedDataWritesNothing(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 20)
	db := s.sql
	s.round(e) // a first reading still under way writes, as it must
	before := rowVersions(t, db)
	for range 3 {
		s.round(e)
	}
	for table, n := range rowVersions(t, db) {
		if n != before[table] {
			t.Errorf("polls of unchanged data wrote to %s", table)
		}
	}
}

// rowVersions gives, for each table that holds data of Ashby's or of events, a number that changes with any write: the
// count of rows and the sum of the transactions that wrote them.
func rowVersions(t testing.TB, db *sql.DB) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, table := range []string{"records", "listings", "events", "outbox", "webhook_inbox", "holds", "connections"} {
		n, err := number(t.Context(), db, `SELECT count(*) + coalesce(sum(xmin::text::bigint), 0) FROM `+table)
		if err != nil {
			t.Fatal(err)
		}
		out[table] = n
	}
	return out
}

// TestEmployersStayApart is P6: two employers with the very same posting ids.
func TestEmployersStayApart(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.sim.AddOrganization("alpha", "Alpha AG")
	a.Generate(8)
	b := s.sim.AddOrganization("beta", "Beta BV")
	b.GenerateLike("alpha", 8)
	ea, eb := s.connect(a, "a"), s.connect(b, "b")
	s.synced(ea)
	s.synced(eb)
	p := first(t, a)
	if _, same := b.Posting(p.ID); !same {
		t.Fatal("the two organisations do not share ids")
	}
	a.Retitle(p.ID, "canary-of-alpha")
	b.Unpublish(p.ID)
	ms := s.agreed(ea, eb)
	for _, m := range ms {
		if strings.Contains(m.Subject, eb.id) && strings.Contains(string(m.Raw), "canary-of-alpha") {
			t.Errorf("beta's subject %s carries alpha's data", m.Subject)
		}
	}
	if got := s.jobs(ea.id)[p.ID]; got.State != "open" || got.Job.Title != "canary-of-alpha" {
		t.Errorf("alpha's job: %+v", got)
	}
	if got := s.jobs(eb.id)[p.ID]; got.State != "closed" {
		t.Errorf("beta's job: %+v", got)
	}
	s.must(http.StatusConflict, http.MethodGet, "/v1/jobs/"+p.ID, nil)
	s.must(http.StatusOK, http.MethodGet, "/v1/jobs/"+p.ID+"?connection="+eb.id, nil)
	// A webhook of alpha's with alpha's secret is nothing to beta's address.
	if ea.secret == eb.secret {
		t.Error("two connections share a webhook secret")
	}
	if err := a.AddWebhook("jobPostingUpdate", eb.doc.WebhookSetup.URLs["jobPostingUpdate"], ea.secret); err != nil {
		t.Fatal(err)
	}
	a.Retitle(p.ID, "sent to the wrong address")
	if err := s.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, d := range s.sim.Deliveries() {
		if strings.HasPrefix(d.URL, eb.doc.WebhookSetup.URLs["jobPostingUpdate"]) && d.Org == "alpha" && d.Action != "ping" {
			if d.Status/100 == 2 {
				t.Errorf("alpha's signature was taken on beta's address: %d", d.Status)
			}
			refused++
		}
	}
	if refused == 0 {
		t.Error("the misdirected webhook was not tried")
	}
}
