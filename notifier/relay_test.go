package notifier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// write commits n events from each of several writers; each has its own jobs, and holds transactions open while others
// commit.
func write(s *memStore, writers, n int) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for done := 0; done < n; {
				var open []transaction
				for _, posting := range rng.Perm(5)[:1+rng.IntN(4)] {
					open = append(open, s.begin(fmt.Sprintf("con%d", w), fmt.Sprintf("p%d", posting)))
				}
				for _, i := range rng.Perm(len(open)) {
					open[i].commit()
					done++
				}
			}
			s.commit(fmt.Sprintf("con%d", w), "", 2)
		})
	}
	wg.Wait()
}

func TestRelayInOrder(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	var mu sync.Mutex
	var heard []events.Event
	r := start(t, s, b, "a", func(o *notifier.Options) {
		o.OnPublished = func(e events.Event, _ mirror.Outgoing) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, e)
		}
	})
	write(s, 8, 60)
	drained(t, s)
	judge(t, b, s, true)

	mu.Lock()
	defer mu.Unlock()
	if got := r.metric(t, "ashbridge_relay_published_total"); int(got) != len(heard) || len(heard) < 8*62 {
		t.Errorf("%v events counted, %d heard", got, len(heard))
	}
	if got := r.metric(t, "ashbridge_relay_committed_to_published_seconds"); int(got) != len(heard) {
		t.Errorf("%v lags for %d events", got, len(heard))
	}
	if r.metric(t, "ashbridge_relay_lease_held") != 1 || r.metric(t, "ashbridge_relay_stream_losses_total") != 0 {
		t.Error("lease not held, or repaired without a loss")
	}
}

func TestRelayIsWoken(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	start(t, s, b, "a", func(o *notifier.Options) { o.Idle = time.Hour })
	s.commit("c", "1", 1)
	drained(t, s) // found at the beginning of the term
	s.commit("c", "1", 1)
	bustest.Eventually(t, "the relay is woken", func() bool {
		b.WakeRelay()
		return s.waiting() == 0
	})
	judge(t, b, s, true)
}

var errCrash = errors.New("crashed here")

// A process that dies between the server's answer and the transaction leaves events in the stream and in the outbox.
// Rows with lower ids that were committed meanwhile must not hide them.
func TestCrashBeforeNoting(t *testing.T) {
	t.Parallel()
	for _, late := range []int{0, 10, 2500} {
		t.Run(fmt.Sprintf("%d_late_commits", late), func(t *testing.T) {
			t.Parallel()
			b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
			s := newStore(t)
			crashed := make(chan int, 100)
			s.set(func() {
				s.beforeNote = func(ps []mirror.Published) error {
					if len(ps) > 0 {
						crashed <- len(ps)
						return errCrash
					}
					return nil
				}
			})
			lates := make([]transaction, late)
			for i := range lates {
				lates[i] = s.begin("late", fmt.Sprint(i))
			}
			for i := range 300 {
				s.commit("c", fmt.Sprint(i%40), 1)
			}
			s.commit("c", "more-than-is-kept", 2*bus.KeptPerSubject+3)
			first := start(t, s, b, "a")
			if n := <-crashed; n == 0 {
				t.Fatal("nothing was published")
			}
			first.stop()
			for _, tx := range lates {
				tx.commit()
			}
			s.set(func() { s.beforeNote = nil })
			start(t, s, b, "b")
			drained(t, s)
			judge(t, b, s, true)
		})
	}
}

