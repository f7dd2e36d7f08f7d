package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	jobboard "github.com/bebitcoiner/ashbridge/examples/jobboard/board"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// liveWithin is within what time a job is to be on the pages that people look at, from its publication at Ashby on.
const liveWithin = 2 * time.Second

// runBoard runs the example job board on the system's events until the test ends, and returns its address.
func (s *system) runBoard() string {
	s.t.Helper()
	store, err := jobboard.OpenPostgres(s.t.Context(), localtest.Database(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := jobboard.New(jobboard.Options{Feed: jobfeed.Options{URL: s.nats.URL()}, Store: store})
	if err != nil {
		s.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, ln) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the board: %v", err)
		}
		_ = store.Close()
	})
	return "http://" + ln.Addr().String()
}

// TestTheExampleBoardIsLive goes the whole way: a change at Ashby, its webhook, the event, the board, the page that a
// visitor has open. The page is never loaded again.
func TestTheExampleBoardIsLive(t *testing.T) {
	t.Parallel()
	s, e := seeded(t, 5)
	page := newBrowser(t)
	page.open(s.runBoard() + "/")
	page.until("the board has all jobs", `document.querySelectorAll("#jobs > li").length === 5`)
	page.until("the page is live", `document.querySelector("#live").dataset.state === "on"`)
	page.value(`window.untouched = "as it was"`)

	var took []time.Duration
	var id string
	for i := range 5 {
		title := fmt.Sprintf("Bridge Inspector <%d>", i)
		id = e.org.CreatePosting(ashbytest.PostingSpec{Title: title, WorkplaceType: "Remote"})
		published := time.Now()
		if !e.org.Publish(id) {
			t.Fatal("the posting could not be published")
		}
		page.until(title+" is shown", shows(title))
		took = append(took, time.Since(published))
	}
	slices.Sort(took)
	t.Logf("published at Ashby, on the page after %s", took)
	// One that took long says something of the machine; most of them say something of the way.
	if median := took[len(took)/2]; median > liveWithin {
		t.Errorf("half of the jobs took longer than %s until they were on the page: %s", liveWithin, took)
	}

	e.org.Retitle(id, "Chief Bridge Inspector")
	page.until("the new title is shown", shows("Chief Bridge Inspector"))
	page.until("the old title is gone", not(shows("Bridge Inspector <4>")))
	page.until("it was said aloud", `document.querySelector("#news").textContent.startsWith("Changed: Chief Bridge Inspector")`)

	page.act(chromedp.SendKeys(chromedp.CSS("#q"), "chief remote"))
	page.until("the search narrows the list", `document.querySelectorAll("#jobs > li").length === 1`)
	job := page.another()
	job.open(page.value(`document.querySelector("#jobs a").href`))
	job.until("the page is live", `document.querySelector("#live").dataset.state === "on"`)
	if ld := job.value(`JSON.parse(document.querySelector("script[type='application/ld+json']").textContent).title`); ld != "Chief Bridge Inspector" {
		t.Errorf("the title in the JSON-LD is %q", ld)
	}

	e.org.Unpublish(id)
	page.until("the closed job is gone", `document.querySelectorAll("#jobs > li").length === 0`)
	page.until("its absence is explained", `document.querySelector("#empty").innerText.includes("Nothing like that")`)
	job.until("the job's page says that it is closed", `document.querySelector("#banner").innerText.includes("just been closed")`)
	job.until("nobody can apply", `document.querySelector(".apply").offsetParent === null`)
	closed := page.another()
	closed.open(job.value("location.href"))
	closed.until("who comes later is told, too", `document.body.innerText.includes("This job is closed")`)
	if status := closed.value(`performance.getEntriesByType("navigation")[0].responseStatus`); status != strconv.Itoa(http.StatusGone) {
		t.Errorf("the closed job is answered %s", status)
	}
	if got := page.value("window.untouched"); got != "as it was" {
		t.Error("the page was loaded again meanwhile")
	}
}

// shows is true in a page whose list has a job of that title.
func shows(title string) string {
	return fmt.Sprintf(`Array.from(document.querySelectorAll("#jobs > li:not(.leaving) h3 a")).some((a) => a.textContent === %q)`, title)
}

func not(expression string) string { return "!(" + expression + ")" }
