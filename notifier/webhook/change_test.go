package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/webhook"
)

func TestRotationOverlaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.publish("one", "p")
		r := start(t, s, b, rarely)
		defer r.stop()
		after(t, time.Minute)
		until := time.Now().Add(24 * time.Hour)
		s.change(func() {
			e := s.receivers["one"]
			e.Previous, e.Secret, e.PreviousUntil, e.Revision = e.Secret, []byte("second"), &until, 2
		})
		s.publish("one", "p")
		after(t, 23*time.Hour)
		s.publish("one", "p")
		after(t, 2*time.Hour)
		s.publish("one", "p")
		after(t, time.Hour)
		var secrets []string
		for _, m := range b.messages("one") {
			secrets = append(secrets, strings.Join(m.secrets, " "))
		}
		if diff := gocmp.Diff([]string{"secret", "second secret", "second secret", "second"}, secrets); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSecretThatDoesNotOpenStopsItsEndpointAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.receive("two")
		s.receivers["one"].Secret = []byte("foreign")
		s.publish("one", "p")
		s.publish("two", "p")
		r := start(t, s, b)
		defer r.stop()
		after(t, time.Minute)
		if len(b.messages("one")) != 0 || len(b.messages("two")) != 1 {
			t.Error("it was sent to without a signature, or stopped the other one")
		}
		s.change(func() { s.receivers["one"].Secret, s.receivers["one"].Revision = []byte("good"), 2 })
		after(t, time.Minute)
		if len(b.messages("one")) != 1 {
			t.Error("another secret changed nothing")
		}
	})
}

// A secret that does not open is counted for as long as that lasts, so that an alert sees it, and is used without any change
// of its endpoint once it opens, as after the keyset was put right.
func TestSecretThatDoesNotOpenIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.publish("one", "p")
		var known atomic.Bool
		r := start(t, s, b, func(o *webhook.Options) {
			o.Open = func(sealed mirror.Sealed, _, _ string) (ashby.Secret, error) {
				if !known.Load() {
					return "", errors.New("no such key")
				}
				return ashby.Secret(sealed), nil
			}
		})
		defer r.stop()
		after(t, 10*time.Minute)
		if n := r.metric(t, "failures_total"); n < 15 || n > 21 {
			t.Errorf("counted %v times in ten minutes", n)
		}
		before := r.metric(t, "failures_total")
		known.Store(true)
		after(t, time.Minute)
		if got := b.messages("one"); len(got) != 1 || len(got[0].secrets) != 1 {
			t.Errorf("sent once it opens: %+v", got)
		}
		if n := r.metric(t, "failures_total"); n != before {
			t.Errorf("counted %v times more", n-before)
		}
	})
}

// What a person does to an endpoint counts as soon as the sender is woken.
func TestPauseResumeAndDeletionCountAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		b.answer = func(ctx context.Context, _ sent) courier.Result {
			linger(ctx, time.Second)
			return status(200)
		}
		s.receive("one")
		for i := range 500 {
			s.publish("one", fmt.Sprint("p", i))
		}
		r := start(t, s, b, rarely)
		defer r.stop()
		turn := func(status string) int {
			t.Helper()
			s.change(func() { s.receivers["one"].Status = status; s.receivers["one"].Revision++ })
			r.wake()
			synctest.Wait()
			before := len(b.messages("one"))
			after(t, 5*time.Second)
			return len(b.messages("one")) - before
		}
		after(t, 5*time.Second)
		if n := turn(mirror.ReceiverPaused); n > 8 { // those on their way come to their end
			t.Errorf("%d messages after a pause", n)
		}
		if n := turn(mirror.ReceiverActive); n < 10 {
			t.Errorf("%d messages after the resumption", n)
		}
		s.change(func() { delete(s.receivers, "one") })
		r.wake()
		synctest.Wait()
		before := len(b.messages("one"))
		after(t, time.Hour)
		if n := len(b.messages("one")) - before; n > 8 {
			t.Errorf("%d messages after the deletion", n)
		}
		if faults := b.disorder(s); len(faults) > 0 {
			t.Error(faults)
		}
	})
}