// The database may fail after a publish, with or without having done its work. The same relay goes on.
func TestStoreFailsAfterPublish(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	var mu sync.Mutex
	calls := 0
	fault := func(which int) func([]mirror.Published) error {
		return func([]mirror.Published) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls%5 == which {
				return errCrash
			}
			return nil
		}
	}
	s.set(func() { s.beforeNote, s.afterNote = fault(1), fault(3) })
	r := start(t, s, b, "a")
	for range 15 {
		s.commit("c", "1", 3)
		s.commit("c", "2", 1)
		bustest.Eventually(t, "the outbox is empty", func() bool { return s.waiting() == 0 })
	}
	s.set(func() { s.readFault = errCrash })
	s.commit("c", "1", 1)
	bustest.Eventually(t, "a failed read is counted", func() bool {
		return r.metric(t, "ashbridge_relay_failures_total") > 6
	})
	s.set(func() { s.beforeNote, s.afterNote, s.readFault = nil, nil, nil })
	drained(t, s)
	judge(t, b, s, true)
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 300} {
		for _, lose := range []string{"requests", "replies"} {
			t.Run(fmt.Sprintf("%s_of_%d", lose, n), func(t *testing.T) {
				t.Parallel()
				srv := bustest.StartServer(t)
				direct := bustest.Ready(t, bustest.Connect(t, srv.URL()))
				proxy := bustest.StartProxy(t, srv.Addr())
				s := newStore(t)
				b := bustest.Ready(t, bustest.Connect(t, proxy.URL()))
				r := start(t, s, b, "a", func(o *notifier.Options) { o.AuditEvery = time.Hour })
				s.commit("c", "0", 1)
				drained(t, s)

				resyncs := r.metric(t, "ashbridge_relay_resyncs_total")
				if lose == "requests" {
					proxy.LoseRequests()
				} else {
					proxy.LoseReplies()
				}
				open := make([]transaction, n)
				for i := range open {
					open[i] = s.begin("c", fmt.Sprint(i))
				}
				for _, tx := range open {
					tx.commit()
				}
				if lose == "replies" {
					bustest.Eventually(t, "the server has stored something", func() bool {
						info, err := direct.JobsInfo(t.Context())
						return err == nil && info.LastSeq > 1
					})
				} else {
					bustest.Eventually(t, "something was sent", func() bool { return proxy.Lost() > 0 })
				}
				proxy.Cut()
				drained(t, s)
				bustest.Eventually(t, "the relay looks at the stream", func() bool {
					return r.metric(t, "ashbridge_relay_resyncs_total") > resyncs
				})
				judge(t, direct, s, true)
			})
		}
	}
}

// credulous is a store whose lease never ends for its owner: what a process sees that was paused past its lease.
type credulous struct{ *memStore }

func (credulous) Acquire(_ context.Context, _, _ string, _ time.Duration) (int64, bool, error) {
	return 1, true, nil
}

func TestTwoRelaysAreFenced(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	a := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	first := start(t, credulous{s}, a, "a")
	second := start(t, credulous{s}, b, "b")
	write(s, 6, 100)
	drained(t, s)
	judge(t, b, s, true)
	if n := first.metric(t, "ashbridge_relay_resyncs_total") + second.metric(t, "ashbridge_relay_resyncs_total"); n < 3 {
		t.Errorf("the relays never met: %v resyncs", n)
	}
}

// paused stands still between reading the outbox and publishing, as a stopped process would.
type paused struct {
	credulous
	once    sync.Once
	standby chan struct{}
	resume  chan struct{}
}

func (p *paused) Pending(ctx context.Context, except []int64, limit int) ([]mirror.Outgoing, error) {
	rows, err := p.memStore.Pending(ctx, except, limit)
	if len(rows) > 0 {
		p.once.Do(func() {
			close(p.standby)
			<-p.resume
		})
	}
	return rows, err
}

func TestPausedRelayIsFenced(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	s := newStore(t)
	p := &paused{credulous: credulous{s}, standby: make(chan struct{}), resume: make(chan struct{})}
	a := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	old := start(t, p, a, "a")
	bustest.Eventually(t, "the first relay is in place", func() bool {
		return old.metric(t, "ashbridge_relay_resyncs_total") > 0 && s.readCount() > 2
	})
	s.commit("c", "1", 3)
	<-p.standby
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	start(t, s, b, "b")
	drained(t, s)
	// The server's short memory of ids must not be what holds the old relay off.
	published := time.Now()
	bustest.Eventually(t, "the server has forgotten the ids", func() bool { return time.Since(published) > 300*time.Millisecond })
	resyncs := old.metric(t, "ashbridge_relay_resyncs_total")
	close(p.resume)
	bustest.Eventually(t, "the first relay notices", func() bool {
		return old.metric(t, "ashbridge_relay_resyncs_total") > resyncs
	})
	judge(t, b, s, true)
}

