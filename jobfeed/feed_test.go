package jobfeed_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestSnapshotThenTail(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.publish("a", "b", "a", "a", "b")
		w.consumer()
		caught := make(chan struct{})
		o := w.options(durable)
		o.OnCaughtUp = func() { close(caught) } // a second call would panic
		got := newSeen()
		subscribe(t, o, got.handle)
		<-caught
		if !got.is(w.truth()) || got.count() != 2 {
			t.Errorf("caught up with %v, want %v", got.last, w.truth())
		}
		w.publish("a", "c")
		bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		w.publish("a")
		bustest.Eventually(t, "the tail goes on", func() bool { return got.is(w.truth()) })
		got.check(t)
	})
}

func TestOnCaughtUpWithNothingThere(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		caught := make(chan struct{})
		o := w.options(durable)
		o.OnCaughtUp = func() { close(caught) }
		subscribe(t, o, newSeen().handle)
		<-caught
	})
}

func TestTypedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("a")
	state := mustJSON(t, events.Event{
		ID: "x", Type: events.ConnectionDegraded, Subject: "c",
		Data: mustJSON(t, events.ConnectionData{Version: 1, Status: "degraded", Reason: "Ashby refuses the key."}),
	})
	w.send([]bus.Msg{{Subject: events.ConnectionSubject("c"), ID: "x", Version: 1, Type: events.ConnectionDegraded, Data: state}})
	got := newSeen()
	subscribe(t, w.options(false), got.handle)
	bustest.Eventually(t, "both come", func() bool { return got.count() == 2 })
	for _, e := range got.events {
		switch {
		case e.Key() == "c/a" && e.Job != nil && e.State == nil && e.Job.Job.Title == "c/a v1" && e.Type == events.JobPublished:
		case e.Key() == "c" && e.Job == nil && e.State != nil && e.State.Status == "degraded" && e.Posting == "":
		default:
			t.Errorf("%+v", e)
		}
		if e.Version != 1 || e.Missed != 0 || e.Attempt != 1 || e.Sequence == 0 || e.Received.IsZero() {
			t.Errorf("%+v", e)
		}
	}
}

// A message that breaks the contract is passed over; what comes after it is not held up.
func TestUnreadableMessages(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.send([]bus.Msg{
			{Subject: events.JobSubject("c", "x"), ID: "x", Version: 1, Data: []byte("{")},
			{Subject: events.JobSubject("c", "y"), ID: "y", Version: 1, Data: []byte(`{"id":"y","data":[]}`)},
			{Subject: events.JobSubject("c", "z"), ID: "z", Version: 0, Data: []byte("{}")},
		})
		w.publish("a")
		got := newSeen()
		subscribe(t, w.options(durable), got.handle)
		bustest.Eventually(t, "the good one comes", func() bool { return got.is(w.truth()) })
		if durable {
			bustest.Eventually(t, "all are acknowledged", func() bool { return w.consumerInfo().NumAckPending == 0 })
		}
	})
}

func TestAnotherSubscribeGoesOn(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a", "b")
		o := w.options(durable)
		o.Positions = jobfeed.NewMemory() // it stands for a store that outlives the process
		first := newSeen()
		s := subscribe(t, o, first.handle)
		bustest.Eventually(t, "the snapshot comes", func() bool { return first.is(w.truth()) })
		s.end()

		w.publish("a", "a", "c")
		second := newSeen()
		second.last["c/a"], second.last["c/b"] = 1, 1
		subscribe(t, o, second.handle)
		bustest.Eventually(t, "the rest comes", func() bool { return second.is(w.truth()) })
		second.check(t)
		if n := second.count(); n != 3 {
			t.Errorf("%d events were handed over, want the 3 new ones", n)
		}
	})
}

