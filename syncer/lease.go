package syncer

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// releaseTimeout bounds the last word to the database at the end.
const releaseTimeout = 3 * time.Second

// holdLeases renews the leases and runs the partitions that they are for, until ctx ends. It returns when all of them
// have ended, and only then gives the leases up.
func (s *Syncer) holdLeases(ctx context.Context) error {
	defer s.release(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer s.dropAll(leaseReleased)
	every := s.opts.LeaseTTL / 3
	// The database counts the lease from when it handled the call, so that our count, from before the call, ends first.
	var validUntil time.Time
	for {
		left := time.Until(validUntil)
		if left <= 0 && s.dropAll(leaseLost) > 0 {
			s.log.WarnContext(ctx, "all partitions dropped: the leases could not be renewed in time")
		}
		asked, timeout := time.Now(), every
		if left > 0 {
			timeout = min(timeout, left)
		}
		pause := every
		leases, err := s.renew(ctx, timeout)
		switch {
		case err == nil:
			validUntil = asked.Add(s.opts.LeaseTTL)
			s.take(ctx, &running, leases)
		case ctx.Err() != nil:
			return nil
		default:
			s.opts.Metrics.loopErrors.WithLabelValues("lease").Inc()
			s.log.WarnContext(ctx, "leases not renewed", "error", err)
			pause = max(every/5, 50*time.Millisecond)
		}
		if left := time.Until(validUntil); left > 0 {
			pause = min(pause, left)
		}
		if s.rest(ctx, pause) != nil {
			return nil
		}
	}
}

// rest waits until the leases are to be renewed, or a partition is vacant: a renewal takes it if it is ours to take.
func (s *Syncer) rest(ctx context.Context, pause time.Duration) error {
	until := time.Now().Add(pause)
	for {
		left := time.Until(until)
		look := s.opts.LookEvery - rand.N(s.opts.LookEvery/4+1)
		if err := loop.Sleep(ctx, min(left, look)); err != nil {
			return err
		}
		if left <= look || s.vacant(ctx, left-look) {
			return nil
		}
	}
}

// vacant asks for at most the time that is left. A question without an answer is none of importance: the renewal follows.
func (s *Syncer) vacant(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, min(within, s.opts.LookEvery))
	defer cancel()
	vacant, err := s.opts.Leases.Vacant(ctx)
	if err != nil {
		s.log.DebugContext(ctx, "vacant partitions not looked for", "error", err)
	}
	return vacant
}

func (s *Syncer) renew(ctx context.Context, timeout time.Duration) ([]mirror.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.opts.Leases.Renew(ctx, s.opts.Owner, s.opts.LeaseTTL)
}

// take starts the partitions that were gained, and stops those that were lost or lost in between: an epoch of its own
// makes another lease of it.
func (s *Syncer) take(ctx context.Context, running *sync.WaitGroup, leases []mirror.Lease) {
	held := make(map[int]mirror.Lease, len(leases))
	for _, l := range leases {
		held[l.Part] = l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for part, p := range s.owned {
		l, ok := held[part]
		if !ok || l.Epoch != p.lease.Epoch {
			// What a renewal in time does not return was given up to another replica, for its fair share. What is ours under
			// another epoch was another's in between.
			change := leaseReleased
			if ok {
				change = leaseLost
			}
			p.stop(change)
		}
		if !ok && p.gone() {
			delete(s.owned, part)
		}
	}
	live := 0
	for part, l := range held {
		live++
		old := s.owned[part]
		if old != nil && !old.ended() {
			continue
		}
		s.opts.Metrics.leases.WithLabelValues(leaseTaken).Inc()
		s.owned[part] = s.start(ctx, running, l, old)
	}
	s.opts.Metrics.partitions.Set(float64(live))
}

// start runs a partition, once its predecessor has ended.
func (s *Syncer) start(ctx context.Context, running *sync.WaitGroup, l mirror.Lease, old *partition) *partition {
	ctx, cancel := context.WithCancel(ctx)
	p := newPartition(s, l, cancel)
	running.Go(func() {
		defer close(p.done)
		defer p.stop(leaseReleased)
		if old != nil {
			<-old.done
		}
		p.run(ctx)
	})
	return p
}

// dropAll stops all partitions, which counts as the change, and says how many it stopped.
func (s *Syncer) dropAll(change string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped := 0
	for _, p := range s.owned {
		if !p.ended() {
			p.stop(change)
			dropped++
		}
	}
	s.opts.Metrics.partitions.Set(0)
	return dropped
}

func (s *Syncer) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := s.opts.Leases.Release(ctx, s.opts.Owner); err != nil {
		s.log.WarnContext(ctx, "leases not released; they expire by themselves", "error", err)
	}
}
