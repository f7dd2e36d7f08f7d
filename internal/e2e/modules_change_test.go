package e2e

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// TestModuleComesAndGoes withdraws a permission and gives it back, and takes a module away and adds it again. The other
// modules and the jobs go on.
func TestModuleComesAndGoes(t *testing.T) {
	t.Parallel()
	s := start(t, everything)
	org := s.staffed("acme", 6, 4)
	e := s.register(org, org.AddKey(ashbytest.KeyOptions{Confidential: true, Scopes: allScopes()}), "acme", "candidates", "hiring_process")
	s.synced(e)
	s.rested(e)
	s.permissionWithdrawn(e)
	s.moduleTakenAway(e)
	s.agreed(e)
}

// permissionWithdrawn has the module candidates pause alone, keep what it has, and go on by itself.
func (s *system) permissionWithdrawn(e employer) {
	s.t.Helper()
	before := s.records(e.id, "candidate")
	less := slices.DeleteFunc(allScopes(), func(scope string) bool { return scope == "candidates:read" })
	e.org.SetScopes(e.key, less...)
	p := first(s.t, e.org)
	e.org.Retitle(p.ID, "Found while a module pauses")
	e.org.EditRecord("source", e.org.RecordIDs("source")[0], map[string]any{"title": "Word of mouth"})
	s.round(e)
	doc := s.connection(e.id)
	if m := doc.module("candidates"); m.State != "paused" || !strings.Contains(m.Reason, "Candidates") {
		s.t.Errorf("module candidates without its permission: %+v", m)
	}
	if m := doc.module("hiring_process"); m.State != "active" || m.CompleteAt == nil || doc.Status != "active" {
		s.t.Errorf("module hiring_process: %+v; the connection is %s: %s", m, doc.Status, doc.StatusReason)
	}
	if got := s.jobs(e.id)[p.ID].Job.Title; got != "Found while a module pauses" {
		s.t.Errorf("the posting is still %q", got)
	}
	if got := s.records(e.id, "source")[e.org.RecordIDs("source")[0]]; !strings.Contains(string(got.Record), "Word of mouth") {
		s.t.Errorf("the source is still %s", got.Record)
	}
	if after := s.records(e.id, "candidate"); len(after) != len(before) {
		s.t.Errorf("%d of %d candidates are left", len(after), len(before))
	}
	job := p.JobID
	candidate, _ := e.org.SubmitApplication(job)
	e.org.SetScopes(e.key, allScopes()...)
	s.round(e)
	if m := s.module(e, "candidates", "active"); m.Reason != "" || m.CompleteAt == nil {
		s.t.Errorf("module candidates with its permission again: %+v", m)
	}
	if _, ok := s.records(e.id, "candidate")[candidate]; !ok {
		s.t.Error("the candidate who came meanwhile is not here")
	}
}

// moduleTakenAway has everything of the module candidates go at once, and come back when it is added again.
func (s *system) moduleTakenAway(e employer) {
	s.t.Helper()
	db := s.sql
	kinds := sealedKinds("candidates")
	before := s.sizes(e, kinds)
	sources := len(s.records(e.id, "source"))
	doc := s.patch(e, map[string]any{"modules": []string{"jobs", "hiring_process"}})
	for _, table := range []string{"records", "sync_tokens", "passes", "pass_pages", "sweeps", "stale_parents", "quarantine"} {
		if n, err := countOf(s.t.Context(), db, table, e.id, kinds); err != nil || n != 0 {
			s.t.Errorf("%d rows of the module are left in %s: %v", n, table, err)
		}
	}
	if doc.module("candidates").State != "" || slices.Contains(doc.Modules, "candidates") {
		s.t.Errorf("the module is still shown: %+v", doc.ModuleStates)
	}
	s.must(http.StatusConflict, http.MethodGet, "/v1/records/candidate?connection="+e.id, nil)
	s.eventually("the stream forgets them", func() error {
		for subject, m := range s.told() {
			if slices.Contains(kinds, ashby.Kind(m.Data.Kind)) {
				return errors.New(subject)
			}
		}
		return nil
	})
	s.round(e)
	if n := len(s.records(e.id, "source")); n != sources {
		s.t.Errorf("%d of %d sources", n, sources)
	}
	s.patch(e, map[string]any{"modules": []string{"jobs", "candidates", "hiring_process"}})
	s.round(e)
	if m := s.module(e, "candidates", "active"); m.CompleteAt == nil {
		s.t.Errorf("module candidates added again: %+v", m)
	}
	if after := s.sizes(e, kinds); !maps.Equal(after, before) {
		s.t.Errorf("%v are back of %v", after, before)
	}
}

// sizes counts the records of each kind.
func (s *system) sizes(e employer, kinds []ashby.Kind) map[ashby.Kind]int {
	s.t.Helper()
	sizes := map[ashby.Kind]int{}
	for _, kind := range kinds {
		sizes[kind] = len(s.records(e.id, string(kind)))
	}
	return sizes
}

// TestModuleTakenAwayAmidItsReading takes a module away while its candidates are read, and while webhooks about them come:
// what was under way must not bring any of them back.
func TestModuleTakenAwayAmidItsReading(t *testing.T) {
	t.Parallel()
	s := start(t, everything, func(o *settings) { o.sim.Latency = 5 * time.Millisecond })
	org := s.staffed("acme", 5, 1500)
	e := s.register(org, org.AddKey(ashbytest.KeyOptions{Confidential: true, Scopes: allScopes()}), "acme", "candidates")
	s.setUpByHand(e)
	for range 3 {
		s.eventually("candidates are being read", func() error {
			n, err := number(t.Context(), s.sql, `SELECT count(*) FROM records WHERE connection_id = $1 AND kind = 'candidate'`, e.id)
			if err == nil && n == 0 {
				err = errors.New("none yet")
			}
			return err
		})
		for _, application := range org.RecordIDs("application")[:20] {
			org.EditRecord("application", application, map[string]any{"status": "Archived"})
		}
		s.patch(e, map[string]any{"modules": []string{"jobs"}})
		s.noneSealed(e)
		if err := s.sim.WaitDelivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.round(e)
		s.noneSealed(e)
		s.eventually("the webhooks are settled", func() error { return isQuiet(t.Context(), s.sql) })
		s.noneSealed(e)
		s.patch(e, map[string]any{"modules": []string{"jobs", "candidates"}})
	}
	s.patch(e, map[string]any{"modules": []string{"jobs"}})
	for subject, m := range s.told() {
		if m.Data.Sealed {
			t.Errorf("%s is left on the stream", subject)
		}
	}
	s.agreed(e)
}

// noneSealed requires that nothing of an opt-in module is there.
func (s *system) noneSealed(e employer) {
	s.t.Helper()
	for _, query := range []string{
		`SELECT count(*) FROM records WHERE connection_id = $1 AND sealed IS NOT NULL`,
		`SELECT count(*) FROM sync_tokens WHERE connection_id = $1 AND kind IN ('candidate', 'application')`,
		`SELECT count(*) FROM passes WHERE connection_id = $1 AND kind IN ('candidate', 'application')`,
		`SELECT count(*) FROM stale_parents WHERE connection_id = $1`,
	} {
		if n, err := number(s.t.Context(), s.sql, query, e.id); err != nil || n != 0 {
			s.t.Errorf("%d rows, %v: %s", n, err, query)
		}
	}
}
