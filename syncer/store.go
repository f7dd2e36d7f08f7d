package syncer

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Leases divides the partitions among the replicas. Times are the database's.
type Leases interface {
	// Renew registers the replica as alive for ttl, renews the partitions it holds, lets go of what is above its fair
	// share and takes free or expired ones up to it. It returns all that the replica holds now.
	Renew(ctx context.Context, owner string, ttl time.Duration) ([]mirror.Lease, error)
	// Release gives everything up at once, so that others need not wait for the lease to expire.
	Release(ctx context.Context, owner string) error
}

// Schedule finds work that nobody hinted at.
type Schedule interface {
	// DuePolls claims the polls that are due in the partitions: their next poll is put off by claim, so that a crash
	// repeats them soon. At most limit.
	DuePolls(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error)
	// OverdueInbox returns a hint for each object with an inbox row older than the sweep's age that is not processed:
	// the oldest of each connection first, then the second of each, within the sweep's limits. Connections that cannot
	// be read now (paused, unauthorized) are left out until they can: their rows would take the places of others.
	OverdueInbox(ctx context.Context, s mirror.Sweep) ([]mirror.Hint, error)
}

// Store is the state of one connection, as the units of work read and write it.
type Store interface {
	// Connection returns the connection and its sealed API key. mirror.ErrNotFound, mirror.ErrRemoved.
	Connection(ctx context.Context, id string) (mirror.Connection, mirror.Sealed, error)
	// Heads returns what is stored of a kind, by id, for comparison.
	Heads(ctx context.Context, connection, kind string) (map[string]mirror.Head, error)
	// Records returns the stored records of a kind that are not gone, of the ids given; unknown ids are left out.
	Records(ctx context.Context, connection, kind string, ids []string) ([]mirror.Record, error)
	// PostingsOf returns the ids of the mirrored postings (not gone) that belong to one of the jobs or lie at one of
	// the locations.
	PostingsOf(ctx context.Context, connection string, jobs, locations []string) ([]string, error)
	// Listings returns the listings that are stored for a connection, open and closed, without their Job.
	Listings(ctx context.Context, connection string) (map[string]mirror.Listing, error)
	// OpenInbox returns the ids of the unprocessed inbox rows of an object that are committed now; with the kinds
	// mirror.HintPoll and mirror.HintAll those that name no object, so that only a poll answers them.
	OpenInbox(ctx context.Context, connection string, kind mirror.HintKind, object string) ([]int64, error)
	// Apply does one unit of work in one transaction: it checks the lease and that the connection is neither paused nor
	// removed, writes records, decides each listing's next version, and writes event and outbox rows with it.
	// mirror.ErrLeaseLost, mirror.ErrPaused, mirror.ErrRemoved: nothing was written.
	Apply(ctx context.Context, u mirror.Unit) (mirror.Applied, error)
}

// Progress is what is known of a connection's polls. What takes a mandate writes nothing without its lease and returns
// mirror.ErrLeaseLost, and mirror.ErrPaused or mirror.ErrRemoved for a connection that is.
type Progress interface {
	// Token returns the stored token of a kind's listing, mirror.ErrNotFound if there is none.
	Token(ctx context.Context, connection, kind, variant string) (mirror.Token, error)
	// Hold returns the connection's hold, nil if there is none.
	Hold(ctx context.Context, connection string) (*mirror.Hold, error)
	// SyncState returns how far the connection's copy is.
	SyncState(ctx context.Context, connection string) (mirror.SyncState, error)
	// StartPoll notes the beginning of a poll and puts the next claim off by claim; the postings' total may be 0 while
	// it is not known. It returns what the poll is started by.
	StartPoll(ctx context.Context, m mirror.Mandate, claim time.Duration) (mirror.Trigger, error)
	// Advance notes progress within a poll and puts the next claim off by claim.
	Advance(ctx context.Context, m mirror.Mandate, done, total int, claim time.Duration) error
	// FinishPoll notes a complete poll and sets the next one. On the first complete poll it also commits the event
	// connection.synced. Returns true if it committed an event.
	FinishPoll(ctx context.Context, m mirror.Mandate, p mirror.CompletePoll) (bool, error)
	// FailPoll notes a poll that did not complete, and why (a sentence without secrets), and sets the next try.
	FailPoll(ctx context.Context, m mirror.Mandate, reason string, next time.Duration) error
	// SetStatus changes a connection's status, unless it is paused or removed, which is no error, or its key is another
	// by now than the change is about. Going to or from active commits connection.degraded or connection.recovered.
	// Returns true if it committed an event. An unchanged status with the same reason writes nothing.
	SetStatus(ctx context.Context, m mirror.Mandate, c mirror.StatusChange) (bool, error)
}
