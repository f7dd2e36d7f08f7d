package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

// staffed is an organisation with everything that an employer sets up once, and people who apply.
func (s *system) staffed(slug string, postings, candidates int) *ashbytest.Organization {
	org := s.sim.AddOrganization(slug, slug+" GmbH")
	org.Generate(postings)
	org.GenerateHiring()
	org.GenerateCandidates(candidates)
	return org
}

// TestEveryModule has an employer who agrees to everything: each object of Ashby's is here and opens again, sealed in
// Postgres where it may be about people, and told of on the stream. Nothing about a person stands anywhere in the clear.
func TestEveryModule(t *testing.T) {
	t.Parallel()
	s := start(t, everything)
	org := s.staffed("acme", 12, 8)
	e := s.register(org, org.AddKey(ashbytest.KeyOptions{Confidential: true, Scopes: allScopes()}), "acme", optIn()...)
	s.synced(e)
	s.rested(e)
	marked := map[ashby.Kind]bool{}
	told := s.told()
	for _, res := range ashby.Catalogue() {
		here := s.records(e.id, string(res.Kind))
		s.compareKind(e, res, here)
		if len(here) == 0 && res.Kind != ashby.KindSurveyRequest { // only every twenty-fifth application has one
			t.Errorf("no %s was read", res.Kind)
		}
		for id, r := range here {
			marked[res.Kind] = marked[res.Kind] || bytes.Contains(r.Record, []byte(ashbytest.PersonalMarker))
			m, ok := told[events.RecordSubject(e.id, string(res.Kind), id)]
			if !ok {
				t.Errorf("%s %s is not on the stream", res.Kind, id)
				continue
			}
			eventstest.Validate(t, m.Raw)
			if m.Type != events.RecordChanged || m.Data.Version != r.Version || m.Data.Parent != r.Parent || m.Data.Sealed != res.Personal {
				t.Errorf("%s %s on the stream: %s %+v", res.Kind, id, m.Type, m.Data)
			}
			if want := string(r.Record); res.Personal && string(m.Data.Record) != "null" || !res.Personal && !sameJSON(string(m.Data.Record), want) {
				t.Errorf("%s %s: the stream has %.80s", res.Kind, id, m.Data.Record)
			}
		}
	}
	doc := s.connection(e.id)
	for _, name := range optIn() {
		if m := doc.module(name); m.State != "active" || m.CompleteAt == nil || m.Reason != "" {
			t.Errorf("module %s: %+v", name, m)
		}
	}
	for _, kind := range []ashby.Kind{ashby.KindCandidate, ashby.KindUser, ashby.KindCandidateNote} {
		if !marked[kind] {
			t.Errorf("no %s has the canary: the search below proves nothing", kind)
		}
	}
	s.candidateDeleted(e)
	s.misread(e)
	s.nobodyInTheClear(e)
}

// compareKind compares the records of a kind with the simulator's, and requires that those that may be about people are
// sealed.
func (s *system) compareKind(e employer, res ashby.Resource, here map[string]recordDoc) {
	s.t.Helper()
	maps.DeleteFunc(here, func(_ string, r recordDoc) bool { return r.Gone })
	ids := e.org.RecordIDs(string(res.Kind))
	if slices.Contains(ashbytest.Kinds(), string(res.Kind)) && len(ids) != len(here) {
		s.t.Errorf("%d of %d of kind %s", len(here), len(ids), res.Kind)
	}
	if res.Kind == ashby.KindCandidateProject {
		ids = nil // their ids are ours: the same project comes with many candidates
	}
	for _, id := range ids {
		got := here[id]
		if there, _ := e.org.Record(string(res.Kind), id); !sameObject(there, got.Record, res.Drop) {
			s.t.Errorf("%s %s is not Ashby's: %.300s", res.Kind, id, got.Record)
		}
	}
	open, err := number(s.t.Context(), s.sql, `SELECT count(*) FROM records
		WHERE connection_id = $1 AND kind = $2 AND (doc IS NULL) <> $3`, e.id, string(res.Kind), res.Personal)
	if err != nil || open != 0 {
		s.t.Errorf("%d records of kind %s are not in the form that they should have: %v", open, res.Kind, err)
	}
}

// sameObject compares the members of an object that are not dropped.
func sameObject(there map[string]any, here json.RawMessage, dropped []string) bool {
	var got map[string]any
	if json.Unmarshal(here, &got) != nil {
		return false
	}
	for name, value := range there {
		for _, d := range dropped {
			if d == name || len(d) > len(name) && d[:len(name)+1] == name+"." {
				value = got[name]
			}
		}
		if !sameValue(value, got[name]) {
			return false
		}
	}
	return true
}

// nobodyInTheClear searches all that was written for the canary that stands in everything about people.
func (s *system) nobodyInTheClear(e employer) {
	s.t.Helper()
	haystacks := s.everythingWritten(s.t, e.id)
	title := e.org.Postings()[0].Title
	if err := verdict(blindSpots(haystacks, map[string]string{
		"the logs": e.id, "the database dump": title, "the metrics": "ashbridge_", "GET /v1/connections": e.id,
		"GET /v1/connections/{id}": e.id, "GET /v1/jobs": title, "the stream": title, "NATS's store": title,
		"events and listings": title, "GET /v1/audit": e.id, "GET /v1/tokens?revoked=true": `"tokens":[`,
	})); err != nil {
		s.t.Errorf("the search proves nothing: %v", err)
	}
	for _, stream := range []string{events.RecordSubject(e.id, "candidate", ""), events.RecordSubject(e.id, "job", "")} {
		if !bytes.Contains(haystacks["NATS's store"], []byte(stream)) {
			s.t.Errorf("the search proves nothing: NATS's store has no %s", stream)
		}
	}
	for _, fault := range leaks(haystacks, map[string]string{"a person": ashbytest.PersonalMarker, "the key": e.key}) {
		s.t.Error(fault)
	}
}
