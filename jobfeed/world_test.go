package jobfeed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	patience = 20 * time.Second
	board    = "sub_board-1"
	password = "ash_sub_secret"
)

// accounts is a server on which a board may do what ops/nats/accounts.conf allows it, and nothing else: it has an account
// of its own, from which it reaches its consumer.
const accounts = `
accounts {
	ASHBRIDGE {
		jetstream: enabled
		users: [{ user: admin, password: admin }]
		exports: [
			{ service: "$JS.API.CONSUMER.INFO.JOBS.*", accounts: [BOARDS] }
			{ service: "$JS.API.CONSUMER.MSG.NEXT.JOBS.*", response_type: stream, response_threshold: "90s", accounts: [BOARDS] }
			{ service: "$JS.ACK.JOBS.>", accounts: [BOARDS] }
			{ service: "$JS.ACK.*.*.JOBS.>", accounts: [BOARDS] }
			{ service: "$JS.API.INFO", accounts: [BOARDS] }
		]
	}
	BOARDS {
		imports: [
			{ service: { account: ASHBRIDGE, subject: "$JS.API.CONSUMER.INFO.JOBS.*" } }
			{ service: { account: ASHBRIDGE, subject: "$JS.API.CONSUMER.MSG.NEXT.JOBS.*" } }
			{ service: { account: ASHBRIDGE, subject: "$JS.ACK.JOBS.>" } }
			{ service: { account: ASHBRIDGE, subject: "$JS.ACK.*.*.JOBS.>" } }
			{ service: { account: ASHBRIDGE, subject: "$JS.API.INFO" } }
		]
		users: [{ user: "` + board + `", password: "` + password + `", permissions: {
			publish: { allow: [
				"$JS.API.CONSUMER.INFO.JOBS.` + board + `", "$JS.API.CONSUMER.MSG.NEXT.JOBS.` + board + `",
				"$JS.ACK.JOBS.` + board + `.>", "$JS.ACK.*.*.JOBS.` + board + `.>" ] }
			subscribe: { allow: ["_INBOX_` + board + `.>"] } } }]
	}
}`

// world is a NATS server with the stream as Ashbridge makes it, and what was published there.
type world struct {
	t   testing.TB
	srv *bustest.Server
	bus *bus.Bus

	mu   sync.Mutex
	last uint64
	// log are the events of each key, in the order of their versions, as Ashbridge's database has them.
	log map[string][]bus.Msg
}

func newWorld(t testing.TB) *world {
	t.Helper()
	srv := bustest.NewServer(t)
	srv.Launch = bustest.LaunchConfig(t, accounts)
	srv.Start()
	w := &world{t: t, srv: srv, log: map[string][]bus.Msg{}}
	w.bus = bustest.Ready(t, bustest.Connect(t, strings.Replace(srv.URL(), "//", "//admin:admin@", 1)))
	return w
}

// next makes the next event of a job and adds it to the log.
func (w *world) next(connection, posting string) bus.Msg {
	key, subject := connection+"/"+posting, events.JobSubject(connection, posting)
	version := int64(len(w.log[key])) + 1
	typ := events.JobUpdated
	if version == 1 {
		typ = events.JobPublished
	}
	data := mustJSON(w.t, events.JobData{
		Version: version, Origin: events.OriginWebhook, Changed: []string{},
		Job: events.Job{Title: fmt.Sprintf("%s v%d", key, version)},
	})
	id := uuid.Must(uuid.NewV7()).String()
	m := bus.Msg{Subject: subject, ID: id, Version: version, Type: typ, Data: mustJSON(w.t, events.Event{
		SpecVersion: events.SpecVersion, ID: id, Source: "/connections/" + connection, Type: typ, Subject: posting,
		Time: time.Now().UTC(), DataContentType: "application/json", Data: data,
	})}
	w.log[key] = append(w.log[key], m)
	return m
}

// publish publishes the next event of each posting of connection c.
func (w *world) publish(postings ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	msgs := make([]bus.Msg, len(postings))
	for i, p := range postings {
		msgs[i] = w.next("c", p)
	}
	w.send(msgs)
}

// send appends messages to the stream, whatever the server is doing.
func (w *world) send(msgs []bus.Msg) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for len(msgs) > 0 {
		n := min(len(msgs), bus.MaxBatch)
		last, err := w.bus.PublishBatch(context.Background(), msgs[:n], w.last)
		switch {
		case err == nil:
			w.last, msgs = last, msgs[n:]
			continue
		case time.Now().After(deadline):
			w.t.Fatal(err)
		}
		wait, cancel := context.WithTimeout(context.Background(), time.Second)
		if w.bus.WaitReady(wait) == nil {
			msgs = w.missing(wait, msgs)
		}
		cancel()
	}
}

