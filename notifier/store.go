package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/boards"
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
	// with the same id and version. Listings that were closed longer than mirror.ClosedKept ago are left out, with all
	// their events, until they open again.
	Logged(ctx context.Context, cursor string, keep, limit int) (out []mirror.Outgoing, next string, err error)
	// Expired returns at most limit listings that are closed, last changed longer than age ago by the database's clock,
	// and have a place in the stream.
	Expired(ctx context.Context, age time.Duration, limit int) ([]mirror.Place, error)
	// Forgotten takes the listings' places in the stream from them, where they are still closed and neither version nor
	// place has changed; others are left as they are, and that is no error.
	Forgotten(ctx context.Context, places []mirror.Place) error
	// Found gives closed listings that have no place in the stream the one they were found at, whatever version lies
	// there. Others are left as they are.
	Found(ctx context.Context, places []mirror.Place) error
}

// RecordStore is the side of the database that RECORDS is fed from.
type RecordStore interface {
	// PendingRecords returns the present state of the records whose change is not yet told, in the order of their latest
	// changes, at most limit. One that is not there any more has version 0; one that is sealed has no document.
	PendingRecords(ctx context.Context, limit int) ([]mirror.OutgoingRecord, error)
	// RecordsPublished takes the records out again, but for those that changed since they were read.
	RecordsPublished(ctx context.Context, records []mirror.OutgoingRecord) error
	// RecordPurges returns whose records the stream must forget, at most limit.
	RecordPurges(ctx context.Context, limit int) ([]mirror.RecordPurge, error)
	// RecordsPurged notes that it has, unless it was asked for again.
	RecordsPurged(ctx context.Context, p mirror.RecordPurge) error
	// RequeueRecords has every record told again, and returns how many.
	RequeueRecords(ctx context.Context) (int, error)
	// StreamStateOf returns what was last noted of a stream, mirror.ErrNotFound if nothing ever was.
	StreamStateOf(ctx context.Context, stream string) (mirror.StreamState, error)
	// PutStreamState notes the state of a stream.
	PutStreamState(ctx context.Context, stream string, s mirror.StreamState) error
}

// BoardStore keeps the job boards that have a consumer of their own.
type BoardStore interface {
	boards.Store
	// ActiveSubscribers returns all that are not revoked.
	ActiveSubscribers(ctx context.Context) ([]mirror.Subscriber, error)
	// Subscriber returns one, revoked ones too. mirror.ErrNotFound.
	Subscriber(ctx context.Context, id string) (mirror.Subscriber, error)
}
