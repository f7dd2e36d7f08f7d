package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// TestHistoryOfAJob follows a job from its seed over changes by webhook and by poll to its closing and reopening, and
// looks at the runs that found them.
func TestHistoryOfAJob(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 6)
	p := first(t, e.org)
	version := func(n int64) {
		t.Helper()
		s.eventually(fmt.Sprintf("version %d is there", n), func() error {
			if got := s.jobs(e.id)[p.ID].Version; got != n {
				return fmt.Errorf("version %d", got)
			}
			return nil
		})
	}
	e.org.Retitle(p.ID, "Told by webhook")
	version(2)
	e.org.MuteWebhooks(true)
	e.org.EditDescription(p.ID, "<p>Found by a poll.</p>")
	s.poll(e)
	version(3)
	e.org.MuteWebhooks(false)
	e.org.Unpublish(p.ID)
	version(4)
	e.org.Publish(p.ID)
	version(5)
	unpublished := string(events.ReasonUnpublished)
	want := []struct {
		typ    events.Type
		origin events.Origin
		reason *string
		fields map[string][2]string
	}{
		{events.JobPublished, events.OriginWebhook, nil, nil},
		{events.JobClosed, events.OriginWebhook, &unpublished, nil},
		{events.JobUpdated, events.OriginPoll, nil, map[string][2]string{"description_html": {"", `"\u003cp\u003eFound by a poll.\u003c/p\u003e"`}}},
		{events.JobUpdated, events.OriginWebhook, nil, map[string][2]string{"title": {fmt.Sprintf("%q", p.Title), `"Told by webhook"`}}},
		{events.JobPublished, events.OriginSeed, nil, nil},
	}
	got := s.history(e.id, p.ID)
	if len(got) != len(want) {
		t.Fatalf("%d versions: %+v", len(got), got)
	}
	ids := map[string]string{}
	for _, m := range s.agreed(e) {
		if m.Subject == events.JobSubject(e.id, p.ID) {
			ids[fmt.Sprint(m.Version)] = m.Event.ID
		}
	}
	for i, w := range want {
		g := got[i]
		if g.Version != int64(5-i) || g.Type != string(w.typ) || g.Origin != string(w.origin) || g.EventID != ids[fmt.Sprint(g.Version)] {
			t.Errorf("version %d: %+v, want %+v", 5-i, g, w)
		}
		if (g.Reason == nil) != (w.reason == nil) || g.Reason != nil && *g.Reason != *w.reason {
			t.Errorf("version %d: reason %v", g.Version, g.Reason)
		}
		if g.Version == 1 && len(g.Changes) > 0 {
			t.Errorf("the first version changed %+v", g.Changes)
		}
		for field, values := range w.fields {
			at := slices.IndexFunc(g.Changes, func(c mirror.FieldChange) bool { return c.Field == field })
			if at < 0 || values[0] != "" && !sameJSON(string(g.Changes[at].Before), values[0]) || !sameJSON(string(g.Changes[at].After), values[1]) {
				t.Errorf("version %d: %s is not among the changes, or another: %+v", g.Version, field, g.Changes)
			}
		}
		for _, c := range g.Changes {
			if sameJSON(string(c.Before), string(c.After)) {
				t.Errorf("version %d: %s did not change: %s", g.Version, c.Field, c.After)
			}
		}
	}
	s.compareRuns(e, p.ID)
}

// compareRuns looks for the runs that TestHistoryOfAJob caused, and one that fails.
func (s *system) compareRuns(e employer, posting string) {
	s.t.Helper()
	s.inject(e, "soft-error:jobPosting.list")
	s.pollTries(e)
	s.sim.ClearFaults()
	for _, want := range []struct {
		what, query string
		is          func(runDoc) bool
	}{
		{"the first synchronisation", "&task=poll", func(r runDoc) bool {
			return r.Trigger == "registration" && r.Outcome == "ok" && r.Rows >= 6 && r.Changed >= 6 && r.Events >= 6
		}},
		{"the poll that was asked for", "&task=poll", func(r runDoc) bool {
			return r.Trigger == "request" && r.Outcome == "ok" && r.Events == 1
		}},
		{"the webhook", "&task=posting", func(r runDoc) bool {
			return r.Trigger == "webhook" && r.Object == posting && r.Outcome == "ok" && r.Events == 1
		}},
		{"the poll that failed", "&task=poll", func(r runDoc) bool {
			return r.Trigger == "request" && r.Outcome != "ok" && r.Reason != "" && r.Events == 0
		}},
		{"a slice", "&task=records", func(r runDoc) bool { return r.Outcome == "ok" && r.Rows > 0 }},
	} {
		s.eventually("the runs have "+want.what, func() error {
			runs := s.runs(e.id, want.query)
			i := slices.IndexFunc(runs, want.is)
			if i < 0 {
				return fmt.Errorf("%+v", runs)
			}
			if r := runs[i]; r.Requests == 0 || len(r.RequestIDs) == 0 || slices.Contains(r.RequestIDs, "") {
				return fmt.Errorf("without its requests: %+v", r)
			}
			return nil
		})
	}
}

// TestQuarantineIsListedAndReleased has a row that cannot be read put aside while the others go on, and come back.
func TestQuarantineIsListedAndReleased(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 6)
	s.rested(e)
	s.inject(e, "bad-row:job.list")
	s.inject(e, "bad-row:job.info")
	e.org.MuteWebhooks(true)
	bad, other := e.org.Postings()[0], e.org.Postings()[1]
	e.org.RetitleJob(bad.JobID, "canary-in-quarantine")
	e.org.Retitle(other.ID, "The others go on")
	s.round(e)
	rows := s.quarantine(e.id)
	if len(rows) != 1 || rows[0].Kind != "job" || rows[0].ID != bad.JobID || rows[0].Reason == "" || rows[0].Shape["title"] != "string" || rows[0].Times < 1 {
		t.Errorf("in quarantine: %+v", rows)
	}
	if doc := s.connection(e.id); doc.Quarantined != 1 || doc.Status != "active" || doc.Counts.Public != 6 {
		t.Errorf("with a row in quarantine: %+v", doc)
	}
	if got := s.jobs(e.id)[other.ID].Job.Title; got != "The others go on" {
		t.Errorf("the other posting is still %q", got)
	}
	stored := everyRow(t, s.sql, "quarantine", "runs")
	if strings.Contains(string(stored), "canary-in-quarantine") || !strings.Contains(string(stored), bad.JobID) {
		t.Errorf("quarantine and runs: %s", stored)
	}
	s.sim.ClearFaults()
	s.round(e)
	if rows := s.quarantine(e.id); len(rows) > 0 {
		t.Errorf("still in quarantine: %+v", rows)
	}
	if got := s.records(e.id, "job")[bad.JobID]; !strings.Contains(string(got.Record), "canary-in-quarantine") {
		t.Errorf("the job was not read again: %s", got.Record)
	}
	s.agreed(e)
}
