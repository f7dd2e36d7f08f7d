package syncer

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/pulse"
)

// Leases divides the partitions among the replicas. Times are the database's.
type Leases interface {
	// Renew registers the replica as alive for ttl, renews the partitions it holds, lets go of what is above its fair
	// share and takes free or expired ones up to it. It returns all that the replica holds now.
	Renew(ctx context.Context, owner string, ttl time.Duration) ([]mirror.Lease, error)
	// Vacant says whether a partition waits for an owner: one that was given up, or whose owner is gone.
	Vacant(ctx context.Context) (bool, error)
	// Release gives everything up at once, so that others need not wait for the lease to expire.
	Release(ctx context.Context, owner string) error
}

// Schedule finds work that nobody hinted at.
type Schedule interface {
	// DuePolls claims the polls that are due in the partitions: their next poll is put off by claim, so that a crash
	// repeats them soon. At most limit.
	DuePolls(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error)
	// DueRecords does the same with slices of what is not polled, of connections whose first synchronisation is over and
	// whose key is accepted.
	DueRecords(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error)
	// OverdueInbox returns a hint for each object with an inbox row older than the sweep's age that is not processed:
	// the oldest of each connection first, then the second of each, within the sweep's limits. Connections that cannot
	// be read now (paused, unauthorized) are left out until they can: their rows would take the places of others.
	OverdueInbox(ctx context.Context, s mirror.Sweep) ([]mirror.Hint, error)
	pulse.Store
}

// Store is the state of one connection, as the units of work read and write it.
type Store interface {
	// Connection returns the connection and its sealed API key. mirror.ErrNotFound, mirror.ErrRemoved.
	Connection(ctx context.Context, id string) (mirror.Connection, mirror.Sealed, error)
	// Heads returns what is stored of a kind, by id, for comparison.
	Heads(ctx context.Context, connection, kind string) (map[string]mirror.Head, error)
	// HeadsOf is Heads for the ids given; unknown ids are left out.
	HeadsOf(ctx context.Context, connection, kind string, ids []string) (map[string]mirror.Head, error)
	// Records returns the stored records of a kind that are not gone, of the ids given; unknown ids are left out.
	Records(ctx context.Context, connection, kind string, ids []string) ([]mirror.Record, error)
	// PostingsOf returns the ids of the mirrored postings (not gone) that belong to one of the jobs or lie at one of
	// the locations.
	PostingsOf(ctx context.Context, connection string, jobs, locations []string) ([]string, error)
	// Listings returns the listings that are stored for a connection, open and closed, without their Job.
	Listings(ctx context.Context, connection string) (map[string]mirror.Listing, error)
	// OpenInbox returns the ids of the unprocessed inbox rows of objects that are committed now, by object; with the kinds
	// mirror.HintPoll and mirror.HintAll those that name no object, so that only a poll answers them, under "".
	OpenInbox(ctx context.Context, connection string, kind mirror.HintKind, objects ...string) (map[string][]int64, error)
	// Apply does one unit of work in one transaction: it checks the lease and that the connection is neither paused nor
	// removed, writes records, decides each listing's next version, and writes event and outbox rows with it.
	// mirror.ErrLeaseLost, mirror.ErrPaused, mirror.ErrRemoved: nothing was written.
	Apply(ctx context.Context, u mirror.Unit) (mirror.Applied, error)
}

