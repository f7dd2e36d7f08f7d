package notifier

import (
	"context"
	"errors"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
)

// busWait is how long a relay without NATS waits before it looks at what waits in the store again.
const busWait = time.Second

// pauseForBus waits until NATS is back, but no longer than busWait.
func (n *Notifier) pauseForBus(ctx context.Context) {
	waiting, cancel := context.WithTimeout(ctx, busWait)
	defer cancel()
	_ = n.Bus.WaitReady(waiting) // that it is not back yet is no error here
}

// streamInfo asks for a stream's state, after creating the stream where it is gone.
func (n *Notifier) streamInfo(
	ctx context.Context, ask func(context.Context) (bus.StreamState, error),
) (bus.StreamState, error) {
	info, err := ask(ctx)
	if !errors.Is(err, bus.ErrNoStream) {
		return info, err
	}
	if err := n.Bus.EnsureStreams(ctx); err != nil {
		return bus.StreamState{}, err
	}
	return ask(ctx)
}