// After a snapshot, a newer version of a job may be due while an older one is still on its way.
func TestSupersededVersionOnItsWayIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		b.answer = func(ctx context.Context, m sent) courier.Result {
			if m.version == 1 {
				linger(ctx, 10*time.Second)
			}
			return status(200)
		}
		s.receive("one")
		s.publish("one", "p")
		s.publish("one", "p")
		r := start(t, s, b)
		defer r.stop()
		after(t, time.Second)
		s.change(func() { s.parcels[0].state = mirror.ParcelSuperseded })
		after(t, time.Minute)
		if diff := gocmp.Diff([]string{"p v1 superseded", "p v2 delivered"}, s.states("one")); diff != "" {
			t.Error(diff)
		}
		if faults := b.disorder(s); len(faults) > 0 {
			t.Error(faults)
		}
	})
}

// A replay may make an older version of a job due while a newer one is on its way. Once that is delivered, the older one
// must not follow it; should it have to be tried again, the older one comes before it.
func TestReplayedVersionDoesNotFollowANewerOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first  int // what the newer one is answered at first
		sent   []int64
		states []string
	}{
		"delivered": {200, []int64{2}, []string{"p v1 superseded", "p v2 delivered"}},
		"refused":   {500, []int64{2, 1, 2}, []string{"p v1 delivered", "p v2 delivered"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, b := newStore(), newBoards()
				var tried atomic.Bool
				b.answer = func(ctx context.Context, _ sent) courier.Result {
					if tried.Swap(true) {
						return status(200)
					}
					linger(ctx, 10*time.Second)
					return status(c.first)
				}
				s.receive("one")
				s.publish("one", "p")
				s.publish("one", "p")
				s.parcels[0].state = mirror.ParcelFailed
				r := start(t, s, b)
				defer r.stop()
				after(t, time.Second)
				s.change(func() { s.parcels[0].state, s.parcels[0].next = mirror.ParcelPending, time.Now() })
				r.wake()
				after(t, time.Minute)
				var versions []int64
				for _, m := range b.messages("one") {
					versions = append(versions, m.version)
				}
				if diff := gocmp.Diff(c.sent, versions); diff != "" {
					t.Errorf("sent %s", diff)
				}
				if diff := gocmp.Diff(c.states, s.states("one")); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestEventThatCanBeMadeNoMoreIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		s.publish("one", "p")
		s.publish("one", "p")
		s.parcels[0].Event.Data = []byte("null")
		r := start(t, s, b)
		defer r.stop()
		after(t, time.Minute)
		if diff := gocmp.Diff([]string{"p v1 failed", "p v2 delivered"}, s.states("one")); diff != "" {
			t.Error(diff)
		}
		if v := s.receiver("one"); v.Health.Failures != 0 || s.parcels[0].log[0].Error != "expired" {
			t.Errorf("the endpoint is blamed: %+v %+v", v.Health, s.parcels[0].log)
		}
	})
}

// A stop lets messages come to their end for a moment; one that takes longer is cut off and sent again by the next sender.
// A lost lease cuts off at once.
func TestStopIsNoCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		lost  bool
		want  string
	}{
		"quick": {time.Second, false, "p v1 delivered"}, "slow": {10 * time.Second, false, "p v1 pending"},
		"lost": {time.Second, true, "p v1 pending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, b := newStore(), newBoards()
				b.answer = func(ctx context.Context, _ sent) courier.Result {
					linger(ctx, c.takes)
					return status(200)
				}
				s.receive("one")
				r := start(t, s, b)
				after(t, 4900*time.Millisecond) // the lease is renewed every five seconds
				s.publish("one", "p")
				s.publish("one", "q")
				r.wake()
				synctest.Wait()
				if c.lost {
					s.change(func() { s.owner, s.until = "c", time.Now().Add(time.Hour) })
					after(t, 200*time.Millisecond)
				}
				begin := time.Now()
				r.stop()
				if took := time.Since(begin); took > 4*time.Second || c.lost && took > 0 {
					t.Errorf("the stop took %s", took)
				}
				if got := s.states("one")[0]; got != c.want {
					t.Errorf("%s", got)
				}
			})
		})
	}
}

func TestOneOfTwoSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), newBoards()
		s.receive("one")
		first := start(t, s, b)
		after(t, time.Second)
		second := start(t, s, b, func(o *webhook.Options) { o.Owner = "b" })
		defer second.stop()
		for i := range 20 {
			s.publish("one", fmt.Sprint("p", i%4))
			after(t, time.Second)
		}
		if first.metric(t, "deliveries_total") != 20 || second.metric(t, "lease_held") != 0 {
			t.Error("the one without the lease sent something")
		}
		first.stop()
		s.publish("one", "p")
		after(t, 10*time.Second) // the lease was given up
		if n := second.metric(t, "deliveries_total"); n != 1 {
			t.Errorf("the second one delivered %v", n)
		}
		// A lease that goes to somebody else without a word ends what is under way.
		s.change(func() { s.owner, s.until = "c", time.Now().Add(time.Hour) })
		after(t, 10*time.Second)
		s.publish("one", "p")
		after(t, time.Minute)
		if n := len(b.messages("one")); n != 21 || second.metric(t, "lease_held") != 0 {
			t.Errorf("%d messages", n)
		}
		if faults := b.disorder(s); len(faults) > 0 {
			t.Error(faults)
		}
	})
}

// storm lets boards fail at random for two days, restarts the sender now and then, and returns what was out of order.
func storm(t *testing.T, s *memStore, seed uint64) (faults []string, b *boards) {
	b = newBoards()
	synctest.Test(t, func(t *testing.T) {
		rng, lock := rand.New(rand.NewPCG(seed, 1)), sync.Mutex{}
		draw := func(n int) int {
			lock.Lock()
			defer lock.Unlock()
			return rng.IntN(n)
		}
		var isCalm atomic.Bool
		b.answer = func(ctx context.Context, _ sent) courier.Result {
			linger(ctx, time.Duration(draw(3000))*time.Millisecond)
			if isCalm.Load() || draw(3) > 0 {
				return status(200)
			}
			return status([]int{500, 0, 429, 404, 307}[draw(5)])
		}
		for e := range 3 {
			s.receive(fmt.Sprint("e", e))
		}
		for round := range 8 {
			r := start(t, s, b, func(o *webhook.Options) { o.Owner = fmt.Sprint("sender ", round); o.Idle = 5 * time.Second })
			for range 40 {
				s.publish(fmt.Sprint("e", draw(3)), fmt.Sprint("p", draw(5)))
				after(t, time.Duration(draw(60))*time.Second)
			}
			r.stop()
		}
		isCalm.Store(true)
		r := start(t, s, b, rarely)
		after(t, 26*time.Hour)
		r.stop()
		faults = b.disorder(s)
	})
	return faults, b
}

func TestOrderInAStorm(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newStore()
			faults, b := storm(t, s, seed)
			if len(faults) > 0 {
				t.Errorf("out of order: %v", faults[:min(len(faults), 5)])
			}
			if len(b.all) < 350 {
				t.Errorf("only %d messages were sent: the boards hardly failed", len(b.all))
			}
			for _, p := range s.parcels {
				if p.state != mirror.ParcelDelivered {
					t.Errorf("%s is %s", p.Event.EventID, p.state)
				}
			}
		})
	}
}

// The judge of the order finds the mistake that it is there for.
func TestDisorderIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.disorderly = true
	if faults, _ := storm(t, s, 1); len(faults) == 0 {
		t.Error("deliveries that do not wait for one another went unnoticed")
	}
}
