package syncer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// differences judges a connection when all is quiet: what the organisation shows the public, the listings, and the state
// folded from the events must be the same for each job (P2), and versions must rise by one (P3).
func differences(w *world, connection string, org *ashbytest.Organization) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var listings map[string]mirror.Listing
	w.with(connection, func(a *account) { listings = maps.Clone(a.listings) })
	folded, broken := fold(w.events(""), connection)
	faults = append(faults, broken...)
	public := map[string]ashbytest.PostingState{}
	for _, p := range org.Postings() {
		if p.Public() {
			public[p.ID] = p
		}
	}
	for _, id := range slices.Sorted(maps.Keys(public)) {
		l, known := listings[id]
		if !known || l.State != mirror.StateOpen {
			fault("posting %s is public at Ashby and not here", id)
			continue
		}
		var job events.Job
		if err := json.Unmarshal(l.Job, &job); err != nil {
			fault("posting %s: %v", id, err)
			continue
		}
		p := public[id]
		here := []string{job.Title, cmp.Or(job.Team, job.Department), placesOf(job.Locations), job.DescriptionHTML}
		there := []string{p.Title, p.TeamName, namesOf(p.Places), p.DescriptionHTML}
		if !slices.Equal(here, there) {
			fault("posting %s: here %.200q, at Ashby %.200q", id, here, there)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(listings)) {
		l := listings[id]
		if _, there := public[id]; !there && l.State == mirror.StateOpen {
			fault("posting %s is public here and not at Ashby", id)
		}
		e, told := folded[id]
		switch {
		case !told:
			fault("posting %s was never told of", id)
		case e.data.Version != l.Version:
			fault("posting %s has version %d, its events %d", id, l.Version, e.data.Version)
		case (e.typ == events.JobClosed) != (l.State == mirror.StateClosed):
			fault("posting %s is %s, its last event is %s", id, l.State, e.typ)
		}
	}
	return faults
}

func placesOf(locations []events.Location) string {
	names := make([]string, len(locations))
	for i, l := range locations {
		names[i] = l.Name
	}
	return strings.Join(names, ", ")
}

func namesOf(places []ashbytest.Place) string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// fold is the last event of each posting, and what is wrong with the order of the versions.
func fold(log []logged, connection string) (last map[string]logged, faults []string) {
	last = map[string]logged{}
	for _, e := range log {
		if e.connection != connection {
			continue
		}
		if want := last[e.posting].data.Version + 1; e.data.Version != want {
			faults = append(faults, fmt.Sprintf("posting %s: version %d where %d is due", e.posting, e.data.Version, want))
		}
		last[e.posting] = e
	}
	return last, faults
}
