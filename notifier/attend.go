package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// attend works until ctx ends: once does what is due, and returns how long there is nothing more to do, unless woken.
func (n *Notifier) attend(ctx context.Context, wake <-chan struct{}, once func(ctx context.Context) (time.Duration, error)) {
	wait := loop.Backoff{Min: 50 * time.Millisecond, Max: 2 * time.Second, Jitter: 0.5}
	for ctx.Err() == nil {
		pause, err := once(ctx)
		if err == nil {
			wait.Reset()
			pauseFor(ctx, wake, pause)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		n.Logger.ErrorContext(ctx, "relaying stopped for a moment", "error", err)
		_ = loop.Sleep(ctx, wait.Next())
	}
}

// pauseFor waits until there may be something to do.
func pauseFor(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}
