package board

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// eachStore runs a test with both stores, which must not differ in anything.
func eachStore(t *testing.T, test func(t *testing.T, s Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, NewMemory()) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, newPostgres(t)) })
}

func newPostgres(t *testing.T) *Postgres {
	t.Helper()
	p, err := OpenPostgres(t.Context(), localtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// apply applies an event and returns whether it changed anything.
func apply(t *testing.T, s Store, e jobfeed.Event) bool {
	t.Helper()
	changed, err := s.Apply(t.Context(), jobOf(e))
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func search(t *testing.T, s Store, q Query) Results {
	t.Helper()
	r, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func found(t *testing.T, s Store, q Query) []string {
	t.Helper()
	ids := []string{}
	for _, j := range search(t, s, q).Jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

func TestALateOrRepeatedEventChangesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		for _, step := range []struct {
			e         jobfeed.Event
			isChange  bool
			wantTitle string
			wantOpen  bool
		}{
			{event(events.JobPublished, "p", 1, titled("one")), true, "one", true},
			{event(events.JobUpdated, "p", 3, titled("three")), true, "three", true},
			{event(events.JobUpdated, "p", 3, titled("three")), false, "three", true},
			{event(events.JobUpdated, "p", 2, titled("two")), false, "three", true},
			{event(events.JobClosed, "p", 4, titled("three")), true, "three", false},
			{event(events.JobUpdated, "p", 3, titled("three")), false, "three", false},
			{event(events.JobClosed, "p", 4, titled("three")), false, "three", false},
			{event(events.JobPublished, "p", 5, titled("five")), true, "five", true},
		} {
			if changed := apply(t, s, step.e); changed != step.isChange {
				t.Errorf("version %d changed something: %t", step.e.Version, changed)
			}
			j, err := s.Job(t.Context(), "c", "p")
			if err != nil || j.Title != step.wantTitle || j.Open != step.wantOpen {
				t.Errorf("after version %d: %q, open %t, %v", step.e.Version, j.Title, j.Open, err)
			}
			if isFound := len(found(t, s, Query{})) == 1; isFound != step.wantOpen {
				t.Errorf("after version %d it is found: %t", step.e.Version, isFound)
			}
		}
		if _, err := s.Job(t.Context(), "other", "p"); !errors.Is(err, ErrUnknown) {
			t.Errorf("a job of another connection: %v", err)
		}
	})
}

func TestAJobComesBackAsItWas(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		e := event(events.JobClosed, "p", 2, func(j *events.Job) { j.Pay = &events.Pay{Summary: "€1"} })
		apply(t, s, e)
		got, err := s.Job(t.Context(), "c", "p")
		if err != nil {
			t.Fatal(err)
		}
		want := jobOf(e)
		want.JSONLD, got.JSONLD = nil, nil // Postgres orders its keys
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-stored +read):\n%s", diff)
		}
	})
}

func TestSearch(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		for id, change := range map[string]func(*events.Job){
			"a": func(j *events.Job) { j.Title, j.EmployerRef, j.EmployerName = "Bridge builder", "nw", "Northwind" },
			"b": func(j *events.Job) { j.Title, j.Department, j.WorkplaceType = "100% remote_work", "People", "Remote" },
			"c": func(j *events.Job) {
				j.Title, j.EmploymentType = "Zimmermädchen (m/w/d)", "Intern"
				j.Locations = []events.Location{{Name: "Wien", Address: events.Address{Country: "Österreich"}}, {Name: "Berlin"}}
			},
			"d": func(j *events.Job) { j.Title, j.DescriptionText, j.Locations = "Cook", `Knows C:\kitchen`, nil },
		} {
			apply(t, s, event(events.JobPublished, id, 1, change))
		}
		apply(t, s, event(events.JobClosed, "e", 1, titled("Bridge closer")))
		for _, c := range []struct {
			q    Query
			want []string
		}{
			{Query{}, []string{"a", "b", "c", "d"}},
			{Query{Words: "bridge"}, []string{"a"}},
			{Query{Words: "BUILD bridge"}, []string{"a"}},
			{Query{Words: "bridge cook"}, nil},
			{Query{Words: "100%"}, []string{"b"}},
			{Query{Words: "e_w"}, []string{"b"}},
			{Query{Words: "r%d"}, nil},
			{Query{Words: `c:\k`}, []string{"d"}},
			{Query{Words: "ÖSTERREICH"}, []string{"c"}},
			{Query{Words: "'; DROP TABLE jobboard.jobs; --"}, nil},
			{Query{Employer: "nw"}, []string{"a"}},
			{Query{Employer: "acme", Workplace: "Hybrid"}, []string{"c", "d"}},
			{Query{Department: "People"}, []string{"b"}},
			{Query{Location: "Berlin"}, []string{"a", "b", "c"}},
			{Query{Location: "Wien", Employment: "Intern"}, []string{"c"}},
			{Query{Location: "berlin"}, nil},
			{Query{Employment: "Intern", Words: "cook"}, nil},
		} {
			if got := found(t, s, c.q); !slices.Equal(got, c.want) {
				t.Errorf("%+v finds %v instead of %v", c.q, got, c.want)
			}
		}
		// A filter's choices obey all filters but itself.
		f := search(t, s, Query{Workplace: "Hybrid", Location: "Berlin"}).Facets
		if diff := cmp.Diff(Facets{
			Employers:   []Choice{{"acme", "Acme & Sons", 1}, {"nw", "Northwind", 1}},
			Departments: []Choice{{"Engineering", "", 2}},
			Locations:   []Choice{{"Berlin", "", 2}, {"Wien", "", 1}},
			Workplaces:  []Choice{{"Hybrid", "", 2}, {"Remote", "", 1}},
			Employments: []Choice{{"FullTime", "", 1}, {"Intern", "", 1}},
		}, f); diff != "" {
			t.Errorf("choices (-want +got):\n%s", diff)
		}
	})
}

func TestPagesOfTheList(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store) {
		for i := range 2*PageSize + 5 {
			on := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i/2).Format(time.DateOnly)
			apply(t, s, event(events.JobPublished, fmt.Sprintf("p%02d", i), 1, func(j *events.Job) { j.PublishedOn = &on }))
		}
		// Published under our eyes, it comes first whatever date it bears, and stays there when it is changed.
		apply(t, s, event(events.JobPublished, "fresh", 2))
		apply(t, s, event(events.JobUpdated, "fresh", 3))
		seen := map[string]bool{}
		for page := 1; page <= 3; page++ {
			r := search(t, s, Query{Page: page})
			if r.Total != 2*PageSize+6 || r.Pages != 3 || r.Page != page {
				t.Errorf("page %d: %d of %d, %d jobs", page, r.Page, r.Pages, r.Total)
			}
			for _, j := range r.Jobs {
				seen[j.ID] = true
			}
			if page == 1 && (r.Jobs[0].ID != "fresh" || r.Jobs[1].ID != "p44" || r.Jobs[2].ID != "p42" || r.Jobs[3].ID != "p43") {
				t.Errorf("the first are %s, %s, %s, %s", r.Jobs[0].ID, r.Jobs[1].ID, r.Jobs[2].ID, r.Jobs[3].ID)
			}
		}
		if len(seen) != 2*PageSize+6 {
			t.Errorf("%d different jobs on all pages", len(seen))
		}
		for _, page := range []int{-1, 0, 4, 1 << 40} {
			if r := search(t, s, Query{Page: page}); r.Page != min(3, max(1, page)) || len(r.Jobs) == 0 {
				t.Errorf("page %d shows page %d with %d jobs", page, r.Page, len(r.Jobs))
			}
		}
	})
}
