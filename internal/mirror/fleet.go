package mirror

import "time"

// The bounds of a look at the fleet.
const (
	// FleetCounted is how many waiting webhooks and events are counted at most.
	FleetCounted = 100_000
	// FleetWorst is how many of the connections that are most overdue are named.
	FleetWorst = 10
	// FreshByWebhook is how long a webhook may wait for the read that answers it.
	FreshByWebhook = 60 * time.Second
	// FreshByPoll is within what time a connection is to be verified, or within its poll interval where that is longer;
	// FreshGrace comes on top, since a poll takes its time.
	FreshByPoll = time.Hour
	FreshGrace  = 5 * time.Minute
)

// Fleet is how all connections together are at one moment. All ages are by the database's clock.
//
// Connections are watched that ought to be fresh: all but those that are paused, removed or unauthorized, and those whose
// first synchronisation is still within the time that it may take, which is that of a poll.
type Fleet struct {
	// Connections counts them by status, removed ones too.
	Connections map[Status]int
	// Of the watched ones, FreshByPoll were verified within the time above, and of FreshByWebhook no webhook waits for longer
	// than it may.
	Watched, FreshByPoll, FreshByWebhook int
	// OldestVerified is how long ago the watched connection was verified that was so longest ago; 0 where there is none.
	OldestVerified time.Duration
	// Worst are the watched connections that are most overdue, the worst first: not those that were verified longest ago, of
	// which some are polled seldom on purpose.
	Worst []FleetConnection
	// Named are the first registered of those that are not removed, in that order.
	Named []FleetConnection
	// Inbox are webhooks of connections that are read which no read has answered yet, Outbox events that are not on the stream.
	// Both are counted up to FleetCounted.
	Inbox, Outbox Waiting
	// Holds wait for proof or a person.
	Holds Waiting
	// Quarantined counts the rows of Ashby's that could not be read, by kind.
	Quarantined map[string]int
	// PartitionsHeld are those that a syncer works on, of Partitions; Syncers are those that are alive.
	PartitionsHeld, Syncers int
	DatabaseBytes           int64
}

// FleetConnection is a connection as one of a fleet.
type FleetConnection struct {
	ID          string
	EmployerRef string
	Status      Status
	// Verified is how long ago it was verified; where it never was, how long ago it was registered.
	Verified time.Duration
	// Overdue is for how long it ought to have been verified again; below 0 where there is time left. It is told of the worst.
	Overdue time.Duration
	// PublicJobs and InboxRows are counted of the named ones alone.
	PublicJobs, InboxRows int
}

// Waiting is a queue's length and how long its oldest waits, 0 where it is empty.
type Waiting struct {
	Rows   int
	Oldest time.Duration
}
