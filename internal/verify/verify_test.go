package verify_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/verify"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// table is Postgres as verify sees it.
type table struct {
	latest []mirror.Latest
	// known are subjects of which it says nothing, but which it has had.
	known []string
	// onLook runs when the table is read.
	onLook func()
}

func (s *table) Latest(_ context.Context, cursor string, _ int) ([]mirror.Latest, string, error) {
	if s.onLook != nil {
		s.onLook()
	}
	half := len(s.latest) / 2
	if cursor == "" {
		return s.latest[:half], "half", nil
	}
	return s.latest[half:], "", nil
}

func (s *table) Unknown(_ context.Context, places []mirror.Place) ([]mirror.Place, error) {
	return slices.DeleteFunc(slices.Clone(places), func(p mirror.Place) bool { return slices.Contains(s.known, p.Subject()) }), nil
}

func (s *table) OutboxDepth(context.Context) (int64, *time.Time, error) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return 3, &at, nil
}

func job(posting string, version int64) string {
	return fmt.Sprintf(`{"id":%q,"title":"Title %d"}`, posting, version)
}

// world is a stream with some jobs, and a table that says the same.
type world struct {
	t    *testing.T
	b    *bus.Bus
	s    *table
	last uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, b: bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL())), s: &table{}}
	for i := range 6 {
		posting := fmt.Sprintf("p%d", i)
		for v := int64(1); v <= 3; v++ {
			w.publish(posting, v, fmt.Sprintf("%s-%d", posting, v), job(posting, v))
		}
		w.s.latest = append(w.s.latest, mirror.Latest{
			Place:   mirror.Place{Connection: "c", Posting: posting, Version: 3},
			EventID: posting + "-3", Hash: mirror.Hash([]byte(job(posting, 3))),
		})
	}
	w.put(bus.Msg{Subject: events.ConnectionSubject("c"), ID: "c-1", Version: 1, Data: []byte(`{"data":{"version":1}}`)})
	w.s.latest = append(w.s.latest, mirror.Latest{Place: mirror.Place{Connection: "c", Version: 1}, EventID: "c-1"})
	return w
}

func (w *world) publish(posting string, version int64, id, doc string) {
	w.t.Helper()
	w.put(bus.Msg{
		Subject: events.JobSubject("c", posting), ID: id, Version: version, Type: events.JobUpdated,
		Data: fmt.Appendf(nil, `{"id":%q,"data":{"version":%d,"job":%s}}`, id, version, doc),
	})
}

func (w *world) put(m bus.Msg) {
	w.t.Helper()
	var err error
	if w.last, err = w.b.PublishBatch(w.t.Context(), []bus.Msg{m}, w.last); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run() verify.Report {
	w.t.Helper()
	r, err := verify.Run(w.t.Context(), w.b, w.s, time.Millisecond)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestNothingDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("expiring", 7, "x", `{}`)
	w.s.known = []string{"jobs.v1.c.expiring"}
	r := w.run()
	if len(r.Differences) != 0 || r.Jobs != 6 || r.Connections != 1 || r.Subjects != 8 || r.Messages != 20 || r.Outbox != 3 {
		t.Errorf("%+v", r)
	}
	if s := r.Summary(5); !strings.Contains(s, "the stream tells what Postgres does") || !strings.Contains(s, "3 events wait, the oldest since 2026-11-23T10:00:00Z") {
		t.Errorf("summary:\n%s", s)
	}
}

func TestEachDifferenceIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.b.DropBefore(t.Context(), "jobs.v1.c.p0", 0); err != nil {
		t.Fatal(err)
	}
	w.s.latest[1].Version = 4 // p1
	w.publish("p2", 4, "p2-4", job("p2", 4))
	w.s.latest[3].EventID = "another" // p3
	w.s.latest[4].Hash = mirror.Hash([]byte(`{}`))
	w.publish("p5", 5, "p5-5", job("p5", 5))
	published := time.Now()
	bustest.Eventually(t, "the server has forgotten the id", func() bool { return time.Since(published) > 300*time.Millisecond })
	w.publish("p5", 6, "p5-5", job("p5", 6))
	w.publish("nobody", 1, "n", job("nobody", 1))
	foreign := nats.NewMsg(events.ConnectionSubject("c"))
	if _, err := w.b.JetStream().PublishMsg(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	stream, err := w.b.JetStream().Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxAge = time.Hour
	if _, err := w.b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	got := []string{}
	r := w.run()
	for _, d := range r.Differences {
		got = append(got, strings.TrimPrefix(d.Subject, "jobs.v1.c.")+" "+string(d.Problem))
	}
	want := []string{
		" misshapen", "connections.v1.c foreign", "connections.v1.c behind", "nobody unknown", "p0 missing", "p1 behind",
		"p2 ahead", "p3 other_id", "p4 other_job", "p5 gap", "p5 twice", "p5 ahead",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if s := r.Summary(2); !strings.Contains(s, "... and 10 more") {
		t.Errorf("summary:\n%s", s)
	}
}

// What is published while it is compared differs only for a moment.
func TestWhatIsBeingPublishedDoesNotDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := int64(3)
	w.s.onLook = func() {
		n++ // Postgres is always one ahead of what was read of the stream a moment ago
		i := int(n) % 6
		posting := fmt.Sprintf("p%d", i)
		l := &w.s.latest[i]
		l.Version++
		l.EventID, l.Hash = fmt.Sprintf("%s-%d", posting, l.Version), mirror.Hash([]byte(job(posting, l.Version)))
		w.publish(posting, l.Version, l.EventID, job(posting, l.Version))
	}
	if r := w.run(); len(r.Differences) != 0 {
		t.Errorf("%+v", r.Differences)
	}
}

func TestNoStream(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), Reader: true}))
	if _, err := verify.Run(t.Context(), b, &table{}, time.Millisecond); err == nil {
		t.Error("a stream that is not there was compared")
	}
}
