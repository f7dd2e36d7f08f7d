package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

const (
	// heartName is the gateway's among the services that beat.
	heartName = "gateway"
	beatEvery = 3 * time.Second
	beatTime  = 2 * time.Second
	// outage is the silence beyond which webhooks may have been lost: Ashby gives some up within it.
	outage = 10 * time.Second
	// outageSpread is over how long the polls that make up for an outage are spread, so that they neither fall upon Ashby
	// nor upon the syncer at once.
	outageSpread = time.Minute
)

// heart shows that the gateway is at work, and after an outage of all gateways has every employer compared with Ashby
// once: what came meanwhile by webhook may be lost, and the next scheduled poll may be an hour away.
type heart struct {
	heart Heart
	log   *slog.Logger
	// owed is the outage that the polls are not spread for yet. The loop alone touches it and failing.
	owed    time.Duration
	failing bool
}

func newHeart(h Heart, log *slog.Logger) *heart { return &heart{heart: h, log: log} }

// run beats until ctx ends.
func (h *heart) run(ctx context.Context) error {
	return loop.Every(ctx, loop.Options{Interval: beatEvery, Jitter: 0.1}, func(ctx context.Context) error {
		h.beat(ctx)
		return nil
	})
}

// beat beats once; a failure is logged when it begins. While the store is down every beat fails, and the silence that
// the first one after it finds counts as an outage.
func (h *heart) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	gap, err := h.heart.Beat(ctx, heartName)
	if err == nil && gap > outage {
		h.owed = max(h.owed, gap)
	}
	if err == nil && h.owed > 0 {
		err = h.catchUp(ctx)
	}
	if err != nil && !h.failing && ctx.Err() == nil {
		h.log.WarnContext(ctx, "heartbeat failed", "error", err)
	}
	h.failing = err != nil
}

// catchUp brings the polls forward. It stays owed until that worked.
func (h *heart) catchUp(ctx context.Context) error {
	polls, err := h.heart.SpreadPolls(ctx, outageSpread)
	if err != nil {
		return err
	}
	h.log.InfoContext(ctx, "polls are brought forward after an outage", "gap", h.owed, "polls", polls,
		"spread_over", outageSpread)
	h.owed = 0
	return nil
}
