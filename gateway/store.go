package gateway

import (
	"context"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Connections keeps the employers' connections.
type Connections interface {
	// Create stores a connection, its secrets and its first due poll in one transaction. CreatedAt and StatusSince are
	// kept to the microsecond. mirror.ErrDuplicateKey, mirror.ErrDuplicateEmployer.
	Create(ctx context.Context, c mirror.NewConnection) error
	// View returns a connection, removed ones too. mirror.ErrNotFound.
	View(ctx context.Context, id string) (mirror.View, error)
	// Views returns the connections that are not removed, by id, after the id given, at most limit.
	Views(ctx context.Context, after string, limit int) ([]mirror.View, error)
	// Patch changes a connection. A replaced key makes an unauthorized or degraded connection active, and makes a poll
	// due at once, as resuming and another name do; a shorter interval brings the next poll nearer.
	// mirror.ErrNotFound, mirror.ErrRemoved, mirror.ErrDuplicateKey.
	Patch(ctx context.Context, id string, p mirror.ConnectionPatch) error
	// Remove deletes the connection's secrets at once, closes its public jobs if asked to, and commits
	// connection.removed, in one transaction. It returns how many events it committed.
	// mirror.ErrNotFound, mirror.ErrRemoved.
	Remove(ctx context.Context, id string, jobs mirror.Removal) (int, error)
	// MakeDue makes a poll due now. mirror.ErrNotFound, mirror.ErrRemoved.
	MakeDue(ctx context.Context, id string) error
	// KnownPostings returns how many postings the connection mirrors, and how many of the ids given are among them.
	KnownPostings(ctx context.Context, id string, postings []string) (mirrored, known int, err error)
	// KeyInUse returns the id of the connection that has the key with this fingerprint. mirror.ErrNotFound.
	KeyInUse(ctx context.Context, fingerprint []byte) (string, error)
}

// Jobs reads public jobs.
type Jobs interface {
	// Jobs returns at most q.Limit jobs in the order of mirror.JobCursor. A job is left out until nothing can be committed
	// any more that belongs before it.
	Jobs(ctx context.Context, q mirror.JobQuery) ([]mirror.JobState, error)
	// Job returns the jobs with this posting id: one a connection that has it; with connection not empty at most one.
	// An empty answer means there is none.
	Job(ctx context.Context, connection, posting string) ([]mirror.JobState, error)
}

// Inbox takes webhooks.
type Inbox interface {
	// Endpoint finds the connection of a token, removed ones too. mirror.ErrNotFound if there never was one; any other
	// error means that it is not known.
	Endpoint(ctx context.Context, token string) (mirror.Endpoint, error)
	// Commit writes the deliveries in one transaction. One that is there already is open again under a new id, so that a
	// read that began before does not answer it; one whose connection was removed meanwhile is left out silently. A
	// delivery with an empty kind is stored as processed.
	Commit(ctx context.Context, ds []mirror.Delivery) error
	// Seen notes that an action's setting showed itself, by a ping or a delivery.
	Seen(ctx context.Context, connection, action string, ping bool) error
}

// Bus carries hints, and webhooks while Postgres is down.
type Bus interface {
	PublishHint(ctx context.Context, h mirror.Hint) error
	// Spill stores a delivery in the fsynced stream SPILL; nil means it is stored.
	Spill(ctx context.Context, d mirror.Delivery) error
	// DrainSpill hands stored deliveries to commit, in batches, and acknowledges each batch that it took. It returns
	// when the stream is empty, at the first error, or with ctx.
	DrainSpill(ctx context.Context, commit func(ctx context.Context, ds []mirror.Delivery) error) error
	// WakeRelay tells the notifier that there are events to publish. Best effort.
	WakeRelay()
}