// Without positions that outlive the process, a subscriber gets only what it did not acknowledge.
func TestSubscriberWithoutPositionsGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a", "b")
	first := newSeen()
	s := subscribe(t, w.options(true), first.handle)
	bustest.Eventually(t, "the snapshot comes", func() bool { return first.is(w.truth()) })
	s.end()
	w.publish("b")
	second := newSeen()
	second.last["c/a"] = 1
	subscribe(t, w.options(true), second.handle)
	bustest.Eventually(t, "the rest comes", func() bool { return second.is(w.truth()) })
	if n := second.count(); n != 1 {
		t.Errorf("%d events were handed over, want 1", n)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send([]bus.Msg{w.next("c", "a"), w.next("d", "a"), w.next("e", "a"), w.next("d", "b")})
	o := w.options(false).Unaudited()
	o.Positions = jobfeed.NewMemory()
	o.Connections = []string{"d"}
	got := newSeen()
	s := subscribe(t, o, got.handle)
	want := map[string]int64{"d/a": 1, "d/b": 1}
	bustest.Eventually(t, "the chosen employer's jobs come", func() bool { return got.is(want) })
	s.end()

	// An employer that is added later brings the jobs that were published before.
	o.Connections = []string{"e", "d"}
	subscribe(t, o, got.handle)
	want["e/a"] = 1
	bustest.Eventually(t, "the added employer's jobs come", func() bool { return got.is(want) })
	got.check(t)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options(true)
	open := func(change func(o *jobfeed.Options)) error {
		o := o
		change(&o)
		f, err := jobfeed.Open(t.Context(), o)
		if err == nil {
			_ = f.Close()
		}
		return err
	}
	for name, c := range map[string]struct {
		change func(o *jobfeed.Options)
		want   error
	}{
		"wrong password":  {func(o *jobfeed.Options) { o.Password = "guess" }, jobfeed.ErrRefused},
		"unknown user":    {func(o *jobfeed.Options) { o.User = "sub_other-1" }, jobfeed.ErrRefused},
		"no consumer yet": {func(*jobfeed.Options) {}, jobfeed.ErrNoConsumer},
		"nobody answers":  {func(o *jobfeed.Options) { o.URL = "nats://127.0.0.1:1" }, jobfeed.ErrUnreachable},
		"may not read the stream": {func(o *jobfeed.Options) {
			o.URL = strings.Replace(o.URL, "//", "//"+board+":"+password+"@", 1)
			o.NATS = []nats.Option{nats.CustomInboxPrefix("_INBOX_" + board)}
			o.User, o.Password = "", ""
		}, jobfeed.ErrRefused},
	} {
		if err := open(c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(o *jobfeed.Options){
		"no URL":            func(o *jobfeed.Options) { o.URL = "" },
		"half of the login": func(o *jobfeed.Options) { o.Password = "" },
		"two filters":       func(o *jobfeed.Options) { o.Connections = []string{"c"} },
		"a wildcard":        func(o *jobfeed.Options) { o.User, o.Password, o.Connections = "", "", []string{"*"} },
		"less than nothing": func(o *jobfeed.Options) { o.Parallel = -1 },
	} {
		if err := open(change); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := w.bus.JetStream().DeleteStream(t.Context(), bus.StreamJobs); err != nil {
		t.Fatal(err)
	}
	if _, err := jobfeed.Open(t.Context(), w.options(false)); !errors.Is(err, jobfeed.ErrNoStream) {
		t.Errorf("without a stream: %v", err)
	}
}

func TestOneSubscribeAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("a")
	began := make(chan struct{})
	s := subscribe(t, w.options(false), func(context.Context, jobfeed.Event) error { close(began); return nil })
	<-began
	if err := s.feed.Subscribe(t.Context(), newSeen().handle); !errors.Is(err, jobfeed.ErrBusy) {
		t.Errorf("a second Subscribe: %v", err)
	}
	if err := s.feed.Close(); !errors.Is(err, jobfeed.ErrBusy) {
		t.Errorf("Close of a busy feed: %v", err)
	}
	s.end()
	if err := s.feed.Subscribe(t.Context(), newSeen().handle); err == nil {
		t.Error("a closed feed could be subscribed to")
	}
}

type brokenPositions struct {
	*jobfeed.Memory
	load   error
	broken atomic.Bool
}

var errStore = errors.New("the store is away")

func (p *brokenPositions) Load(ctx context.Context) (jobfeed.Position, error) {
	if p.load != nil {
		return jobfeed.Position{}, p.load
	}
	return p.Memory.Load(ctx)
}

func (p *brokenPositions) Handled(ctx context.Context, key string, version int64) error {
	if p.broken.Load() {
		return errStore
	}
	return p.Memory.Handled(ctx, key, version)
}

// While the positions cannot be stored, nothing is acknowledged, and the handler is not called again.
func TestPositionsThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer(func(c *jetstream.ConsumerConfig) { c.AckWait = time.Second })
	w.publish("a", "b")
	p := &brokenPositions{Memory: jobfeed.NewMemory()}
	p.broken.Store(true)
	o := w.options(true)
	o.Positions = p
	got := newSeen()
	subscribe(t, o, got.handle)
	bustest.Eventually(t, "both are handled", func() bool { return got.is(w.truth()) })
	if n := w.consumerInfo().NumAckPending; n != 2 {
		t.Errorf("%d are unacknowledged, want 2", n)
	}
	p.broken.Store(false)
	bustest.Eventually(t, "both are acknowledged", func() bool { return w.consumerInfo().NumAckPending == 0 })
	got.check(t)

	o.Positions = &brokenPositions{load: errStore}
	f, err := jobfeed.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Subscribe(t.Context(), got.handle); !errors.Is(err, errStore) {
		t.Errorf("Subscribe without positions: %v", err)
	}
}