func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	s := newStore(t)
	long := func(o *notifier.Options) { o.LeaseTTL = time.Minute }
	first := start(t, s, bustest.Ready(t, bustest.Connect(t, srv.URL())), "a", long)
	bustest.Eventually(t, "the first holds the lease", func() bool { return first.metric(t, "ashbridge_relay_lease_held") == 1 })
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	second := start(t, s, b, "b")
	s.commit("c", "1", 2)
	drained(t, s)
	if second.metric(t, "ashbridge_relay_published_total") != 0 {
		t.Error("the one without the lease published")
	}
	first.stop() // gives the lease up: nobody waits a minute
	s.commit("c", "1", 2)
	drained(t, s)
	if second.metric(t, "ashbridge_relay_published_total") != 2 {
		t.Error("the second did not take over")
	}
	if second.metric(t, "ashbridge_relay_stream_losses_total") != 0 {
		t.Error("the second took the stream for another one")
	}
	// The lease goes to somebody else without a word.
	s.set(func() { s.owner, s.until = "stranger", time.Now().Add(time.Hour) })
	bustest.Eventually(t, "the second stands by", func() bool { return second.metric(t, "ashbridge_relay_lease_held") == 0 })
	s.commit("c", "1", 1)
	s.set(func() { s.until = time.Time{} })
	drained(t, s)
	judge(t, b, s, true)
}

func TestOversizedEventWaitsAlone(t *testing.T) {
	t.Parallel()
	srv := bustest.NewServer(t)
	srv.Launch = bustest.LaunchSmall(t, 64<<10)
	srv.Start()
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	r := start(t, s, b, "a")
	s.commit("c", "large", 1)
	large := s.begin("c", "large")
	large.o.Data = append(large.o.Data[:len(large.o.Data)-1:len(large.o.Data)-1],
		[]byte(`,"padding":"`+strings.Repeat("x", 64<<10)+`"}`)...)
	large.commit()
	s.commit("c", "large", 2)
	s.commit("c", "small", 3)
	bustest.Eventually(t, "the others are published", func() bool { return s.waiting() == 3 })
	s.commit("c", "small", 1)
	bustest.Eventually(t, "the queue still moves", func() bool {
		return s.waiting() == 3 && r.metric(t, "ashbridge_relay_held_events") == 3
	})
	if got := len(readStream(t, b)["jobs.v1.c.large"]); got != 1 {
		t.Errorf("%d messages of the held job", got)
	}
	srv.Stop()
	srv.Launch = nil
	srv.Start()
	drained(t, s)
	bustest.Eventually(t, "nothing is held", func() bool { return r.metric(t, "ashbridge_relay_held_events") == 0 })
	judge(t, b, s, true)
}

func TestMalformedEventWaitsAlone(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	bad := s.begin("c", "bad")
	bad.o.Data = []byte(`{"version":`)
	bad.commit()
	s.commit("c", "good", 2)
	r := start(t, s, b, "a")
	bustest.Eventually(t, "the good ones are published", func() bool { return s.waiting() == 1 })
	if r.metric(t, "ashbridge_relay_held_events") != 1 {
		t.Error("the bad one is not shown")
	}
	r.stop()
	if r.metric(t, "ashbridge_relay_held_events") != 0 {
		t.Error("who relays no more still shows what waits")
	}
}

func TestOutboxWaitsForNATS(t *testing.T) {
	t.Parallel()
	srv := bustest.NewServer(t)
	b := bustest.Connect(t, srv.URL())
	s := newStore(t)
	write(s, 2, 20)
	r := start(t, s, b, "a")
	began, reads := time.Now(), s.readCount()
	bustest.Eventually(t, "the outbox is looked at", func() bool { return s.readCount() >= reads+3 })
	if took := time.Since(began); took < time.Second {
		t.Errorf("three looks in %v: a busy loop", took)
	}
	if r.metric(t, "ashbridge_relay_outbox_age_seconds") <= 0 {
		t.Error("the outbox's age is not shown")
	}
	srv.Start()
	drained(t, s)
	judge(t, b, s, true)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []notifier.Options{{}, {Owner: "a"}, {Store: newStore(t), Owner: "a"}, {Bus: &bus.Bus{}, Owner: "a"}} {
		if _, err := notifier.New(o); err == nil {
			t.Errorf("New(%+v) succeeded", o)
		}
	}
}