// foreign stores a message that is no event.
func (w *world) foreign(subject string, h nats.Header) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	m := &nats.Msg{Subject: subject, Header: h, Data: []byte(`{"stream":"HINTS","seq":1}`)}
	ack, err := w.bus.JetStream().PublishMsg(context.Background(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.last = ack.Sequence
}

// missing reads the end of the stream and returns what is not there.
func (w *world) missing(ctx context.Context, msgs []bus.Msg) []bus.Msg {
	entries, last, err := w.bus.Tail(ctx, 2000)
	if err != nil {
		return msgs
	}
	w.last = last
	there := map[string]bool{}
	for _, e := range entries {
		there[e.ID] = true
	}
	for len(msgs) > 0 && there[msgs[0].ID] {
		msgs = msgs[1:]
	}
	return msgs
}

// lose loses the stream, and publishes the versions that it kept before anything newer.
func (w *world) lose(accident func()) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	accident()
	w.insist(func(ctx context.Context) error {
		_, err := w.bus.JobsInfo(ctx)
		return err
	})
	w.last = 0
	for _, log := range w.log {
		w.send(log[max(0, len(log)-bus.KeptPerSubject):])
	}
}

// truth is the latest version of each key.
func (w *world) truth() map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	truth := map[string]int64{}
	for key, log := range w.log {
		truth[key] = int64(len(log))
	}
	return truth
}

// consumer makes the board's consumer, as Ashbridge does, which keeps the number of replays where NATS had lost it.
func (w *world) consumer(change ...func(*jetstream.ConsumerConfig)) {
	w.t.Helper()
	cfg := jetstream.ConsumerConfig{
		Durable: board, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: 1000, MaxDeliver: -1,
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: events.Subjects(),
		Metadata: map[string]string{"ashbridge-replay": "0"},
	}
	for _, c := range change {
		c(&cfg)
	}
	w.insist(func(ctx context.Context) error {
		_, err := w.bus.JetStream().CreateConsumer(ctx, bus.StreamJobs, cfg)
		return err
	})
}

// insist repeats what fails because the server was restarted a moment ago.
func (w *world) insist(do func(ctx context.Context) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_ = w.bus.WaitReady(ctx)
		err := do(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) deleteConsumer() {
	w.t.Helper()
	w.insist(func(ctx context.Context) error {
		err := w.bus.JetStream().DeleteConsumer(ctx, bus.StreamJobs, board)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil
		}
		return err
	})
}

func (w *world) consumerInfo() (info *jetstream.ConsumerInfo) {
	w.t.Helper()
	w.insist(func(ctx context.Context) error {
		c, err := w.bus.JetStream().Consumer(ctx, bus.StreamJobs, board)
		if err == nil {
			info = c.CachedInfo()
		}
		return err
	})
	return info
}

// options are those of the board, or of a trusted reader.
func (w *world) options(durable bool) jobfeed.Options {
	if durable {
		return jobfeed.Options{URL: w.srv.URL(), User: board, Password: password}.Hurried()
	}
	return jobfeed.Options{URL: strings.Replace(w.srv.URL(), "//", "//admin:admin@", 1)}.Hurried()
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// bothWays runs a test for a subscriber and for a reader of the stream.
func bothWays(t *testing.T, test func(t *testing.T, durable bool)) {
	t.Helper()
	for name, durable := range map[string]bool{"subscriber": true, "stream": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, durable)
		})
	}
}

// seen is what a handler was handed.
type seen struct {
	mu     sync.Mutex
	events []jobfeed.Event
	last   map[string]int64
	// faults are promises that were broken.
	faults []string
}

func newSeen() *seen { return &seen{last: map[string]int64{}} }

// handle notes an event, and that versions rise.
func (s *seen) handle(_ context.Context, e jobfeed.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Version <= s.last[e.Key()] {
		s.faults = append(s.faults, fmt.Sprintf("%s: version %d came after %d", e.Key(), e.Version, s.last[e.Key()]))
	}
	s.last[e.Key()] = e.Version
	s.events = append(s.events, e)
	return nil
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

func (s *seen) is(truth map[string]int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Equal(s.last, truth)
}

// versions are those that were handed over of a key.
func (s *seen) versions(key string) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int64
	for _, e := range s.events {
		if e.Key() == key {
			out = append(out, e.Version)
		}
	}
	return out
}

func (s *seen) check(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		t.Error(f)
	}
}

// subscription is a running Subscribe.
type subscription struct {
	t    testing.TB
	feed *jobfeed.Feed
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// subscribe opens a feed and subscribes until stop or the end of the test.
func subscribe(t testing.TB, o jobfeed.Options, h jobfeed.Handler) *subscription {
	t.Helper()
	f, err := jobfeed.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &subscription{t: t, feed: f, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = f.Subscribe(ctx, h)
	}()
	t.Cleanup(s.end)
	return s
}

// end stops the subscription, which must return nil.
func (s *subscription) end() {
	s.stop()
	if err := s.wait(); err != nil {
		s.t.Errorf("Subscribe: %v", err)
	}
	if err := s.feed.Close(); err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

// wait waits for Subscribe to return.
func (s *subscription) wait() error {
	s.t.Helper()
	select {
	case <-s.done:
		return s.err
	case <-time.After(patience):
		s.t.Fatal("Subscribe did not return")
		return nil
	}
}
