package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	spillTime  = 1500 * time.Millisecond
	drainEvery = 2 * time.Second
	drainTime  = 30 * time.Second
)

// spill keeps webhooks in the stream SPILL while Postgres takes none, and moves them to the inbox when it does again.
type spill struct {
	bus     Bus
	commit  func(ctx context.Context, ds []mirror.Delivery) error
	hints   *hinter
	log     *slog.Logger
	metrics *metrics
	every   time.Duration
	// works is whether NATS answered the last time it was asked.
	works atomic.Bool
	// failing is whether the last drain failed; the loop alone touches it.
	failing bool
}

func newSpill(
	bus Bus, commit func(context.Context, []mirror.Delivery) error, hints *hinter, log *slog.Logger, m *metrics,
) *spill {
	return &spill{bus: bus, commit: commit, hints: hints, log: log, metrics: m, every: drainEvery}
}

// put returns nil once the stream has the delivery.
func (s *spill) put(ctx context.Context, d mirror.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, spillTime)
	defer cancel()
	if err := s.bus.Spill(ctx, d); err != nil {
		s.works.Store(false)
		return fmt.Errorf("spilling a webhook: %w", err)
	}
	s.works.Store(true)
	return nil
}

// usable says whether NATS answered the last time it was asked.
func (s *spill) usable() bool { return s.works.Load() }

// run drains now and then until ctx ends; the stream may hold what an earlier process left.
func (s *spill) run(ctx context.Context) error {
	return loop.Every(ctx, loop.Options{Interval: s.every, Jitter: 0.2}, func(ctx context.Context) error {
		s.drain(ctx)
		return nil
	})
}

// errInboxRefused marks that the inbox, not NATS, ended a drain.
var errInboxRefused = errors.New("the inbox took nothing")

// drain moves what is there; a failure is logged when it begins and when it ends.
func (s *spill) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	err := s.bus.DrainSpill(ctx, func(ctx context.Context, ds []mirror.Delivery) error {
		ctx, cancel := context.WithTimeout(ctx, commitTime)
		defer cancel()
		if err := s.commit(ctx, ds); err != nil {
			return fmt.Errorf("%w: %w", errInboxRefused, err)
		}
		s.metrics.drained.Add(float64(len(ds)))
		for _, d := range ds {
			if d.Kind != "" {
				s.hints.add(d.Hint())
			}
		}
		return nil
	})
	s.works.Store(err == nil || errors.Is(err, errInboxRefused))
	if err != nil && ctx.Err() == nil {
		s.metrics.drainErr.Inc()
		if !s.failing {
			s.log.WarnContext(ctx, "spilled webhooks cannot be moved to the inbox", "error", err)
		}
	}
	if err == nil && s.failing {
		s.log.InfoContext(ctx, "spilled webhooks are moved to the inbox again")
	}
	s.failing = err != nil
}
