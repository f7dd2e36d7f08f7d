package jobfeed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

var errHandler = errors.New("the handler cannot")

func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint("job", i)
	}
	return out
}

// Handlers run beside one another, but never two of one job, and each job's versions come in order.
func TestParallelAndInOrder(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer(func(c *jetstream.ConsumerConfig) { c.DeliverPolicy = jetstream.DeliverAllPolicy })
		o := w.options(durable)
		o.Parallel = 4
		got := newSeen()
		var mu sync.Mutex
		busy, most := map[string]bool{}, 0
		together := make(chan struct{})
		subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
			mu.Lock()
			if busy[e.Key()] {
				t.Errorf("two handlers have %s", e.Key())
			}
			busy[e.Key()] = true
			if most = max(most, len(busy)); most == o.Parallel {
				select {
				case <-together:
				default:
					close(together)
				}
			}
			mu.Unlock()
			select { // until all may run together, each waits for it
			case <-together:
			case <-time.After(patience):
			}
			err := got.handle(ctx, e)
			mu.Lock()
			delete(busy, e.Key())
			mu.Unlock()
			return err
		})
		for range 10 {
			w.publish(many(20)...)
		}
		bustest.Eventually(t, "all come", func() bool { return got.is(w.truth()) })
		got.check(t)
		if most != o.Parallel {
			t.Errorf("up to %d handlers ran at once, want %d", most, o.Parallel)
		}
		// On a busy machine the reading may begin, or begin anew, behind events that newer ones have overtaken.
		all, known := got.count(), map[string]bool{}
		for _, e := range got.events {
			all += int(e.Missed)
			if !known[e.Key()] {
				known[e.Key()] = true
				all += int(e.Version) - 1
			}
		}
		if all != 200 {
			t.Errorf("%d events came or were missed, want 200", all)
		}
	})
}

// A job whose handler fails holds nobody up; a newer event of it takes the place of the one that failed.
func TestFailingJob(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("bad", "good")
		o := w.options(durable)
		o.Parallel = 1
		caught := make(chan struct{})
		o.OnCaughtUp = func() { close(caught) }
		got := newSeen()
		var attempts atomic.Int64
		subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
			if e.Posting == "bad" && e.Version < 4 {
				if e.Version == 1 {
					attempts.Store(int64(e.Attempt))
				}
				return errHandler
			}
			return got.handle(ctx, e)
		})
		<-caught
		bustest.Eventually(t, "it is tried again", func() bool { return attempts.Load() >= 3 })
		w.publish("good", "good", "good")
		bustest.Eventually(t, "the others go on", func() bool { return slices.Equal(got.versions("c/good"), []int64{1, 2, 3, 4}) })
		w.publish("bad", "bad", "bad")
		bustest.Eventually(t, "the newest one of the job comes", func() bool { return got.is(w.truth()) })
		if v := got.versions("c/bad"); !slices.Equal(v, []int64{4}) {
			t.Errorf("of the failing job came %v", v)
		}
		got.check(t)
		if durable {
			bustest.Eventually(t, "all are acknowledged", func() bool { return w.consumerInfo().NumAckPending == 0 })
		}
	})
}

func TestSkip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a", "b")
	got := newSeen()
	var calls atomic.Int64
	subscribe(t, w.options(true), func(ctx context.Context, e jobfeed.Event) error {
		if e.Posting == "a" && e.Version == 1 {
			calls.Add(1)
			return fmt.Errorf("no board for it: %w", jobfeed.Skip)
		}
		return got.handle(ctx, e)
	})
	bustest.Eventually(t, "both are acknowledged", func() bool { return w.consumerInfo().AckFloor.Consumer == 2 })
	w.publish("a")
	bustest.Eventually(t, "the next one comes", func() bool { return got.is(w.truth()) })
	if n := calls.Load(); n != 1 {
		t.Errorf("the skipped event came %d times", n)
	}
}

func TestMissedCountsVersionsInBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("a", "b")
	o := w.options(false)
	o.Positions = jobfeed.NewMemory()
	got := newSeen()
	s := subscribe(t, o, got.handle)
	bustest.Eventually(t, "the first ones come", func() bool { return got.is(w.truth()) })
	s.end()
	for range 20 { // more than the stream keeps of a job
		w.publish("a")
	}
	subscribe(t, o, got.handle)
	bustest.Eventually(t, "the rest comes", func() bool { return got.is(w.truth()) })
	got.check(t)
	if e := got.events[2]; e.Version != 6 || e.Missed != 4 {
		t.Errorf("after version 1 came %d, missed %d", e.Version, e.Missed)
	}
	for _, e := range got.events[3:] {
		if e.Missed != 0 {
			t.Errorf("version %d missed %d", e.Version, e.Missed)
		}
	}
}

