package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// scene is a posting, its listing and its message, which agree until a test changes something.
type scene struct {
	public map[string]truth
	rows   map[string]row
	stream map[string]message
}

const sceneSubject = "jobs.v1.c.p1"

func agreeing(t *testing.T) *scene {
	t.Helper()
	updated := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	low := json.Number("60000")
	p := truth{ashbytest.PostingState{
		ID: "p1", JobID: "j1", Title: "Bridge Builder", Status: ashbytest.StatusPublished, Listed: true, JobStatus: ashbytest.JobOpen,
		DescriptionHTML: `<p class="x">Build bridges.</p>`, DepartmentName: "Engineering", TeamName: "Bridges", UpdatedAt: updated,
		Places: []ashbytest.Place{{ID: "l1", Name: "Berlin", Locality: "Berlin", Country: "Germany "}, {ID: "l2", Name: "Remote"}},
	}, &ashbytest.Pay{Tiers: []ashbytest.PayTier{{Title: "Europe", Components: []ashbytest.PayComponent{
		{Type: "Salary", Interval: "1 YEAR", Currency: "EUR", Min: "60000"},
	}}}}, "acme"}
	job := events.Job{
		ID: "p1", JobID: "j1", OrganizationSlug: "acme", Connection: "c", Title: "Bridge Builder", DescriptionHTML: "<p>Build bridges.</p>",
		Department: "Engineering", Team: "Bridges", UpdatedAt: &updated, ApplyURL: "https://jobs.example/p1",
		Locations: []events.Location{
			{ID: "l1", Name: "Berlin", Primary: true, Address: events.Address{Locality: "Berlin", Country: "Germany", CountryCode: "DE"}},
			{ID: "l2", Name: "Remote"},
		},
		Pay: &events.Pay{Summary: "from €60K", Tiers: []events.PayTier{{Title: "Europe", Components: []events.PayComponent{
			{Type: "Salary", Interval: "1 YEAR", Currency: "EUR", Min: &low},
		}}}},
		JSONLD: json.RawMessage(`{}`),
	}
	s := &scene{public: map[string]truth{"p1": p}, rows: map[string]row{}, stream: map[string]message{}}
	s.set(t, row{State: "open", Version: 2, Job: job})
	return s
}

// set stores a listing and tells the stream of it.
func (s *scene) set(t *testing.T, r row) {
	t.Helper()
	s.store(t, r)
	s.tell(t, r)
}

func (s *scene) store(t *testing.T, r row) {
	t.Helper()
	doc, err := json.Marshal(r.Job)
	if err != nil {
		t.Fatal(err)
	}
	r.Doc = string(doc)
	s.rows["p1"] = r
}

func (s *scene) tell(t *testing.T, r row) {
	t.Helper()
	data := events.JobData{Version: r.Version, Job: r.Job}
	typ := events.JobUpdated
	if r.State == "closed" {
		typ = events.JobClosed
		reason := events.Reason(r.Reason)
		data.Reason = &reason
	}
	s.stream[sceneSubject] = event(t, 7, sceneSubject, "e1", typ, data)
}

// entered changes what Ashby has.
func entered(change func(*truth)) func(*testing.T, *scene) {
	return func(_ *testing.T, s *scene) {
		p := s.public["p1"]
		change(&p)
		s.public["p1"] = p
	}
}

// stored changes the listing alone.
func stored(change func(*row)) func(*testing.T, *scene) {
	return func(t *testing.T, s *scene) {
		r := s.rows["p1"]
		change(&r)
		s.store(t, r)
	}
}

