package notifier

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/boards"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// LeaseName is the name of the relay's lease.
	LeaseName = "relay"
	// StandbyLease is that of one process that stands by and has NATS, for the one that relays and has not.
	StandbyLease = "relay-standby"
)

// Store is the relay's side of the database.
type Store interface {
	// Acquire takes or renews a lease by the database's clock. held is false while another owner has it.
	Acquire(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error)
	// Release gives the lease up if owner has it.
	Release(ctx context.Context, name, owner string) error
	// LeaseOwner returns who has a lease now; "" where nobody has.
	LeaseOwner(ctx context.Context, name string) (string, error)
	// Pending returns the oldest outbox rows in id order, at most limit, but for those whose ids are named.
	Pending(ctx context.Context, except []int64, limit int) ([]mirror.Outgoing, error)
	// Waiting returns those of the events, by event id, that are in the outbox, without their data.
	Waiting(ctx context.Context, ids []string) ([]mirror.Outgoing, error)
	// Published deletes the outbox rows and notes the stream's state, in one transaction. It may be repeated.
	Published(ctx context.Context, ps []mirror.Published, s mirror.StreamState) error
	// StreamState returns what was last noted, mirror.ErrNotFound at the very first start.
	StreamState(ctx context.Context) (mirror.StreamState, error)
	// Latest returns, of each job and connection, the last event that is not in the outbox. It pages by a cursor, empty at
	// first; next is empty at the end. Listings that were closed longer than mirror.ClosedKept ago are left out until they
	// open again.
	Latest(ctx context.Context, cursor string, limit int) (page []mirror.Latest, next string, err error)
	// History returns the latest keep versions of each of the objects, but for those in the outbox, in an order that has
	// each object's versions rising. A listing whose latest event has left the log (it is kept 30 days) is returned as an
	// event made from the listing, with the same id and version.
	History(ctx context.Context, of []mirror.Place, keep int) ([]mirror.Outgoing, error)
	// Unknown returns those places whose job or connection the database has never had.
	Unknown(ctx context.Context, places []mirror.Place) ([]mirror.Place, error)
	// Raise gives each object an event with its present state and a version above that of its place. What waits in the
	// outbox of it is dropped in that event's favour.
	Raise(ctx context.Context, places []mirror.Place) error
	// Expired returns at most limit listings that are closed, last changed longer than age ago by the database's clock,
	// and have not left the stream.
	Expired(ctx context.Context, age time.Duration, limit int) ([]mirror.Place, error)
	// Forgotten notes that listings have left the stream, where they are still closed with the same version; others are
	// left as they are, and that is no error.
	Forgotten(ctx context.Context, places []mirror.Place) error
	// Found takes it back that closed listings have left the stream: an older copy of it has them. Others are left as they
	// are.
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
	// ReplayAll has the consumers of all that are not revoked begin anew with a snapshot, each with a number of replays above
	// its own and above the one given, and returns how many they are.
	ReplayAll(ctx context.Context, above int) (int, error)
}
