package gateway

import (
	"sync"
	"time"
)

const (
	// failuresAllowed is how many failures there may be within failureWindow of the first of them; more are refused until
	// the window has passed.
	failuresAllowed = 20
	failureWindow   = time.Minute
	// failuresKept bounds for how many addresses failures are counted. What comes beyond is not counted: it is answered as
	// if it were the first, which is better than refusing strangers for what others did. Guesses of an easy token are then
	// bounded for all addresses together.
	failuresKept = 10_000
)

// failures counts what went wrong by who it came from.
type failures struct {
	mu    sync.Mutex
	count map[string]tally
}

type tally struct {
	since time.Time
	times int
}

func newFailures() *failures { return &failures{count: make(map[string]tally)} }

// wait is for how long somebody is refused, 0 for not at all.
func (f *failures) wait(who string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.count[who]
	if n.times < failuresAllowed {
		return 0
	}
	return max(0, n.since.Add(failureWindow).Sub(now))
}

// full says that no other addresses can be counted.
func (f *failures) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.count) >= failuresKept
}

// add counts a failure.
func (f *failures) add(who string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.count[who]
	if !ok && len(f.count) >= failuresKept {
		for k, old := range f.count {
			if now.Sub(old.since) >= failureWindow {
				delete(f.count, k)
			}
		}
		if len(f.count) >= failuresKept {
			return
		}
	}
	if now.Sub(n.since) >= failureWindow {
		n = tally{since: now}
	}
	n.times++
	f.count[who] = n
}
