// Package lease lets one of several processes do what may be done by one alone. The lease is a row that is renewed three
// times within its life. Whoever holds it stops, by its own clock, before another can have it; that clock is read before
// the database is asked, so that a lease never ends later here than there. A process that was paused for longer finds its
// context ended when it goes on, and may have been in the middle of something: what must not happen twice needs a fence.
package lease

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

const (
	// releaseTimeout bounds the giving up of the lease at the end.
	releaseTimeout = 2 * time.Second
	// lookEvery is how often who stands by asks for the lease, so that one that was given up is not left to nobody for long.
	// While another has it, the question writes nothing.
	lookEvery = 500 * time.Millisecond
)

// ErrLost is the cause of a context that ended because the lease may be another's.
var ErrLost = errors.New("lease lost")

// Store keeps leases.
type Store interface {
	// Acquire takes or renews a lease by the database's clock. held is false while another owner has it.
	Acquire(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error)
	// Release gives the lease up if owner has it.
	Release(ctx context.Context, name, owner string) error
}

// Holder holds a lease whenever it can.
type Holder struct {
	Store Store
	// Name is the lease, Owner this process among those that want it.
	Name, Owner string
	// TTL is how long the lease outlives its last renewal.
	TTL    time.Duration
	Logger *slog.Logger
	// May says, before each question for the lease, whether to ask for it now; nil for always. It is not asked while the
	// lease is held.
	May func(ctx context.Context) bool
	// OnHeld is told when the lease is gained and when it is lost, OnFailure of each failure of the store. Both may be nil.
	OnHeld    func(held bool)
	OnFailure func()
}

// Run calls lead whenever this process holds the lease, with a context that ends, by ErrLost, when the lease may be
// another's, until ctx ends. A lead that returns before its context ended gives the lease up; others may take it, and so may
// this process again.
func (h Holder) Run(ctx context.Context, lead func(ctx context.Context)) {
	defer h.release(ctx)
	for ctx.Err() == nil {
		if h.May == nil || h.May(ctx) {
			h.ask(ctx, lead)
		}
		// Standing by; the jitter keeps several from asking at the same moment.
		look := min(h.TTL/3, lookEvery)
		_ = loop.Sleep(ctx, look-rand.N(look/4+1))
	}
}

// ask asks for the lease, and leads for as long as this process has it.
func (h Holder) ask(ctx context.Context, lead func(ctx context.Context)) {
	began := time.Now()
	held, err := h.acquire(ctx, began.Add(h.TTL))
	switch {
	case err != nil && ctx.Err() == nil:
		h.Logger.ErrorContext(ctx, "lease not acquired", "lease", h.Name, "error", err)
		h.failed()
	case held:
		h.hold(ctx, began.Add(h.TTL), lead)
	}
}

func (h Holder) acquire(ctx context.Context, deadline time.Time) (held bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	_, held, err = h.Store.Acquire(ctx, h.Name, h.Owner, h.TTL)
	return held, err
}

// hold runs lead and renews the lease beside it. until is when the lease ends by our own clock.
func (h Holder) hold(ctx context.Context, until time.Time, lead func(ctx context.Context)) {
	h.Logger.InfoContext(ctx, "lease gained", "lease", h.Name, "owner", h.Owner)
	h.tell(true)
	defer h.tell(false)

	leading, stop := context.WithCancelCause(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		h.renew(leading, until)
		stop(ErrLost)
	})
	lead(leading)
	givenUp := leading.Err() == nil
	stop(nil)
	renewal.Wait()
	switch {
	case ctx.Err() != nil:
	case givenUp:
		h.release(ctx)
		h.Logger.WarnContext(ctx, "lease given up, standing by", "lease", h.Name, "owner", h.Owner)
	default:
		h.Logger.WarnContext(ctx, "lease lost, standing by", "lease", h.Name, "owner", h.Owner)
	}
}

// renew returns when the lease is lost or ctx ends.
func (h Holder) renew(ctx context.Context, until time.Time) {
	for loop.Sleep(ctx, min(h.TTL/3, time.Until(until))) == nil {
		began := time.Now()
		held, err := h.acquire(ctx, until)
		switch {
		case err == nil && !held:
			return
		case err == nil:
			until = began.Add(h.TTL)
		case ctx.Err() != nil || !time.Now().Before(until):
			return
		default:
			h.Logger.WarnContext(ctx, "lease not renewed", "lease", h.Name, "error", err)
			h.failed()
		}
	}
}

// release lets another take over at once.
func (h Holder) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := h.Store.Release(ctx, h.Name, h.Owner); err != nil {
		h.Logger.WarnContext(ctx, "lease not released", "lease", h.Name, "error", err)
	}
}

func (h Holder) tell(held bool) {
	if h.OnHeld != nil {
		h.OnHeld(held)
	}
}

func (h Holder) failed() {
	if h.OnFailure != nil {
		h.OnFailure()
	}
}
