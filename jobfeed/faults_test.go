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

// through gives options that connect by way of a proxy.
func through(t testing.TB, w *world, durable bool) (jobfeed.Options, *bustest.Proxy) {
	t.Helper()
	p := bustest.StartProxy(t, w.srv.Addr())
	o := w.options(durable)
	o.URL = replaceAddr(o.URL, w.srv.Addr(), p)
	return o, p
}

func replaceAddr(url, addr string, p *bustest.Proxy) string {
	return strings.Replace(url, addr, strings.TrimPrefix(p.URL(), "nats://"), 1)
}

func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(p *bustest.Proxy){
		"cut":             (*bustest.Proxy).Cut,
		"frozen":          (*bustest.Proxy).Freeze,
		"requests lost":   (*bustest.Proxy).LoseRequests,
		"replies lost":    (*bustest.Proxy).LoseReplies,
		"everything lost": func(p *bustest.Proxy) { p.LoseRequests(); p.LoseReplies() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, func(t *testing.T, durable bool) {
				w := newWorld(t)
				w.consumer(func(c *jetstream.ConsumerConfig) { c.AckWait = time.Second })
				w.publish("a", "b")
				o, p := through(t, w, durable)
				got := newSeen()
				subscribe(t, o, got.handle)
				bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
				fault(p)
				w.publish("a", "c")
				if name != "cut" && name != "frozen" {
					// These last until the network is mended, and the feed notices by itself that nothing comes.
					lost, tries := p.Lost(), p.Accepted()
					bustest.Eventually(t, "the feed tries another connection", func() bool { return p.Accepted() > tries && p.Lost() > lost })
					p.Cut()
				}
				bustest.Eventually(t, "what came meanwhile is handed over", func() bool { return got.is(w.truth()) })
				w.publish("b")
				bustest.Eventually(t, "it goes on", func() bool { return got.is(w.truth()) })
				got.check(t)
			})
		})
	}
}

func TestServerRestart(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a", "b")
		got := newSeen()
		subscribe(t, w.options(durable), got.handle)
		bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
		for range 2 {
			w.srv.Stop()
			w.srv.Start()
			w.publish("a", "c")
			bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		}
		got.check(t)
	})
}

// What was handled while there was no connection is acknowledged as soon as there is one.
func TestHandledDuringAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a", "b")
	got := newSeen()
	began, finish := make(chan struct{}, 2), make(chan struct{})
	o, p := through(t, w, true)
	subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
		began <- struct{}{}
		<-finish
		return got.handle(ctx, e)
	})
	<-began
	<-began
	w.srv.Stop()
	tries := p.Accepted()
	bustest.Eventually(t, "the feed tries another connection", func() bool { return p.Accepted() > tries })
	close(finish)
	bustest.Eventually(t, "both are handled", func() bool { return got.is(w.truth()) })
	w.srv.Start()
	bustest.Ready(t, w.bus)
	// The server itself would deliver them again only after 30 s.
	bustest.Eventually(t, "both are acknowledged", func() bool { return w.consumerInfo().NumAckPending == 0 })
	got.check(t)
}

// NATS lost everything, and Ashbridge rebuilds the stream, and for a subscriber the consumer, with the same versions.
func TestWipedStore(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a", "b", "a")
		got := newSeen()
		subscribe(t, w.options(durable).Unaudited(), got.handle)
		bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
		w.lose(func() {
			w.srv.Stop()
			w.srv.Wipe()
			w.srv.Start()
		})
		if durable {
			w.consumer()
		}
		w.publish("b", "c")
		bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		got.check(t)
	})
}

// Messages that are none of Ashbridge's, such as an answer of the server that somebody had sent to a job's subject, are
// passed over.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a", "b")
		got := newSeen()
		subscribe(t, w.options(durable), got.handle)
		bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
		w.foreign("jobs.v1.c.a", nil)
		w.foreign("jobs.v1.c.x", nats.Header{events.HeaderVersion: {"-1"}})
		w.foreign("jobs.v1.c.y", nats.Header{events.HeaderVersion: {"7"}, "Nats-Msg-Id": {"foreign"}})
		w.publish("a", "c")
		bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		got.check(t)
		if durable {
			bustest.Eventually(t, "none of them comes again", func() bool {
				info := w.consumerInfo()
				return info.NumPending == 0 && info.NumAckPending == 0
			})
		}
	})
}

