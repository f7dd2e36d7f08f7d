package board

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// watcher is a page that is being watched.
type watcher struct {
	t     *testing.T
	lines *bufio.Scanner
	stop  context.CancelFunc
}

func (s site) watch(path, lastEventID string) watcher {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	resp, err := s.request(ctx, path, lastEventID)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s: %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	w := watcher{t: s.t, lines: bufio.NewScanner(resp.Body), stop: cancel}
	w.expect("retry: 1000")
	return w
}

// next is the next event or comment, its lines joined by "|"; "" when the stream has ended.
func (w watcher) next() string {
	var lines []string
	for w.lines.Scan() {
		if w.lines.Text() == "" && len(lines) > 0 {
			return strings.Join(lines, "|")
		}
		if w.lines.Text() != "" {
			lines = append(lines, w.lines.Text())
		}
	}
	return ""
}

// expect reads the next event, which must match the pattern.
func (w watcher) expect(pattern string) string {
	w.t.Helper()
	got := w.next()
	if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		w.t.Fatalf("got %q instead of %q", got, pattern)
	}
	return got
}

func idOf(e string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(e, "id: "), "|")
	return id
}

func TestLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.heartbeat = time.Hour
	s.handle(event(events.JobPublished, "before", 1))
	_, _, page := s.get("/")
	position := regexp.MustCompile(`data-position="([^"]+)"`).FindStringSubmatch(page)[1]
	s.handle(event(events.JobPublished, "between", 1, titled("A\nB")))
	w := s.watch("/live?after="+position, "")
	// What came between the page and its stream is told first.
	first := w.expect(`id: \w+-2\|event: job\|data: {"key":"c/between","version":1,"open":true,"title":"A\\nB","employer":"Acme \\u0026 Sons"}`)
	s.handle(event(events.JobUpdated, "before", 2), event(events.JobUpdated, "before", 2), event(events.JobUpdated, "before", 1))
	w.expect(`id: \w+-3\|event: job\|data: {"key":"c/before","version":2,.*`)
	w.stop()
	s.handle(event(events.JobClosed, "before", 3))
	// Last-Event-ID counts more than the address, which is that of the first time.
	w = s.watch("/live?after="+position, idOf(first))
	w.expect(`id: \w+-3\|.*`)
	w.expect(`id: \w+-4\|event: job\|data: {"key":"c/before","version":3,"open":false,.*`)
}

func TestWhoMissedTooMuchRefreshes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	at := s.hub.position()
	for v := range int64(keptChanges + 1) {
		s.handle(event(events.JobUpdated, "p", v+1))
	}
	for _, after := range []string{at, "", "other-1", s.hub.epoch + "-9999", s.hub.epoch + "-x", "garbage"} {
		e := s.watch("/live?after="+after, "").expect(`id: \w+-513\|event: refresh\|data: {}`)
		if idOf(e) != s.hub.position() {
			t.Errorf("%q is not the present position", idOf(e))
		}
	}
	w := s.watch("/live", s.hub.epoch+fmt.Sprintf("-%d", keptChanges-10))
	for n := keptChanges - 9; n <= keptChanges+1; n++ {
		w.expect(fmt.Sprintf(`id: \w+-%d\|.*`, n))
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.heartbeat = time.Millisecond
	w := s.watch("/live?after="+s.hub.position(), "")
	w.expect(": beat")
	w.expect(": beat")
}

func TestASlowPageIsSentAwayAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := newHub(2)
	slow, _, _, _, err := h.join(h.position())
	if err != nil {
		t.Fatal(err)
	}
	for range clientBuffer + 1 {
		h.publish(change{Key: "c/p"})
	}
	n := 0
	for range slow.changes { // ends, since it was closed
		n++
	}
	if n != clientBuffer || len(h.clients) != 0 {
		t.Errorf("%d changes waited, %d clients are left", n, len(h.clients))
	}
	h.leave(slow) // a second time does no harm
}

func TestThereIsRoomForSoManyOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.MaxLive = 2 })
	first := s.watch("/live?after="+s.hub.position(), "")
	s.watch("/live?after="+s.hub.position(), "")
	status, h, _ := s.get("/live")
	if status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" {
		t.Errorf("the third is answered %d", status)
	}
	first.stop()
	deadline := time.Now().Add(10 * time.Second)
	for { // the server notices soon that the first has left
		cl, _, _, _, err := s.hub.join("")
		if err == nil {
			s.hub.leave(cl)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a page that left stays taken")
		}
		<-time.After(5 * time.Millisecond)
	}
	s.hub.close()
	if _, _, _, _, err := s.hub.join(""); !errors.Is(err, errFull) {
		t.Errorf("while it stops: %v", err)
	}
}

// Run ends in time although a page is being watched.
func TestAnOrderlyStop(t *testing.T) {
	t.Parallel()
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.serve(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	cancel()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestConnectionEventsChangeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	at := s.hub.position()
	s.handle(jobfeed.Event{Event: events.Event{Type: events.ConnectionDegraded}, Connection: "c", Version: 2, State: &events.ConnectionData{}})
	if s.hub.position() != at {
		t.Error("pages were told of it")
	}
}
