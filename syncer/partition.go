package syncer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// directQueue and directLimit bound the hints of one partition that are worked on without the bus; what does not
	// fit is found again by the next sweep or the next claim.
	directQueue = 256
	directLimit = 32
)

// partition works on the connections of one partition while its lease lasts.
type partition struct {
	s       *Syncer
	lease   mirror.Lease
	cancel  context.CancelFunc
	stopped atomic.Bool
	done    chan struct{}
	direct  chan mirror.Hint

	mu    sync.Mutex
	desks map[string]*desk
}

func newPartition(s *Syncer, l mirror.Lease, cancel context.CancelFunc) *partition {
	return &partition{
		s: s, lease: l, cancel: cancel, done: make(chan struct{}),
		direct: make(chan mirror.Hint, directQueue), desks: map[string]*desk{},
	}
}

// stop makes the partition end soon, and counts how it ended; it does not wait.
func (p *partition) stop(change string) {
	if !p.stopped.Swap(true) {
		p.s.opts.Metrics.leases.WithLabelValues(change).Inc()
	}
	p.cancel()
}

// ended says that the partition takes no more work.
func (p *partition) ended() bool { return p.stopped.Load() }

// gone says that nothing of the partition is running any more.
func (p *partition) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// run works until ctx ends and everything it started has returned.
func (p *partition) run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { p.consume(ctx) })
	loops.Go(func() { p.workDirectly(ctx) })
	loops.Wait()
}

// consume takes the partition's hints from the bus, for as long as that takes.
func (p *partition) consume(ctx context.Context) {
	backoff := loop.Backoff{Min: 200 * time.Millisecond, Max: 15 * time.Second, Jitter: 0.2}
	for ctx.Err() == nil {
		began := time.Now()
		err := p.s.opts.Bus.Hints(ctx, p.lease.Part, p.handle)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			backoff.Reset()
		}
		p.s.log.WarnContext(ctx, "hints interrupted", "part", p.lease.Part, "error", err)
		_ = loop.Sleep(ctx, backoff.Next())
	}
}

// workDirectly takes the hints that the bus did not carry.
func (p *partition) workDirectly(ctx context.Context) {
	var g errgroup.Group
	defer func() { _ = g.Wait() }()
	g.SetLimit(directLimit)
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-p.direct:
			g.Go(func() error {
				p.handle(ctx, bus.NewHintMsg(h, 1, direct{}))
				return nil
			})
		}
	}
}

// dispatch hands a hint over without the bus. False: there is no room, or no time left.
func (p *partition) dispatch(h mirror.Hint) bool {
	select {
	case p.direct <- h:
		return true
	default:
		return false
	}
}

// handle works on one hint and settles it.
func (p *partition) handle(ctx context.Context, m bus.HintMsg) {
	d := p.enter(m.Hint.Connection)
	defer p.leave(d)
	d.handle(ctx, m)
}

// enter returns a connection's desk and keeps it from being dropped until leave.
func (p *partition) enter(connection string) *desk {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.desks[connection]
	if d == nil {
		d = newDesk(p, connection)
		p.desks[connection] = d
	}
	d.users++
	return d
}

func (p *partition) leave(d *desk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.users--
	d.usedAt = time.Now()
	if d.users == 0 {
		d.rest()
	}
}

// busyWith says that a hint is in work, waits, or failed a short while ago, so that giving it again is of no use.
func (p *partition) busyWith(h mirror.Hint) bool {
	p.mu.Lock()
	d := p.desks[h.Connection]
	p.mu.Unlock()
	return d != nil && d.busyWith(keyOf(h))
}

// dropIdle forgets the desks that had nothing to do for a while, and says how many are left.
func (p *partition) dropIdle(idle time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, d := range p.desks {
		if d.users > 0 || time.Since(d.usedAt) < idle {
			continue
		}
		if d.forgettable() {
			delete(p.desks, id)
		}
	}
	return len(p.desks)
}