// A handler may take longer than the server waits for an acknowledgement, and so may the events that wait behind it.
func TestHandlerSlowerThanAckWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const wait = time.Second
	w.consumer(func(c *jetstream.ConsumerConfig) { c.AckWait = wait })
	w.publish("a", "b", "c")
	o := w.options(true)
	o.Parallel = 1
	got := newSeen()
	subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
		select {
		case <-time.After(4 * wait / 5):
		case <-ctx.Done():
		}
		return got.handle(ctx, e)
	})
	bustest.Eventually(t, "all are acknowledged", func() bool { return w.consumerInfo().AckFloor.Consumer >= 3 })
	got.check(t)
	// Unless the server is told, it delivers the second once and the third twice more.
	if info := w.consumerInfo(); info.Delivered.Consumer > 4 {
		t.Errorf("%d deliveries were made of 3 events", info.Delivered.Consumer)
	}
}

// While handlers are stuck, no more than Buffer events are asked for, and all come once they are free.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish(many(300)...)
	o := w.options(true)
	o.Parallel, o.Buffer = 2, 16
	got := newSeen()
	open := make(chan struct{})
	var calls atomic.Int64
	subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
		calls.Add(1)
		select {
		case <-open:
		case <-ctx.Done():
			return ctx.Err()
		}
		return got.handle(ctx, e)
	})
	bustest.Eventually(t, "the memory is full", func() bool { return w.consumerInfo().NumAckPending == 16 && calls.Load() == 2 })
	if n := w.consumerInfo().Delivered.Consumer; n != 16 {
		t.Errorf("%d were asked for", n)
	}
	close(open)
	bustest.Eventually(t, "all come", func() bool { return got.is(w.truth()) })
	got.check(t)
}

// Jobs that fail for good, as many as memory holds but one, do not stop the others.
func TestManyFailingJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer(func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 10 })
	w.publish(many(9)...)
	got := newSeen()
	var failed sync.Map
	subscribe(t, w.options(true), func(ctx context.Context, e jobfeed.Event) error {
		if e.Posting[:3] == "job" {
			failed.Store(e.Posting, true)
			return errHandler
		}
		return got.handle(ctx, e)
	})
	for i := range 50 {
		w.publish(fmt.Sprint("good", i))
	}
	bustest.Eventually(t, "the others come", func() bool { return got.count() == 50 })
	n := 0
	failed.Range(func(any, any) bool { n++; return true })
	if n != 9 {
		t.Errorf("%d jobs failed", n)
	}
}

// At the end handlers may finish, no further one begins, and what waited is given back at once.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish(many(10)...)
	o := w.options(true)
	o.Parallel, o.Grace = 2, patience
	var began atomic.Int64
	finish := make(chan struct{})
	got := newSeen()
	s := subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
		began.Add(1)
		select {
		case <-finish:
		case <-ctx.Done():
			t.Error("a handler was interrupted")
		}
		return got.handle(ctx, e)
	})
	bustest.Eventually(t, "two handlers run and the rest waits", func() bool {
		return began.Load() == 2 && w.consumerInfo().NumAckPending == 10
	})
	s.stop()
	// What waited comes again to whoever asks: the server has it back before the handlers have finished.
	c, err := w.bus.JetStream().Consumer(t.Context(), "JOBS", board)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(8, jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := range batch.Messages() {
		n++
		_ = m.Nak()
	}
	if n != 8 {
		t.Errorf("%d were given back, want 8", n)
	}
	close(finish)
	if err := s.wait(); err != nil {
		t.Fatal(err)
	}
	if began.Load() != 2 || got.count() != 2 {
		t.Errorf("%d handlers began, %d finished", began.Load(), got.count())
	}
	bustest.Eventually(t, "all but the 8 that were not handled are acknowledged", func() bool {
		return w.consumerInfo().NumAckPending == 8 // the server has the acknowledgements, and looks at them in a moment
	})
	second := newSeen()
	subscribe(t, w.options(true), second.handle)
	bustest.Eventually(t, "the rest comes", func() bool { return second.count() == 8 })
	for key := range second.last {
		if got.last[key] > 0 {
			t.Errorf("%s came twice", key)
		}
	}
}

func TestGraceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("a")
	o := w.options(false)
	o.Grace = 10 * time.Millisecond
	began := make(chan struct{})
	s := subscribe(t, o, func(ctx context.Context, _ jobfeed.Event) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	<-began
	s.stop()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

// An event that was not handled comes again to the next Subscribe, and those that came after it and were, do not.
func TestUnhandledEventComesAgain(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.publish("early", "late", "a", "b")
		w.consumer()
		o := w.options(durable).Unaudited()
		o.Positions, o.Grace = jobfeed.NewMemory(), time.Millisecond
		got := newSeen()
		s := subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
			if e.Posting == "late" {
				<-ctx.Done()
				return ctx.Err()
			}
			return got.handle(ctx, e)
		})
		bustest.Eventually(t, "the others are handled", func() bool { return got.count() == 3 })
		w.publish("a", "a")
		bustest.Eventually(t, "they go on", func() bool { return got.count() == 5 })
		s.end()
		subscribe(t, o, got.handle)
		bustest.Eventually(t, "it comes again", func() bool { return got.is(w.truth()) })
		got.check(t)
	})
}
