package postgres_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func (b *bundle) titles(q mirror.JobQuery) []string {
	b.Helper()
	jobs, err := b.g.Jobs(b.Context(), q)
	b.must(err)
	titles := []string{}
	for _, j := range jobs {
		var job events.Job
		b.must(json.Unmarshal(j.Job, &job))
		titles = append(titles, job.Title)
	}
	return titles
}

func TestJobs(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	u := b.unit("acme") // one transaction: equal times, so the cursor's other fields decide
	for i := range 5 {
		u.Listings = append(u.Listings, wantOpen("acme", fmt.Sprintf("p%d", i), fmt.Sprintf("A%d", i)))
	}
	b.apply(u)
	b.post("beta", "p0", "B0")
	var between time.Time
	b.must(b.raw.GetContext(t.Context(), &between, `SELECT clock_timestamp()`))
	u.Listings = []mirror.Desired{wantClosed("p1")}
	b.apply(u)

	for _, c := range []struct {
		query mirror.JobQuery
		want  []string
	}{
		{mirror.JobQuery{Limit: 200}, []string{"A0", "A2", "A3", "A4", "B0", "A1"}},
		{mirror.JobQuery{Limit: 2}, []string{"A0", "A2"}},
		{mirror.JobQuery{Limit: 200, Connection: "beta"}, []string{"B0"}},
		{mirror.JobQuery{Limit: 200, State: "closed"}, []string{"A1"}},
		{mirror.JobQuery{Limit: 200, State: "open", Connection: "acme"}, []string{"A0", "A2", "A3", "A4"}},
		{mirror.JobQuery{Limit: 200, UpdatedSince: between}, []string{"A1"}},
	} {
		if diff := cmp.Diff(c.want, b.titles(c.query)); diff != "" {
			t.Errorf("%+v: %s", c.query, diff)
		}
	}
	page, err := b.g.Jobs(t.Context(), mirror.JobQuery{Limit: 2})
	b.must(err)
	after := mirror.JobCursor{UpdatedAt: page[1].UpdatedAt, Connection: "acme", Posting: "p2"}
	if diff := cmp.Diff([]string{"A3", "A4"}, b.titles(mirror.JobQuery{Limit: 2, After: after})); diff != "" {
		t.Errorf("second page: %s", diff)
	}
	if _, err := b.g.Jobs(t.Context(), mirror.JobQuery{Limit: 201}); err == nil {
		t.Error("a limit above 200 was accepted")
	}
	closed, err := b.g.Job(t.Context(), "acme", "p1")
	b.must(err)
	if len(closed) != 1 || closed[0].State != "closed" || closed[0].Version != 2 || closed[0].Reason != events.ReasonUnpublished {
		t.Errorf("closed job %+v", closed)
	}
	if none, err := b.g.Job(t.Context(), "", "never"); err != nil || len(none) != 0 {
		t.Errorf("unknown: %+v, %v", none, err)
	}
}

func TestPostingsOf(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	u := b.unit("acme")
	u.Upserts = []mirror.Record{
		record("posting", "p1", `{"jobId":"j1","locationIds":{"primaryLocationId":"l1","secondaryLocationIds":["l2"]}}`),
		record("posting", "p2", `{"jobId":"j2","locationIds":{"primaryLocationId":"l2","secondaryLocationIds":[]}}`),
		record("posting", "p3", `{"jobId":"j3","locationIds":null}`),
		record("posting", "p4", `{"jobId":"j1"}`),
		record("job", "j1", `{"jobId":"j1"}`),
	}
	u.Gone = []mirror.RecordKey{{Kind: "posting", ID: "p4"}}
	b.apply(u)
	u = b.unit("beta")
	u.Upserts = []mirror.Record{record("posting", "q1", `{"jobId":"j1"}`)}
	b.apply(u)
	for _, c := range []struct{ jobs, locations, want []string }{
		{[]string{"j1"}, nil, []string{"p1"}},
		{nil, []string{"l2"}, []string{"p1", "p2"}},
		{[]string{"j3"}, []string{"l1"}, []string{"p1", "p3"}},
		{[]string{"j1"}, []string{"l2"}, []string{"p1", "p2"}},
		{nil, nil, []string{}},
		{[]string{"never"}, []string{`"`}, []string{}},
	} {
		got, err := b.s.PostingsOf(t.Context(), "acme", c.jobs, c.locations)
		b.must(err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v, %v: %s", c.jobs, c.locations, diff)
		}
	}
}
