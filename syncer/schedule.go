package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// schedule hands out the polls that are due: by the bus, and without it when it does not take them, since polls go on
// whether NATS runs or not. It claims no more than there are slots for, so that the rest can be claimed by whoever owns
// the partition when their turn comes.
func (s *Syncer) schedule(ctx context.Context) error {
	parts := s.Parts()
	if len(parts) == 0 {
		return nil
	}
	return errors.Join(s.schedulePolls(ctx, parts), s.scheduleSlices(ctx, parts))
}

func (s *Syncer) schedulePolls(ctx context.Context, parts []int) error {
	free := 2*cap(s.polls) - int(s.waiting.Load())
	if free <= 0 {
		return nil
	}
	due, err := s.opts.Schedule.DuePolls(ctx, parts, pollClaim, free)
	if err != nil {
		return fmt.Errorf("finding due polls: %w", err)
	}
	s.give(ctx, due, nil)
	return nil
}

// scheduleSlices hands out the slices that are due, without the bus: they are for this process alone. As many as there
// are slots for wait for one: most take no longer than a moment, and their slots would be empty until the next round.
func (s *Syncer) scheduleSlices(ctx context.Context, parts []int) error {
	free := 2*cap(s.slices) - int(s.slicing.Load())
	if free <= 0 {
		return nil
	}
	due, err := s.opts.Schedule.DueRecords(ctx, parts, sliceClaim, free)
	if err != nil {
		return fmt.Errorf("finding due slices: %w", err)
	}
	for _, h := range due {
		if p := s.partition(h.Part()); p != nil && !p.dispatch(h) {
			s.log.DebugContext(ctx, "no room for a slice", "connection", h.Connection)
		}
	}
	return nil
}

// sweep gives again the hints of webhooks whose first hint was lost. What the bus was given again half a minute ago
// without effect is worked on without it.
func (s *Syncer) sweep(ctx context.Context) error {
	parts := s.Parts()
	if len(parts) == 0 {
		return nil
	}
	overdue, err := s.opts.Schedule.OverdueInbox(ctx, mirror.Sweep{
		Parts: parts, Age: sweepAge, Limit: sweepLimit, PerConnection: sweepPerConnection,
	})
	if err != nil {
		return fmt.Errorf("finding overdue webhooks: %w", err)
	}
	again := make(map[mirror.Hint]time.Time, len(s.swept))
	now := time.Now()
	var hints []mirror.Hint
	at := make(map[mirror.Hint]bool)
	for _, h := range overdue {
		p := s.partition(h.Part())
		if p == nil || p.busyWith(h) {
			continue
		}
		given, known := s.swept[h]
		if known && now.Sub(given) < sweepAgain {
			again[h] = given
			continue
		}
		again[h] = now
		at[h] = known
		hints = append(hints, h)
	}
	s.swept = again
	s.opts.Metrics.swept.Add(float64(len(hints)))
	s.give(ctx, hints, at)
	return nil
}

// give publishes the hints, and dispatches those in directly, and all from the first that the bus does not take.
func (s *Syncer) give(ctx context.Context, hints []mirror.Hint, directly map[mirror.Hint]bool) {
	busDown := false
	for _, h := range hints {
		if ctx.Err() != nil {
			return
		}
		if !busDown && !directly[h] {
			err := s.opts.Bus.PublishHint(ctx, h)
			if err == nil {
				continue
			}
			busDown = true
			s.log.WarnContext(ctx, "bus takes no hints, working without it", "error", err)
		}
		s.opts.Metrics.direct.Inc()
		if p := s.partition(h.Part()); p != nil && !p.dispatch(h) {
			s.log.DebugContext(ctx, "no room for a hint without the bus", "connection", h.Connection)
		}
	}
}

// watch drops what idle connections keep in memory.
func (s *Syncer) watch(context.Context) error {
	s.mu.Lock()
	owned := make([]*partition, 0, len(s.owned))
	for _, p := range s.owned {
		owned = append(owned, p)
	}
	s.mu.Unlock()
	desks := 0
	for _, p := range owned {
		desks += p.dropIdle(s.opts.IdleAfter)
	}
	s.opts.Metrics.desks.Set(float64(desks))
	return nil
}