// Progress is what is known of a connection's polls. What takes a mandate writes nothing without its lease and returns
// mirror.ErrLeaseLost, and mirror.ErrPaused or mirror.ErrRemoved for a connection that is.
type Progress interface {
	// Hold returns the connection's hold that is not ended, nil if there is none.
	Hold(ctx context.Context, connection string) (*mirror.Hold, error)
	// SyncState returns how far the connection's copy is.
	SyncState(ctx context.Context, connection string) (mirror.SyncState, error)
	// StartPoll notes the beginning of a poll, puts the next claim off by claim and returns what the poll was started by;
	// the postings' total may be 0 while it is not known.
	StartPoll(ctx context.Context, m mirror.Mandate, claim time.Duration) (mirror.Trigger, error)
	// Advance notes progress within a poll and puts the next claim off by claim.
	Advance(ctx context.Context, m mirror.Mandate, done, total int, claim time.Duration) error
	// FinishPoll notes a complete poll and sets the next one. On the first complete poll it also commits the event
	// connection.synced. Returns true if it committed an event.
	FinishPoll(ctx context.Context, m mirror.Mandate, p mirror.CompletePoll) (bool, error)
	// FailPoll notes a poll that did not complete, and why (a sentence without secrets), and sets the next try.
	FailPoll(ctx context.Context, m mirror.Mandate, reason string, next time.Duration) error
	// SetStatus changes a connection's status, unless it is paused or removed, which is no error, or its key is another
	// by now than the change is about. Each change of status commits connection.degraded or connection.recovered.
	// Returns true if it committed an event. An unchanged status with the same code and reason writes nothing.
	SetStatus(ctx context.Context, m mirror.Mandate, c mirror.StatusChange) (bool, error)
}

// Passes is how far the readings of listings are.
type Passes interface {
	// Token returns the stored token of a listing, mirror.ErrNotFound if there is none.
	Token(ctx context.Context, connection, kind, variant string) (mirror.Token, error)
	// Pass returns the pass that is under way, nil if there is none.
	Pass(ctx context.Context, connection string, key mirror.PassKey) (*mirror.Pass, error)
	// Unseen returns records that are not gone, were read before the pass began, and are on none of its stored pages: by
	// id, at most limit.
	Unseen(ctx context.Context, connection string, p mirror.Pass, limit int) ([]string, error)
	// Swept returns how the last full reading ended, nil if there was none.
	Swept(ctx context.Context, connection, kind, variant string) (*mirror.Swept, error)
	// StaleParents returns parents whose children of the kinds are to be read, the longest waiting first, at most limit.
	StaleParents(ctx context.Context, connection string, kinds []string, limit int) ([]mirror.StaleParent, error)
	// Children returns the records of a kind that belong to a parent and are not gone.
	Children(ctx context.Context, connection, kind, parent string) (map[string]mirror.Head, error)
	// RecordIDs returns the ids of records that are not gone, after an id, by id, at most limit.
	RecordIDs(ctx context.Context, connection, kind, after string, limit int) ([]string, error)
	// Quarantined returns objects in quarantine that have an id, the oldest first, at most limit.
	Quarantined(ctx context.Context, connection string, kinds []string, limit int) ([]mirror.RecordKey, error)
	// Nameless returns the rows of a kind in quarantine that showed no id and were last seen before a time.
	Nameless(ctx context.Context, connection, kind string, before time.Time) ([]mirror.RecordKey, error)
}

// Slices is how the reading of what is not polled stands. What takes a mandate is as in Progress.
type Slices interface {
	// StartRecords puts the next claim of a slice off by claim, FinishRecords sets when the next is due.
	StartRecords(ctx context.Context, m mirror.Mandate, claim time.Duration) error
	FinishRecords(ctx context.Context, m mirror.Mandate, next time.Duration) error
	// ModuleStates returns the states of the modules, by module.
	ModuleStates(ctx context.Context, connection string) (map[string]mirror.ModuleState, error)
	// SetModule stores a module's state where it differs.
	SetModule(ctx context.Context, m mirror.Mandate, s mirror.ModuleState) error
}

// Diary keeps what people look at later. It needs no mandate, and what it loses changes nothing else.
type Diary interface {
	// NoteRuns stores runs; those of unknown or removed connections are left out.
	NoteRuns(ctx context.Context, runs []mirror.Run) error
	// NoteCoverage adds up how changes were found.
	NoteCoverage(ctx context.Context, connection string, cs []mirror.Coverage) error
}
