package notifier

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// releaseTimeout bounds the giving up of the lease at the end.
const releaseTimeout = 2 * time.Second

// runLease calls lead whenever this process holds the lease, with a context that ends when the lease may be another's,
// until ctx ends.
func (n *Notifier) runLease(ctx context.Context, lead func(ctx context.Context)) {
	defer n.release(ctx)
	for ctx.Err() == nil {
		began := time.Now()
		held, err := n.acquire(ctx, began.Add(n.LeaseTTL))
		switch {
		case err != nil && ctx.Err() == nil:
			n.Logger.ErrorContext(ctx, "lease of the relay not acquired", "error", err)
			n.metrics.failures.WithLabelValues(failureStore).Inc()
		case held:
			n.hold(ctx, began.Add(n.LeaseTTL), lead)
		}
		// Standing by; the jitter keeps several from asking at the same moment.
		_ = loop.Sleep(ctx, n.LeaseTTL/3+rand.N(n.LeaseTTL/6+1))
	}
}

func (n *Notifier) acquire(ctx context.Context, deadline time.Time) (held bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	_, held, err = n.Store.Acquire(ctx, LeaseName, n.Owner, n.LeaseTTL)
	return held, err
}

// hold runs lead and renews the lease beside it. until is when the lease ends by our own clock, counted from before we
// asked for it, so that it never ends later here than in the database.
func (n *Notifier) hold(ctx context.Context, until time.Time, lead func(ctx context.Context)) {
	n.Logger.InfoContext(ctx, "relaying events", "owner", n.Owner)
	n.metrics.leaseHeld.Set(1)
	defer n.metrics.leaseHeld.Set(0)

	leading, stop := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		defer stop()
		n.renew(leading, until)
	})
	lead(leading)
	stop()
	renewal.Wait()
	if ctx.Err() == nil {
		n.Logger.WarnContext(ctx, "lost the lease of the relay, standing by", "owner", n.Owner)
	}
}

// renew returns when the lease is lost or ctx ends.
func (n *Notifier) renew(ctx context.Context, until time.Time) {
	for loop.Sleep(ctx, n.LeaseTTL/3) == nil {
		began := time.Now()
		held, err := n.acquire(ctx, until)
		switch {
		case err == nil && !held:
			return
		case err == nil:
			until = began.Add(n.LeaseTTL)
		case ctx.Err() != nil || !time.Now().Before(until):
			return
		default:
			n.Logger.WarnContext(ctx, "lease of the relay not renewed", "error", err)
			n.metrics.failures.WithLabelValues(failureStore).Inc()
		}
	}
}

// release lets another take over at once.
func (n *Notifier) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := n.Store.Release(ctx, LeaseName, n.Owner); err != nil {
		n.Logger.WarnContext(ctx, "lease of the relay not released", "error", err)
	}
}
