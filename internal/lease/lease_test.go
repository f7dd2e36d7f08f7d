package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/lease"
)

// memStore is a lease by the bubble's clock. down makes it fail.
type memStore struct {
	mu    sync.Mutex
	owner string
	until time.Time
	down  error
}

func (s *memStore) Acquire(_ context.Context, _, owner string, ttl time.Duration) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return 0, false, s.down
	}
	if s.owner != owner && time.Now().Before(s.until) {
		return 0, false, nil
	}
	s.owner, s.until = owner, time.Now().Add(ttl)
	return 1, true, nil
}

func (s *memStore) Release(_ context.Context, _, owner string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner == owner {
		s.until = time.Time{}
	}
	return s.down
}

func (s *memStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// hold runs a holder; leading has the context of each term.
func hold(ctx context.Context, s *memStore, owner string) (leading chan context.Context, wait func()) {
	leading = make(chan context.Context, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		lease.Holder{Store: s, Name: "x", Owner: owner, TTL: 15 * time.Second, Logger: slog.New(slog.DiscardHandler)}.
			Run(ctx, func(ctx context.Context) {
				leading <- ctx
				<-ctx.Done()
			})
	})
	return leading, wg.Wait
}

// While the store is away, the lease ends no later here than there.
func TestLeaseEndsBeforeAnotherCanHaveIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &memStore{}
		leading, wait := hold(ctx, s, "a")
		term := <-leading
		for range 10 { // wherever between two renewals the store goes away
			<-time.After(7300 * time.Millisecond)
		}
		if term.Err() != nil {
			t.Error("the lease was lost for no reason")
		}
		s.set(func() { s.down = errors.New("away") })
		<-term.Done()
		s.mu.Lock()
		if until := s.until; time.Now().After(until) || !errors.Is(context.Cause(term), lease.ErrLost) {
			t.Errorf("it ended %s after another could have it, by %v", time.Since(until), context.Cause(term))
		}
		s.down = nil
		s.mu.Unlock()
		term = <-leading
		cancel()
		wait()
		if errors.Is(context.Cause(term), lease.ErrLost) {
			t.Error("a stop is no loss")
		}
	})
}

// A leader that ends by itself gives the lease up, and whoever may not ask for it leaves it to others.
func TestLeaseIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &memStore{}
		var able atomic.Bool
		able.Store(true)
		led := make(chan time.Time, 10)
		var holder sync.WaitGroup
		holder.Go(func() {
			lease.Holder{
				Store: s, Name: "x", Owner: "a", TTL: 15 * time.Second, Logger: slog.New(slog.DiscardHandler),
				May: func(context.Context) bool { return able.Load() },
			}.Run(ctx, func(ctx context.Context) {
				led <- time.Now()
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute):
					able.Store(false)
				}
			})
		})
		<-led
		next, wait := hold(ctx, s, "b")
		<-time.After(59 * time.Second)
		if len(next) != 0 {
			t.Error("two lead at once")
		}
		<-time.After(2 * time.Second)
		if len(next) != 1 {
			t.Error("the lease was not given up")
		}
		s.set(func() { s.owner, s.until = "stranger", time.Now().Add(10*time.Second) })
		<-time.After(time.Hour)
		if len(led) != 0 || len(next) != 2 {
			t.Errorf("led %d times without being able to; the other leads in term %d", len(led), len(next))
		}
		cancel()
		wait()
		holder.Wait()
	})
}

func TestLeaseIsHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, stopFirst := context.WithCancel(t.Context())
		second, stopSecond := context.WithCancel(t.Context())
		s := &memStore{}
		leading, waitFirst := hold(first, s, "a")
		<-leading
		next, waitSecond := hold(second, s, "b")
		<-time.After(time.Minute)
		if len(next) != 0 {
			t.Error("two lead at once")
		}
		stopFirst()
		waitFirst()
		begin := time.Now()
		<-next
		if d := time.Since(begin); d > 500*time.Millisecond { // it was given up, not left to expire
			t.Errorf("the hand-over took %s", d)
		}
		stopSecond()
		waitSecond()
	})
}
