package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func jobState(t *testing.T, connection, posting, state string, at time.Time) mirror.JobState {
	t.Helper()
	low, high := json.Number("72000.10"), json.Number("90000")
	job, err := json.Marshal(events.Job{
		ID: posting, Connection: connection, Title: "Baker <b>&</b> Cook",
		DepartmentPath: []string{"Kitchen"}, Locations: []events.Location{{Name: "Berlin", Primary: true}},
		Pay:    &events.Pay{Tiers: []events.PayTier{{Components: []events.PayComponent{{Min: &low, Max: &high}}}}},
		JSONLD: json.RawMessage(`{"@type":"JobPosting"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := mirror.JobState{Job: job, State: state, Version: 3, ChangedAt: at, ObservedAt: at, UpdatedAt: at, VerifiedAt: &at}
	if state == "closed" {
		s.Reason = events.ReasonUnpublished
	}
	return s
}

func TestJobsAreListedInOrderOfChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	start := time.Date(2026, 11, 1, 0, 0, 0, 123456000, time.UTC)
	for i := range 7 {
		state := []string{"open", "closed"}[i%2]
		// Two of each time, so that time alone is no position.
		b.store.jobs = append(b.store.jobs, jobState(t, "c1", fmt.Sprint("p", i), state, start.Add(time.Duration(i/2)*time.Hour)))
	}
	list := func(query string) jobsJSON {
		t.Helper()
		var page jobsJSON
		a := b.call(request{method: "GET", path: "/v1/jobs?" + query})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a.into(t, &page)
		return page
	}
	var ids []string
	query := "limit=3"
	for query != "" {
		page := list(query)
		for _, j := range page.Jobs {
			var k jobKey
			if err := json.Unmarshal(j.Job, &k); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, k.ID)
			if (j.Reason != nil) != (j.State == "closed") || j.Version != 3 || j.VerifiedAt == nil {
				t.Errorf("%+v", j)
			}
		}
		query = ""
		if page.NextCursor != nil {
			query = "limit=3&cursor=" + *page.NextCursor
		}
	}
	if fmt.Sprint(ids) != "[p0 p1 p2 p3 p4 p5 p6]" {
		t.Errorf("listed %v", ids)
	}
	if n := len(list("state=closed").Jobs); n != 3 {
		t.Errorf("%d closed", n)
	}
	if n := len(list("connection=c2").Jobs); n != 0 {
		t.Errorf("%d of another connection", n)
	}
	since := url.QueryEscape(start.Add(time.Hour).In(time.FixedZone("", 7200)).Format(time.RFC3339Nano))
	if n := len(list("updated_since=" + since).Jobs); n != 5 {
		t.Errorf("%d since", n)
	}
	for _, bad := range []string{"state=gone", "updated_since=yesterday", "limit=201", "cursor=1!", "connection=%2F", "stat=open"} {
		b.call(request{method: "GET", path: "/v1/jobs?" + bad}).problem(t, 400, "invalid-request")
	}
}

func TestJobIsShownOrAmbiguous(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	b.store.jobs = []mirror.JobState{
		jobState(t, "c2", "p1", "open", at), jobState(t, "c1", "p1", "closed", at),
		jobState(t, "c1", "p2", "open", at),
	}
	a := b.call(request{method: "GET", path: "/v1/jobs/p2"})
	var j jobJSON
	a.into(t, &j)
	var same map[string]any
	if err := json.Unmarshal(b.store.jobs[2].Job, &same); err != nil {
		t.Fatal(err)
	}
	var shown map[string]any
	if err := json.Unmarshal(j.Job, &shown); err != nil || fmt.Sprint(shown) != fmt.Sprint(same) {
		t.Errorf("shown %v, stored %v", shown, same)
	}
	p := b.call(request{method: "GET", path: "/v1/jobs/p1"}).problem(t, 409, "ambiguous")
	if fmt.Sprint(p.Connections) != "[c1 c2]" {
		t.Errorf("connections %v", p.Connections)
	}
	b.call(request{method: "GET", path: "/v1/jobs/p1?connection=c1"}).into(t, &j)
	if j.State != "closed" || *j.Reason != events.ReasonUnpublished {
		t.Errorf("%+v", j)
	}
	b.call(request{method: "GET", path: "/v1/jobs/p3"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/jobs/p2?connection=c2"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/jobs/p2?connection=.."}).problem(t, 400, "invalid-request")
}
