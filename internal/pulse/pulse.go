// Package pulse shows that a service is at work, and makes up for the time when it was not: after an outage of all its
// replicas, every employer is compared with Ashby once, spread over a while. What came meanwhile by webhook may be lost,
// and the next scheduled poll may be an hour away.
package pulse

import (
	"context"
	"log/slog"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

const (
	// Spread is over how long the polls that make up for an outage are spread, so that they neither fall upon Ashby nor
	// upon the syncer at once.
	Spread = 30 * time.Second

	beatEvery = 3 * time.Second
	beatTime  = 2 * time.Second
	// outage is the silence beyond which webhooks may have been lost: Ashby gives some up within it.
	outage = 10 * time.Second
)

// Store keeps the heartbeats.
type Store interface {
	// Beat notes that the service is at work and returns how long none of its replicas had, 0 at the first time ever.
	Beat(ctx context.Context, service string) (time.Duration, error)
	// SpreadPolls makes a poll of each connection at work due at a random time within over, never later than it is due
	// already, and returns of how many.
	SpreadPolls(ctx context.Context, over time.Duration) (int, error)
}

// Pulse beats for one replica of a service.
type Pulse struct {
	store   Store
	service string
	log     *slog.Logger
	// owed is the outage that the polls are not spread for yet. The loop alone touches it and failing.
	owed    time.Duration
	failing bool
}

// New returns a pulse that does nothing yet.
func New(s Store, service string, log *slog.Logger) *Pulse {
	return &Pulse{store: s, service: service, log: log}
}

// Run beats until ctx ends.
func (p *Pulse) Run(ctx context.Context) error {
	return loop.Every(ctx, loop.Options{Interval: beatEvery, Jitter: 0.1}, func(ctx context.Context) error {
		p.Beat(ctx)
		return nil
	})
}

// Beat beats once; a failure is logged when it begins. While the store is down every beat fails, and the silence that the
// first one after it finds counts as an outage.
func (p *Pulse) Beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	gap, err := p.store.Beat(ctx, p.service)
	if err == nil && gap > outage {
		p.owed = max(p.owed, gap)
	}
	if err == nil && p.owed > 0 {
		err = p.catchUp(ctx)
	}
	if err != nil && !p.failing && ctx.Err() == nil {
		p.log.WarnContext(ctx, "heartbeat failed", "error", err)
	}
	p.failing = err != nil
}

// catchUp brings the polls forward. It stays owed until that worked.
func (p *Pulse) catchUp(ctx context.Context) error {
	polls, err := p.store.SpreadPolls(ctx, Spread)
	if err != nil {
		return err
	}
	p.log.InfoContext(ctx, "polls are brought forward after an outage", "gap", p.owed, "polls", polls, "spread_over", Spread)
	p.owed = 0
	return nil
}
