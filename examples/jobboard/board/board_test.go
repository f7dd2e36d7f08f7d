package board

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestMain(m *testing.M) { localtest.Main(m, localtest.Volatile()) }

// clock is when all tests take place.
var clock = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// event is an event of the connection "c".
func event(typ events.Type, posting string, version int64, change ...func(*events.Job)) jobfeed.Event {
	on := "2026-11-20"
	data := events.JobData{Version: version, Origin: events.OriginWebhook, ChangedAt: clock, ObservedAt: clock, Job: events.Job{
		ID: posting, Connection: "c", EmployerRef: "acme", EmployerName: "Acme & Sons", Title: "Engineer " + posting,
		DescriptionHTML: "<p>Build <strong>rockets</strong>.</p>", DescriptionText: "Build rockets.",
		Department: "Engineering", DepartmentPath: []string{"Engineering"}, WorkplaceType: "Hybrid", EmploymentType: "FullTime",
		Locations: []events.Location{{Name: "Berlin", Primary: true}}, PublishedOn: &on,
		JobURL: "https://jobs.example/" + posting, ApplyURL: "https://jobs.example/" + posting + "/application",
		JSONLD: json.RawMessage(`{"@context":"https://schema.org","@type":"JobPosting","title":"Engineer"}`),
	}}
	if version == 1 {
		data.Origin = events.OriginSeed
	}
	if typ == events.JobClosed {
		reason := events.ReasonUnlisted
		data.Reason = &reason
	}
	for _, c := range change {
		c(&data.Job)
	}
	return jobfeed.Event{
		Event: events.Event{Type: typ, Subject: posting, Time: clock}, Connection: "c", Posting: posting, Version: version, Job: &data,
	}
}

func titled(title string) func(*events.Job) { return func(j *events.Job) { j.Title = title } }

// site is a board without a feed: events are handed to it by the test.
type site struct {
	t *testing.T
	*Board
	server *httptest.Server
}

func newSite(t *testing.T, change ...func(*Options)) site {
	t.Helper()
	var o Options
	for _, c := range change {
		c(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.now = func() time.Time { return clock }
	s := site{t: t, Board: b, server: httptest.NewServer(b.Handler())}
	t.Cleanup(func() { b.hub.close(); s.server.CloseClientConnections(); s.server.Close() })
	return s
}

func (s site) handle(list ...jobfeed.Event) {
	s.t.Helper()
	for _, e := range list {
		if err := s.Handle(s.t.Context(), e); err != nil {
			s.t.Fatal(err)
		}
	}
}

// get fetches a page.
func (s site) get(path string) (status int, header http.Header, body string) {
	s.t.Helper()
	resp, err := s.request(s.t.Context(), path, "")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(raw)
}

func (s site) request(ctx context.Context, path, lastEventID string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		return nil, err
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	return s.server.Client().Do(req)
}

// has fails unless the text holds all of these.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

// lacks fails if the text holds one of these.
func lacks(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in:\n%s", p, text)
		}
	}
}
