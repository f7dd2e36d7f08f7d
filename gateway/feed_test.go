package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/feed"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// read asks for a feed's document as anybody may.
func (b *bundle) read(token, format string, header map[string]string) answer {
	b.t.Helper()
	return b.call(request{method: "GET", path: "/feeds/" + token + "/jobs." + format, header: header, anonymous: true})
}

// put replaces the store's jobs.
func (b *bundle) put(jobs ...mirror.JobState) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	b.store.jobs = jobs
}

// onPage has f called before each page.
func (b *bundle) onPage(f func(ctx context.Context, n int) error) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	b.store.page, b.store.pages = f, 0
}

// ageFeeds makes what was read of feeds old.
func (b *bundle) ageFeeds() { b.clock.add(feedStateFresh) }

func manyJobs(t *testing.T, n int, at time.Time) []mirror.JobState {
	t.Helper()
	jobs := make([]mirror.JobState, 0, n)
	for i := range n {
		jobs = append(jobs, jobState(t, "c1", fmt.Sprintf("p%04d", i), "open", at))
	}
	return jobs
}

func TestFeedsShowTheOpenJobsInEachFormat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	at := b.clock.now().Add(-time.Hour)
	jobs := append(manyJobs(t, 250, at), jobState(t, "c1", "closed", "closed", at), jobState(t, e.ID, "other", "open", at))
	b.put(jobs...)
	b.store.verified = &at
	all, one := b.makeFeed(), b.makeFeed(e.ID)

	var doc struct {
		Version int
		Jobs    []struct {
			Job     events.Job
			Version int64
			State   string
		}
	}
	var source struct {
		Jobs []struct {
			Reference string `xml:"referencenumber"`
		} `xml:"job"`
	}
	var rss struct {
		Items []struct {
			GUID string `xml:"guid"`
		} `xml:"channel>item"`
	}
	b.read(all.Token, "json", nil).into(t, &doc)
	for format, into := range map[string]any{"xml": &source, "rss": &rss} {
		a := b.read(all.Token, format, nil)
		if err := xml.Unmarshal(a.body, into); err != nil {
			t.Fatal(err)
		}
		if got := a.header.Get("Content-Type"); got != feed.Format(format).MediaType() {
			t.Errorf("%s is %s", format, got)
		}
	}
	if len(doc.Jobs) != 251 || len(source.Jobs) != 251 || len(rss.Items) != 251 || doc.Version != 1 {
		t.Fatalf("%d, %d, %d jobs", len(doc.Jobs), len(source.Jobs), len(rss.Items))
	}
	places := map[string]bool{}
	for i, j := range doc.Jobs {
		places[j.Job.ID] = true
		if source.Jobs[i].Reference != j.Job.ID || rss.Items[i].GUID != j.Job.Connection+"/"+j.Job.ID || j.State != "open" || j.Version != 3 {
			t.Errorf("%+v, %+v, %+v", j, source.Jobs[i], rss.Items[i])
		}
	}
	if len(places) != 251 {
		t.Errorf("%d different jobs", len(places))
	}
	b.read(one.Token, "json", nil).into(t, &doc)
	if len(doc.Jobs) != 1 || doc.Jobs[0].Job.ID != "other" {
		t.Errorf("of one employer: %+v", doc.Jobs)
	}
}

func TestFeedHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := b.clock.now().Add(time.Hour)
	verified := at.Add(30 * time.Minute)
	f := b.makeFeed()
	b.clock.add(2 * time.Hour)
	b.put(manyJobs(t, 2, at)...)
	b.store.verified = &verified
	a := b.read(f.Token, "json", nil)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "private, max-age=60", "Vary": "Accept-Encoding",
		"Last-Modified": at.Format(http.TimeFormat), "Ashbridge-Verified-At": verified.Format(time.RFC3339),
		"Content-Encoding": "", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s %q instead of %q", name, got, want)
		}
	}
	head := b.call(request{method: "HEAD", path: "/feeds/" + f.Token + "/jobs.json", anonymous: true})
	if head.status != http.StatusOK || len(head.body) > 0 || head.header.Get("Content-Length") != "" {
		t.Errorf("%d %s %v", head.status, head.body, head.header)
	}
	for _, name := range []string{"ETag", "Last-Modified", "Content-Type", "Cache-Control", "Vary", "Ashbridge-Verified-At"} {
		if head.header.Get(name) != a.header.Get(name) {
			t.Errorf("HEAD says %s %q, GET %q", name, head.header.Get(name), a.header.Get(name))
		}
	}
	same := b.read(f.Token, "json", map[string]string{"If-None-Match": a.header.Get("ETag")})
	if same.status != http.StatusNotModified || len(same.body) > 0 || same.header.Get("ETag") != a.header.Get("ETag") ||
		same.header.Get("Ashbridge-Verified-At") == "" || same.header.Get("Cache-Control") == "" || same.header.Get("Vary") == "" {
		t.Errorf("%d %v", same.status, same.header)
	}
	for outcome, n := range map[string]int{"sent": 1, "head": 1, "not_modified": 1, "busy": 0} {
		if !counter(t, b, fmt.Sprintf(`ashbridge_gateway_feeds_total{outcome=%q} %d`, outcome, n)) {
			t.Errorf("%s was not counted %d times", outcome, n)
		}
	}
	if !strings.Contains(b.logs.String(), `"route":"GET /feeds/:token/jobs.json","status":200`) ||
		!strings.Contains(b.logs.String(), fmt.Sprintf(`"bytes_out":%d`, len(a.body))) {
		t.Error("the log does not tell of the document")
	}
}

