package jobfeed_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// TestMistakesAreNoticed makes mistakes of which the judge of TestRandomFaults must complain.
func TestMistakesAreNoticed(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		kind    kind
		mistake func(tr *trial) (stop func())
	}{
		"acknowledged before it is handled": {kinds[1], handleLater},
		"noted before it is handled":        {kinds[2], noteFirst},
		"forgotten although stored":         {kinds[0], forget},
		"one job's events side by side":     {kinds[1], sideBySide},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 10; seed++ {
				tr := newTrial(t, m.kind, seed)
				tr.patience = 2 * time.Second
				stop := m.mistake(tr)
				complete := tr.run(3, func() {
					wait(time.Duration(tr.rng.IntN(200)) * time.Millisecond)
					tr.crash()
					tr.start()
				})
				tr.sub.end()
				stop()
				if faults := tr.judge(complete); len(faults) > 0 {
					t.Logf("seed %d: %s", seed, faults[0])
					return
				}
			}
			t.Error("the judge noticed nothing")
		})
	}
}

// handleLater takes an event for handled when it has only been put into a queue.
func handleLater(tr *trial) (stop func()) {
	var workers sync.WaitGroup
	done := make(chan struct{})
	tr.handler = func(l *life) jobfeed.Handler {
		later := make(chan jobfeed.Event, 1000)
		workers.Go(func() {
			for {
				select {
				case e := <-later:
					wait(time.Millisecond)
					_ = l.commit(e)
				case <-done:
					return
				}
			}
		})
		return func(_ context.Context, e jobfeed.Event) error {
			select {
			case later <- e:
			case <-done:
			}
			return nil
		}
	}
	return func() { close(done); workers.Wait() }
}

// noteFirst notes the version, and then stores the job.
func noteFirst(tr *trial) (stop func()) {
	tr.handler = func(l *life) jobfeed.Handler {
		return func(_ context.Context, e jobfeed.Event) error {
			l.mu.Lock()
			if l.dead {
				l.mu.Unlock()
				return errDead
			}
			l.noted[e.Key()] = e.Version
			l.mu.Unlock()
			wait(20 * time.Millisecond)
			return l.commit(e)
		}
	}
	return func() {}
}

// forget stores the jobs without their versions.
func forget(tr *trial) (stop func()) {
	tr.handler = func(l *life) jobfeed.Handler {
		return func(ctx context.Context, e jobfeed.Event) error {
			err := l.handle(ctx, e)
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.noted, e.Key())
			return err
		}
	}
	return func() {}
}

// sideBySide has a goroutine of its own for each event.
func sideBySide(tr *trial) (stop func()) {
	var workers sync.WaitGroup
	tr.handler = func(l *life) jobfeed.Handler {
		return func(ctx context.Context, e jobfeed.Event) error {
			workers.Go(func() {
				wait(time.Duration(rand.IntN(20)) * time.Millisecond)
				_ = l.handle(context.WithoutCancel(ctx), e)
			})
			return nil
		}
	}
	return workers.Wait
}
