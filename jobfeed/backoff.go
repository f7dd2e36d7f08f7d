package jobfeed

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause after so many failures in a row: from 50 ms on, doubled each time, up to limit, and up to half
// of it shorter by chance.
func backoff(failures int, limit time.Duration) time.Duration {
	d := min(50*time.Millisecond<<min(failures, 16), limit)
	return d/2 + rand.N(d/2+1)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