func TestFeedIsCompressedForThoseWhoAcceptIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(manyJobs(t, 150, b.clock.now())...)
	f := b.makeFeed()
	plain := b.read(f.Token, "xml", nil)
	res, err := b.ask(f.Token, "xml", "gzip")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(unzipped, plain.body) {
		t.Errorf("%d bytes instead of %d, %v", len(unzipped), len(plain.body), err)
	}
	if res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Vary") != "Accept-Encoding" ||
		res.Header.Get("ETag") != plain.header.Get("ETag") {
		t.Errorf("%v", res.Header)
	}
}

// ask asks for a feed and leaves the answer's body unread.
func (b *bundle) ask(token, format, encoding string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://"+b.addr+"/feeds/"+token+"/jobs."+format, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	return b.client.Do(req)
}

func TestUnknownFeedsTellNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.makeFeed()
	for _, token := range []string{
		"x", f.ID, f.Token[:56], f.Token + "0", strings.ToUpper(f.Token), "ash_feed_" + strings.Repeat("0", 48), "%2e%2e", "ash_feed_",
	} {
		for _, format := range []string{"json", "xml", "rss"} {
			a := b.read(token, format, map[string]string{"If-None-Match": "*"})
			p := a.problem(t, 404, "not-found")
			if p.Detail != errNotFound.Detail || a.header.Get("Cache-Control") != "no-store" || a.header.Get("ETag") != "" {
				t.Errorf("%s: %+v %v", token, p, a.header)
			}
		}
	}
	b.read(f.Token, "pdf", nil).problem(t, 404, "no-such-path")
	b.store.setDown(mirror.ErrUnavailable)
	b.read(f.Token, "json", nil).problem(t, 503, "unavailable")
}

// Whatever a reader would see changes the tag, and so does what the bytes are made of beside the jobs.
func TestFeedTagFollowsWhatIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := b.clock.now().Add(-time.Hour)
	jobs := manyJobs(t, 3, at)
	b.put(jobs...)
	b.clock.add(-2 * time.Hour)
	f := b.makeFeed()
	b.clock.add(2 * time.Hour)
	tag := func(format string) string {
		t.Helper()
		b.ageFeeds()
		return b.read(f.Token, format, nil).header.Get("ETag")
	}
	seen := map[string]string{}
	fresh := func(what, tag string) {
		t.Helper()
		if was, ok := seen[tag]; ok || tag == "" {
			t.Errorf("%s has the tag of %s: %s", what, was, tag)
		}
		seen[tag] = what
	}
	for _, format := range []string{"json", "xml", "rss"} {
		fresh("the first of "+format, tag(format))
	}
	first := tag("json")
	jobs = slices.Clone(jobs)
	jobs[1].Version, jobs[1].UpdatedAt = 4, at.Add(time.Minute)
	b.put(jobs...)
	fresh("a changed job", tag("json"))
	jobs = slices.Clone(jobs)
	jobs[2].State, jobs[2].UpdatedAt = "closed", at.Add(2*time.Minute)
	b.put(jobs...)
	fresh("a closed job", tag("json"))
	fresh("the same as XML", tag("xml"))
	again := tag("json")
	// A job that opened and closed between two looks is not shown; only the date of a format that has one tells of it.
	dated := tag("xml")
	jobs = append(slices.Clone(jobs), jobState(t, "c1", "brief", "closed", at.Add(3*time.Minute)))
	b.put(jobs...)
	if tag("json") != again {
		t.Error("the JSON is the same, its tag is not")
	}
	if tag("xml") == dated {
		t.Error("the XML is another, its tag is not")
	}
	fresh("an empty feed", func() string { b.put(); return tag("json") }())
	b.put(manyJobs(t, 3, at)...)
	if tag("json") != first {
		t.Error("what was shown at first has another tag now")
	}
	other := prepare(t, func(o *Options) { o.PublicURL = "https://elsewhere.example" })
	feedOf := mirror.Feed{ID: f.ID, Name: f.Name, CreatedAt: at}
	renamed := feedOf
	renamed.Name = "Another"
	for _, format := range []feed.Format{feed.JSON, feed.XML, feed.RSS} {
		fresh("a feed", b.feedEdition(feedOf, format, mirror.FeedState{}).tag)
		fresh("another name", b.feedEdition(renamed, format, mirror.FeedState{}).tag)
		fresh("another gateway", other.feedEdition(feedOf, format, mirror.FeedState{}).tag)
	}
}

func TestFeedStateIsReadOnceForMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.makeFeed()
	for range 5 {
		b.read(f.Token, "json", map[string]string{"If-None-Match": "*"})
	}
	b.store.mu.Lock()
	states, pages := b.store.states, b.store.pages
	b.store.mu.Unlock()
	if states != 1 || pages != 0 {
		t.Errorf("the state was read %d times, and %d pages", states, pages)
	}
}

// A document whose jobs cannot be read to the end must not pass for complete, in no format and no encoding.
func TestBrokenFeedIsNoDocument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(manyJobs(t, 210, b.clock.now())...)
	f := b.makeFeed()
	for _, format := range []string{"json", "xml", "rss"} {
		for _, encoding := range []string{"identity", "gzip"} {
			for _, failing := range []int{0, 2} {
				b.onPage(func(_ context.Context, n int) error {
					if n >= failing { // also when the client tries again
						return errBoom
					}
					return nil
				})
				res, err := b.ask(f.Token, format, encoding)
				if err != nil {
					continue // nothing had left yet
				}
				got, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err == nil {
					t.Errorf("%s, %s, page %d: %d bytes that end well", format, encoding, failing, len(got))
				}
			}
		}
	}
	eventually(t, "all are reported", func() bool {
		return strings.Count(b.logs.String(), `"cut_short":"reading the jobs of a feed: boom"`) >= 12
	})
	b.onPage(nil)
	if a := b.read(f.Token, "json", nil); a.status != http.StatusOK || !json.Valid(a.body) {
		t.Errorf("after that: %d, %d bytes", a.status, len(a.body))
	}
}

// At most maxReadersOfFeed read one feed at the same time, and they leave in the end.
func TestFeedsHaveRoomForSoMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(manyJobs(t, 150, b.clock.now())...)
	f, other := b.makeFeed(), b.makeFeed()
	hold := make(chan struct{})
	b.onPage(func(context.Context, int) error { <-hold; return nil })
	done := make(chan error, maxReadersOfFeed)
	for range maxReadersOfFeed {
		go func() { // waited for below
			a, err := b.do(request{method: "GET", path: "/feeds/" + f.Token + "/jobs.json", anonymous: true})
			if err == nil && !json.Valid(a.body) {
				err = fmt.Errorf("%d bytes that are no JSON", len(a.body))
			}
			done <- err
		}()
	}
	inside := func(id string) int {
		b.feedReaders.mu.Lock()
		defer b.feedReaders.mu.Unlock()
		return b.feedReaders.of[id]
	}
	eventually(t, "all have entered", func() bool { return inside(f.ID) == maxReadersOfFeed })
	a := b.read(f.Token, "json", map[string]string{"Accept-Encoding": "gzip"})
	a.problem(t, 503, "many-readers")
	if a.header.Get("ETag") != "" || a.header.Get("Content-Encoding") != "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", a.header)
	}
	if a := b.read(f.Token, "json", map[string]string{"If-None-Match": "*"}); a.status != http.StatusNotModified {
		t.Errorf("304 needs no room: %d", a.status)
	}
	close(hold)
	for range maxReadersOfFeed {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all have left", func() bool { return inside(f.ID) == 0 })
	for _, f := range []feedJSON{f, other} {
		if a := b.read(f.Token, "json", nil); a.status != http.StatusOK {
			t.Errorf("then: %d %s", a.status, a.body)
		}
	}
	r := newFeedReaders()
	for i := range maxFeedReaders {
		if !r.enter(fmt.Sprint(i)) {
			t.Fatalf("no room for the reader %d", i)
		}
	}
	if r.enter("x") {
		t.Error("room for one too many")
	}
}

// A document may take longer than any other answer, as long as the client takes it.
func TestFeedOutlivesTheWriteTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(manyJobs(t, 350, b.clock.now())...)
	f := b.makeFeed()
	b.onPage(func(context.Context, int) error {
		<-time.After(60 * time.Millisecond) // what a slow database takes: four pages are longer than the timeout below
		return nil
	})
	client, server := net.Pipe()
	served := make(chan error, 1)
	app := b.newApp(t.Context())
	app.Server().WriteTimeout = 50 * time.Millisecond
	if app.Handler() == nil { // builds the routes
		t.Fatal("no handler")
	}
	go func() { served <- app.Server().ServeConn(server) }() // ends with the pipe, below
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(client, "GET /feeds/%s/jobs.json HTTP/1.1\r\nHost: x\r\n\r\n", f.Token); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || !json.Valid(got) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_ = client.Close()
	if err := <-served; err != nil {
		t.Logf("the connection ended: %v", err)
	}
}

// A document that is being sent does not keep the gateway from stopping, and breaks off.
func TestStopCutsFeedsShort(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.StopTimeout = 100 * time.Millisecond })
	b.put(manyJobs(t, 150, b.clock.now())...)
	f := b.makeFeed()
	b.onPage(func(ctx context.Context, n int) error {
		if n == 1 { // the first page is on its way
			<-ctx.Done()
		}
		return nil
	})
	res, err := b.ask(f.Token, "json", "identity")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b.stop()
	select {
	case err := <-b.stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
	if got, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes that end well", len(got))
	}
	if !strings.Contains(b.logs.String(), `"cut_short":`) {
		t.Error("nobody hears of it")
	}
}
