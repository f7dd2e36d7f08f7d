package board

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.handle(event(events.JobPublished, "p", 1), event(events.JobClosed, "gone", 2))
	for path, want := range map[string]int{
		"/": 200, "/jobs/c/p": 200, "/jobs/c/gone": 410, "/jobs/c/none": 404, "/jobs/other/p": 404, "/nowhere": 404, "/healthz": 200,
		"/static/board.css": 200, "/static/board.js": 200, "/static/none.js": 404, "/static/..%2fboard.go": 404,
	} {
		status, h, _ := s.get(path)
		if status != want {
			t.Errorf("%s: %d instead of %d", path, status, want)
		}
		policy := h.Get("Content-Security-Policy")
		has(t, policy, "default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'")
		lacks(t, policy, "unsafe")
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
	resp, err := http.Post(s.server.URL+"/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST: %d", resp.StatusCode)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	const hostile = `</script><script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	s := newSite(t)
	e := event(events.JobPublished, "p", 1, func(j *events.Job) {
		j.Title, j.EmployerName, j.EmployerRef, j.Department, j.WorkplaceType = hostile, hostile, hostile, hostile, hostile
		j.Locations = []events.Location{{Name: hostile}}
		j.Pay = &events.Pay{Summary: hostile, Tiers: []events.PayTier{{Title: hostile, Note: hostile}, {}}}
		j.ApplyURL, j.DescriptionText = "javascript:alert(1)", hostile
		j.JSONLD = json.RawMessage(`{"title":"</script><script>alert(1)</script><!--"}`)
	})
	s.handle(e)
	for _, path := range []string{"/", "/?q=%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/jobs/c/p"} {
		_, _, page := s.get(path)
		lacks(t, page, "<script>alert", "<img src=x", `href="javascript:`, "<!--")
	}
	_, _, page := s.get("/jobs/c/p")
	// What stands in the data block is JSON still, and means what it meant.
	_, rest, _ := strings.Cut(page, `<script type="application/ld+json">`)
	block, _, _ := strings.Cut(rest, "</script>")
	var data struct{ Title string }
	if err := json.Unmarshal([]byte(block), &data); err != nil || data.Title != "</script><script>alert(1)</script><!--" {
		t.Errorf("the data block %q is %q, %v", block, data.Title, err)
	}
	s.handle(event(events.JobClosed, "p", 2, titled(hostile)))
	_, _, page = s.get("/jobs/c/p")
	lacks(t, page, "<script>alert")
}

func TestListPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.handle(
		event(events.JobPublished, "old", 1),
		event(events.JobPublished, "new", 2, titled("Fresh"), func(j *events.Job) { j.Pay = &events.Pay{Summary: "€50K – €60K • Bonus"} }),
		event(events.JobPublished, "remote", 1, func(j *events.Job) { j.WorkplaceType, j.EmploymentType = "Remote", "SomeNewType" }),
		event(events.JobClosed, "gone", 2, titled("Long gone")),
	)
	_, _, page := s.get("/")
	has(t, page, "3 open jobs", `href="/jobs/c/old"`, `<span class="new">New</span>`, "€50K – €60K", "<span>Bonus</span>", "Some new type",
		`<time datetime="2026-11-20">Friday</time>`, "Hybrid (2)", "Acme &amp; Sons (3)")
	lacks(t, page, "Long gone", "noindex", "Clear all")
	if n := strings.Count(page, `<span class="new">`); n != 1 {
		t.Errorf("%d jobs are new", n)
	}
	_, _, page = s.get("/?q=rockets&workplace=Remote&page=7")
	has(t, page, "1 job found", `<option value="Remote" selected>Remote (1)</option>`, `href="/?workplace=Remote"`, `href="/?q=rockets"`,
		"Clear all", "noindex", `value="rockets"`)
	_, _, page = s.get("/?location=Nowhere")
	has(t, page, "0 jobs found", "Nothing like that is open", `<option value="Nowhere" selected>Nowhere (0)</option>`)
}

func TestAnEmptyBoardSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, _, page := s.get("/")
	has(t, page, "The jobs are on their way")
	s.caughtUp.Store(true)
	_, _, page = s.get("/")
	has(t, page, "No job is open right now")
	_, _, health := s.get("/healthz")
	has(t, health, `"caught_up":true`)
}

func TestPagesLeadToOneAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 2*PageSize + 1 {
		s.handle(event(events.JobPublished, "p"+string(rune('A'+i)), 1))
	}
	_, _, page := s.get("/?q=rockets&page=2")
	has(t, page, "Page 2 of 3", `<a rel="prev" href="/?q=rockets">`, `<a rel="next" href="/?page=3&amp;q=rockets">`)
}

func TestJobPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.PublicURL = "https://board.example/" })
	s.handle(event(events.JobPublished, "p", 1, func(j *events.Job) { j.DepartmentPath = []string{"Engineering", "Propulsion"} }))
	status, _, page := s.get("/jobs/c/p")
	if status != http.StatusOK {
		t.Errorf("%d", status)
	}
	has(t, page, "<title>Engineer p at Acme &amp; Sons · Openings</title>", "<p>Build <strong>rockets</strong>.</p>",
		`<link rel="canonical" href="https://board.example/jobs/c/p">`, "Engineering › Propulsion",
		`href="https://jobs.example/p/application" target="_blank" rel="noopener noreferrer"`, `"@type":"JobPosting"`,
		`<meta name="description" content="Build rockets.">`, `data-key="c/p"`, `href="/?employer=acme"`)
	s.handle(event(events.JobClosed, "p", 2))
	status, _, page = s.get("/jobs/c/p")
	if status != http.StatusGone {
		t.Errorf("closed, it answers %d", status)
	}
	has(t, page, "This job is closed", "Engineer p", "noindex", `href="/?employer=acme"`, `href="/?department=Engineering"`)
	lacks(t, page, "application/ld+json", "/application")
}

// broken is a store that is away.
type broken struct{ *Memory }

func (broken) Search(context.Context, Query) (Results, error) {
	return Results{}, errors.New("secret detail")
}

func (broken) Job(context.Context, string, string) (Job, error) {
	return Job{}, errors.New("secret detail")
}

func (broken) Apply(context.Context, Job) (bool, error) { return false, errors.New("secret detail") }
func (broken) Ping(context.Context) error               { return errors.New("secret detail") }

func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Store = broken{NewMemory()} })
	for _, path := range []string{"/", "/jobs/c/p", "/healthz"} {
		status, _, page := s.get(path)
		if status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, status)
		}
		lacks(t, page, "secret detail")
	}
	// The event is not done: the feed brings it again.
	if err := s.Handle(t.Context(), event(events.JobPublished, "p", 1)); err == nil {
		t.Error("an event that was not stored counts as handled")
	}
}

func TestQueryOf(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Store = newPostgres(t) })
	for _, path := range []string{
		"/?q=%00&employer=%FF", "/?page=99999999999999999999", "/?page=-3", "/?q=" + strings.Repeat("%C3%A4+", 400), "/?q=%25%5C_", "/?x=y",
	} {
		if status, _, page := s.get(path); status != http.StatusOK {
			t.Errorf("%s: %d\n%s", path, status, page)
		}
	}
}
