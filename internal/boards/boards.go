// Package boards makes a job board's consumer what its row in Postgres says. The gateway does so when a person changes
// something, the notifier's process when it finds one missing or a change of the gateway's unfinished; both may do it at
// the same time.
//
// It promises that after Settle returned nil the consumer was there as the row said at that moment, that a board is never
// left with an older state by whoever was slower, and that a consumer which NATS lost begins anew with a snapshot. Its replay
// number stays, as nobody asked for what the board knows already. An error leaves nothing that a repetition does not set
// right.
package boards

import (
	"context"
	"errors"
	"fmt"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// rounds bounds how often a row may change under one Settle.
const rounds = 5

// errRestless says that the row changed all the time.
var errRestless = errors.New("subscriber changed again and again")

// Store keeps subscribers.
type Store interface {
	// SubscriberMade notes that the consumer is there as s says, unless s is not the present state any more, which is
	// returned. mirror.ErrNotFound.
	SubscriberMade(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error)
	// SubscriberLost notes that the consumer of s is gone, so that it is made again with a snapshot under the same replay
	// number, unless s is not the present state any more. The present state is returned. mirror.ErrNotFound,
	// mirror.ErrRevoked.
	SubscriberLost(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error)
}

// Bus keeps their consumers.
type Bus interface {
	// PutSubscriber makes the consumer as s says, unless it is there so or in a newer state, and removes that of an older
	// generation. mirror.ErrNoConsumer: it is to begin where an older one ended, and there is none.
	PutSubscriber(ctx context.Context, s mirror.Subscriber) error
	// DropSubscriber removes the consumer of this generation or the one before it; that there is none is no error.
	DropSubscriber(ctx context.Context, id string, generation int) error
}

// Settle makes the consumer what s says, or what the row has become meanwhile, and returns that. A revoked subscriber's
// consumer is removed.
func Settle(ctx context.Context, store Store, bus Bus, s mirror.Subscriber) (mirror.Subscriber, error) {
	for range rounds {
		if s.RevokedAt != nil {
			return s, bus.DropSubscriber(ctx, s.ID, s.Generation)
		}
		err := bus.PutSubscriber(ctx, s)
		if errors.Is(err, mirror.ErrNoConsumer) {
			if s, err = store.SubscriberLost(ctx, s); err != nil {
				return s, err
			}
			continue
		}
		if err != nil {
			return s, err
		}
		// Whoever changed the row after s was read may have found the consumer before this one was made, so the row is looked
		// at once more.
		present, err := store.SubscriberMade(ctx, s)
		if err != nil {
			return s, err
		}
		if present.SameConsumer(s) {
			return present, nil
		}
		s = present
	}
	return s, fmt.Errorf("%s: %w", s.ID, errRestless)
}