// NATS lost the end of the stream, which comes again in another order and is continued before the feed looks: the
// sequence alone shows nothing.
func TestTruncatedStore(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a", "b")
		got := newSeen()
		o, p := through(t, w, durable)
		subscribe(t, o.Unaudited(), got.handle)
		bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
		w.srv.Stop()
		saved := w.srv.Save()
		w.srv.Start()
		w.publish("a", "a", "b", "c")
		bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		p.LoseReplies() // the feed is kept away
		w.srv.Stop()
		w.srv.Restore(saved)
		w.srv.Start()
		w.mu.Lock()
		w.insist(func(ctx context.Context) error {
			info, err := w.bus.JobsInfo(ctx)
			w.last = info.LastSeq
			return err
		})
		w.send([]bus.Msg{w.log["c/c"][0], w.log["c/b"][1], w.log["c/a"][2]}) // of a job, only the last
		w.send([]bus.Msg{w.next("c", "d"), w.next("c", "e"), w.next("c", "f")})
		w.mu.Unlock()
		p.Cut()
		bustest.Eventually(t, "all come", func() bool { return got.is(w.truth()) })
		got.check(t)
	})
}

// Ashbridge makes the consumer anew: with another number of replays everything that it delivers is handed over again,
// else only what is new.
func TestConsumerMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a", "b")
	o := w.options(true)
	o.Positions = jobfeed.NewMemory()
	var got atomic.Pointer[seen]
	got.Store(newSeen())
	subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error { return got.Load().handle(ctx, e) })
	bustest.Eventually(t, "the snapshot comes", func() bool { return got.Load().is(w.truth()) })

	w.deleteConsumer()
	w.publish("b")
	w.consumer()
	bustest.Eventually(t, "the new one comes", func() bool { return got.Load().is(w.truth()) })
	if n := got.Load().count(); n != 3 {
		t.Errorf("%d events were handed over, want 3", n)
	}
	got.Load().check(t)

	w.deleteConsumer()
	got.Store(newSeen())
	w.consumer(func(c *jetstream.ConsumerConfig) { c.Metadata = map[string]string{"ashbridge-replay": "1"} })
	bustest.Eventually(t, "everything comes again", func() bool { return got.Load().is(w.truth()) })
	w.publish("a")
	bustest.Eventually(t, "the tail comes", func() bool { return got.Load().is(w.truth()) })
	got.Load().check(t)
	if at, err := o.Positions.Load(t.Context()); err != nil || at.Mark.Replay != 1 {
		t.Errorf("positions are at %+v, %v", at.Mark, err)
	}
}

// A replay that was asked for while the board was down.
func TestReplayWhileAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a", "b")
	o := w.options(true)
	o.Positions = jobfeed.NewMemory()
	for replay, name := range []string{"0", "1"} {
		if replay > 0 {
			w.deleteConsumer()
			w.consumer(func(c *jetstream.ConsumerConfig) { c.Metadata = map[string]string{"ashbridge-replay": name} })
		}
		got := newSeen()
		s := subscribe(t, o, got.handle)
		bustest.Eventually(t, "all come", func() bool { return got.is(w.truth()) })
		s.end()
	}
}

func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a")
	o := w.options(true)
	o.Patience = 400 * time.Millisecond
	got := newSeen()
	s := subscribe(t, o, got.handle)
	bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
	w.srv.Stop()
	w.srv.Launch = bustest.LaunchConfig(t, strings.ReplaceAll(accounts, password, "rotated"))
	w.srv.Start()
	err := s.wait()
	s.err = nil // what the end of the test looks at
	if !errors.Is(err, jobfeed.ErrRefused) || !strings.Contains(err.Error(), board) {
		t.Errorf("Subscribe: %v", err)
	}
}

// While Ashbridge, which checks the passwords, is away, NATS refuses everybody.
func TestRefusedForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a")
	got := newSeen()
	o, p := through(t, w, true)
	subscribe(t, o, got.handle)
	bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
	w.srv.Stop()
	w.srv.Launch = bustest.LaunchConfig(t, strings.ReplaceAll(accounts, password, "unknown"))
	w.srv.Start()
	tries := p.Accepted()
	bustest.Eventually(t, "it is refused", func() bool { return p.Accepted() > tries+3 })
	w.srv.Stop()
	w.srv.Launch = bustest.LaunchConfig(t, accounts)
	w.srv.Start()
	w.publish("a")
	bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
	got.check(t)
}

// A store of positions that is ahead of what was handed over would hide a job's last event: the comparison with the
// stream finds it.
func TestAuditFindsWhatDidNotCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish("a", "b", "b", "a")
	o := w.options(false)
	o.Positions = jobfeed.NewMemory()
	got := newSeen()
	s := subscribe(t, o, got.handle)
	bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
	s.end()
	if err := o.Positions.Handled(t.Context(), "c/b", 1); err != nil {
		t.Fatal(err)
	}
	again := newSeen()
	subscribe(t, o, again.handle)
	want := map[string]int64{"c/b": 2}
	bustest.Eventually(t, "the lost event comes", func() bool { return again.is(want) })
	again.check(t)
}