func TestJudgeOfState(t *testing.T) {
	t.Parallel()
	hide := func(s *scene) { delete(s.public, "p1") }
	closed := func(r *row) { r.State, r.Version, r.Reason = "closed", 3, "unlisted" }
	for name, c := range map[string]struct {
		change func(*testing.T, *scene)
		want   string
	}{
		"all agree": {func(*testing.T, *scene) {}, ""},
		"closed and told": {func(t *testing.T, s *scene) {
			hide(s)
			r := s.rows["p1"]
			closed(&r)
			s.set(t, r)
		}, ""},
		"a neighbour's messages": {func(_ *testing.T, s *scene) {
			s.stream["jobs.v1.other.p9"] = s.stream[sceneSubject]
		}, ""},
		"the department's own": {func(t *testing.T, s *scene) {
			entered(func(p *truth) { p.TeamName = p.DepartmentName })(t, s)
			r := s.rows["p1"]
			r.Job.Team = ""
			s.set(t, r)
		}, ""},

		"another title":       {entered(func(p *truth) { p.Title = "Other" }), "title"},
		"another description": {entered(func(p *truth) { p.DescriptionHTML = "<p>Build tunnels.</p>" }), "the description"},
		"another department":  {entered(func(p *truth) { p.DepartmentName = "Sales" }), "department"},
		"another team":        {entered(func(p *truth) { p.TeamName = "Tunnels" }), "team"},
		"another job":         {entered(func(p *truth) { p.JobID = "j2" }), "job_id"},
		"an edit not seen":    {entered(func(p *truth) { p.UpdatedAt = p.UpdatedAt.Add(time.Millisecond) }), "updated_at"},
		"pay no longer shown": {entered(func(p *truth) { p.Pay = nil }), "pay"},
		"other pay":           {entered(func(p *truth) { p.Pay.Tiers[0].Components[0].Min = "60000.5" }), "pay"},
		"a bound of pay more": {entered(func(p *truth) { p.Pay.Tiers[0].Components[0].Max = "70000" }), "pay"},
		"a tier more":         {entered(func(p *truth) { p.Pay.Tiers = append(p.Pay.Tiers, ashbytest.PayTier{Title: "US"}) }), "pay"},
		"another job board":   {entered(func(p *truth) { p.Slug = "other" }), "organization_slug"},
		"another country":     {entered(func(p *truth) { p.Places[0].Country = "Brazil" }), "locations"},
		"another code": {stored(func(r *row) {
			r.Job.Locations = slices.Clone(r.Job.Locations)
			r.Job.Locations[0].Address.CountryCode = "AT"
		}), "locations"},
		"another place's name": {entered(func(p *truth) { p.Places[1].Name = "Remote (EU)" }), "locations"},
		"another address":      {entered(func(p *truth) { p.Places[0].Street = "Hauptstr. 1" }), "locations"},
		"another order":        {entered(func(p *truth) { slices.Reverse(p.Places) }), "locations"},
		"a place fewer":        {entered(func(p *truth) { p.Places = p.Places[:1] }), "locations"},

		"not stored":           {func(_ *testing.T, s *scene) { clear(s.rows) }, `p1 is public at Ashby and "" in Postgres`},
		"closed though public": {stored(closed), `p1 is public at Ashby and "closed"`},
		"open though hidden":   {func(_ *testing.T, s *scene) { hide(s) }, "not public at Ashby"},
		"never told":           {func(_ *testing.T, s *scene) { clear(s.stream) }, "missing on the stream"},
		"an older version":     {stored(func(r *row) { r.Version++ }), "version 2"},
		"closed, not told":     {func(t *testing.T, s *scene) { hide(s); stored(closed)(t, s) }, "3 closed in Postgres"},
		"another reason": {func(t *testing.T, s *scene) {
			hide(s)
			r := s.rows["p1"]
			closed(&r)
			s.set(t, r)
			r.Reason = "deleted"
			s.store(t, r)
		}, `reason "unlisted"`},
		"a field that nobody compares": {stored(func(r *row) { r.Job.ApplyURL = "https://jobs.example/other" }), "is not the one in Postgres"},
		"told and not stored": {func(_ *testing.T, s *scene) {
			maps.Copy(s.stream, map[string]message{"jobs.v1.c.p2": s.stream[sceneSubject]})
		}, "jobs.v1.c.p2 is on the stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := agreeing(t)
			c.change(t, s)
			expect(t, c.want, append(faultsOfListings(s.public, s.rows), faultsOfStream("c", s.rows, s.stream)...))
		})
	}
}
