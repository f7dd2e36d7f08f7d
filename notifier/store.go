package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// LeaseName is the name of the relay's lease.
const LeaseName = "relay"

// Store is the relay's side of the database.
type Store interface {
	// Acquire takes or renews a lease by the database's clock. held is false while another owner has it.
	Acquire(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error)
	// Release gives the lease up if owner has it.
	Release(ctx context.Context, name, owner string) error
	// Pending returns the oldest outbox rows in id order, at most limit.
	Pending(ctx context.Context, limit int) ([]mirror.Outgoing, error)
	// Published deletes the outbox rows, notes each listing's place in the stream (never an older version's over a
	// newer one's) and the stream's state, in one transaction.
	Published(ctx context.Context, ps []mirror.Published, s mirror.StreamState) error
	// StreamState returns what was last noted, mirror.ErrNotFound at the very first start.
	StreamState(ctx context.Context) (mirror.StreamState, error)
	// Logged returns the events of the log that are not in the outbox, job and connection events alike, in an order
	// that has each object's versions rising: the latest keep versions of each object. It pages by a cursor, empty at
	// first; next is empty at the end.
	// A listing whose latest event has left the log (it is kept 30 days) is returned as an event made from the listing,
	// with the same id and version.
	Logged(ctx context.Context, cursor string, keep, limit int) (out []mirror.Outgoing, next string, err error)
}
