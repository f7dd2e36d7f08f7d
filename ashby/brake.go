package ashby

import (
	"context"
	"sync"
	"time"
)

const (
	// firstBrake is how long a 429 without Retry-After holds; each further one in a row doubles it.
	firstBrake = time.Second
	// longestBrake bounds what a server may ask for, so that a mistaken header cannot silence a key for ever.
	longestBrake = 15 * time.Minute
)

// Brake holds requests back after a 429. Each Client has one of its own for its key; one given to several Clients as
// Options.PartnerBrake holds all of them when Ashby throttles an integration partner. The zero Brake is ready for use.
type Brake struct {
	mu      sync.Mutex
	until   time.Time
	strikes int
}

// hold lets no request start for d, or, where d is not positive, for a time that grows while 429 follows 429. It
// returns how long it holds from now on.
func (b *Brake) hold(d time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if d <= 0 {
		if left := b.until.Sub(now); left > 0 {
			// Requests that were under way together got the same answer: that is one strike.
			return left
		}
		d = firstBrake << min(b.strikes, 6)
		b.strikes++
	}
	d = min(d, longestBrake)
	if until := now.Add(d); until.After(b.until) {
		b.until = until
	}
	return b.until.Sub(now)
}

// release forgets the strikes after an answer that was no 429.
func (b *Brake) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strikes = 0
}

// Holds says that requests are held back at this moment.
func (b *Brake) Holds() bool { return b.left() > 0 }

// left returns how long it still holds.
func (b *Brake) left() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.until)
}

// wait returns 0 when it no longer holds, or at once the time left if it would hold beyond the deadline.
func (b *Brake) wait(ctx context.Context, deadline time.Time) (time.Duration, error) {
	for {
		left := b.left()
		if left <= 0 {
			return 0, nil
		}
		if time.Now().Add(left).After(deadline) {
			return left, nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, context.Cause(ctx)
		}
	}
}
