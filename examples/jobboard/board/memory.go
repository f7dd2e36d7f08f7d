package board

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// Memory keeps jobs in this process. After a restart the feed hands over every job once more, so that nothing is
// missing, if it reads the stream itself; a subscriber's consumer does not, and is to be replayed. Use NewMemory.
type Memory struct {
	mu   sync.RWMutex
	jobs map[string]remembered
}

// remembered is a job with what searches look at, worked out once.
type remembered struct {
	Job
	text      string
	locations []string
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{jobs: map[string]remembered{}} }

// Apply stores a job's state.
func (m *Memory) Apply(_ context.Context, j Job) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, isKnown := m.jobs[j.Key()]
	if isKnown && old.Version >= j.Version {
		return false, nil
	}
	if isKnown && !j.IsPosting {
		j.PostedAt = old.PostedAt
	}
	m.jobs[j.Key()] = remembered{Job: j, text: searchText(j), locations: locationNames(j)}
	return true, nil
}

// Job returns a job.
func (m *Memory) Job(_ context.Context, connection, posting string) (Job, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	j, ok := m.jobs[key(connection, posting)]
	if !ok {
		return Job{}, ErrUnknown
	}
	return j.Job, nil
}

// Positions are none: what was handled is forgotten together with the jobs.
func (m *Memory) Positions() jobfeed.Positions { return nil }

// Ping always succeeds.
func (m *Memory) Ping(context.Context) error { return nil }

// Search finds the open jobs that meet the query.
func (m *Memory) Search(_ context.Context, q Query) (Results, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []Job
	counts := [facets]map[string]*Choice{}
	for i := range counts {
		counts[i] = map[string]*Choice{}
	}
	words := q.words()
	for _, j := range m.jobs {
		if !j.Open || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(j.text, w) }) {
			continue
		}
		values := j.values()
		misses, missed := 0, 0
		for f, want := range q.wanted() {
			if want != "" && !slices.Contains(values[f], want) {
				misses, missed = misses+1, f
			}
		}
		if misses == 0 {
			found = append(found, j.Job)
		}
		for f := range counts {
			if misses == 0 || misses == 1 && missed == f { // all other conditions are met
				j.count(counts[f], f, values[f])
			}
		}
	}
	slices.SortFunc(found, func(a, b Job) int {
		return cmp.Or(b.PostedAt.Compare(a.PostedAt), strings.Compare(a.Connection, b.Connection), strings.Compare(a.ID, b.ID))
	})
	var r Results
	r.paged(len(found), q.Page)
	r.Jobs = found[r.offset():min(len(found), r.offset()+PageSize)]
	r.Facets = Facets{
		Employers: choices(counts[byEmployer]), Departments: choices(counts[byDepartment]),
		Locations: choices(counts[byLocation]), Workplaces: choices(counts[byWorkplace]), Employments: choices(counts[byEmployment]),
	}
	return r, nil
}

// The filters, as indexes.
const (
	byEmployer = iota
	byDepartment
	byLocation
	byWorkplace
	byEmployment
	facets
)

// wanted is what the query wants of each filter.
func (q Query) wanted() [facets]string {
	return [facets]string{q.Employer, q.Department, q.Location, q.Workplace, q.Employment}
}

// values are what a job has for each filter.
func (j remembered) values() [facets][]string {
	return [facets][]string{{j.EmployerRef}, {j.Department}, j.locations, {j.WorkplaceType}, {j.EmploymentType}}
}

// count adds the job to the choices of a filter, once for each of its values.
func (j remembered) count(to map[string]*Choice, facet int, values []string) {
	for i, v := range values {
		if v == "" || slices.Contains(values[:i], v) {
			continue
		}
		c, ok := to[v]
		if !ok {
			c = &Choice{Value: v}
			to[v] = c
		}
		c.Count++
		if facet == byEmployer {
			c.Label = max(c.Label, j.EmployerName)
		}
	}
}

func choices(m map[string]*Choice) []Choice {
	out := make([]Choice, 0, len(m))
	for _, c := range slices.SortedFunc(maps.Values(m), func(a, b *Choice) int { return strings.Compare(a.Value, b.Value) }) {
		out = append(out, *c)
	}
	return out
}
