package mirror

import (
	"strconv"
	"strings"
	"time"
)

// Subscriber is a job board with an identity of its own at NATS and one consumer of the events. What is stored here is
// what its consumer is to be; whoever finds it otherwise makes it so.
type Subscriber struct {
	// ID is "sub_" and 32 hexadecimal digits, 74 of whose bits are random: other boards are not told it.
	ID   string
	Name string
	// Employers are the connections whose events it gets, each once and in order; nil for all.
	Employers []string
	// Generation rises with each new password. The consumer and the credentials of an older one are gone.
	Generation int
	// Replay rises each time a person has the consumer begin anew, so that a board knows that it is to be told again what
	// it was told before. It stays where NATS lost the consumer: there the board passes over what it knows.
	Replay int
	// Start is where the present consumer began or is to begin.
	Start Start
	// MadeAt is when the consumer was known to be there as described here; nil as long as it is not.
	MadeAt *time.Time
	// CreatedAt, RotatedAt and RevokedAt are when it was made, last got another password, and was shut out for good; nil
	// for never.
	CreatedAt            time.Time
	RotatedAt, RevokedAt *time.Time
}

// Start is where a consumer begins.
type Start struct {
	Kind StartKind
	// Time is the first event's earliest time, Sequence its place in the stream; each for its own kind alone.
	Time     time.Time
	Sequence uint64
}

func (s Start) same(other Start) bool {
	return s.Kind == other.Kind && s.Sequence == other.Sequence && s.Time.Equal(other.Time)
}

// StartKind says where a consumer begins.
type StartKind string

// The beginnings that there are.
const (
	// StartSnapshot: with the last event of each job and connection.
	StartSnapshot StartKind = "snapshot"
	// StartTime: with the first event from a time on.
	StartTime StartKind = "time"
	// StartSequence: at a place in the stream.
	StartSequence StartKind = "sequence"
	// StartPrevious: where the acknowledgements of the last generation's consumer ended.
	StartPrevious StartKind = "previous"
)

// User is the name under which the subscriber logs in at NATS, and that of its consumer.
func (s Subscriber) User() string { return SubscriberUser(s.ID, s.Generation) }

// SameConsumer says whether two states of a subscriber stand for the same consumer. One that was lost has another beginning
// than before, or the same where that was a snapshot, too.
func (s Subscriber) SameConsumer(other Subscriber) bool {
	return s.ID == other.ID && s.Generation == other.Generation && s.Replay == other.Replay && s.Start.same(other.Start) &&
		(s.RevokedAt == nil) == (other.RevokedAt == nil)
}

// SameState says, beyond SameConsumer, that both know the consumer as made at the same moment, or as not made yet.
func (s Subscriber) SameState(other Subscriber) bool {
	if s.MadeAt == nil || other.MadeAt == nil {
		return s.SameConsumer(other) && s.MadeAt == other.MadeAt
	}
	return s.SameConsumer(other) && s.MadeAt.Equal(*other.MadeAt)
}

// SubscriberUser is the user of one generation of a subscriber.
func SubscriberUser(id string, generation int) string { return id + "-" + strconv.Itoa(generation) }

// InboxPrefix is what the inboxes of a user begin with; it may listen to no other subject.
func InboxPrefix(user string) string { return "_INBOX_" + user }

// ParseSubscriberUser reads what SubscriberUser wrote; ok is false for anything else.
func ParseSubscriberUser(user string) (id string, generation int, ok bool) {
	at := strings.LastIndexByte(user, '-')
	if at < 0 {
		return "", 0, false
	}
	generation, err := strconv.Atoi(user[at+1:])
	id = user[:at]
	rest, prefixed := strings.CutPrefix(id, "sub_")
	if err != nil || generation < 1 || !prefixed || len(rest) != 32 || strings.Trim(rest, "0123456789abcdef") != "" {
		return "", 0, false
	}
	return id, generation, SubscriberUser(id, generation) == user
}

// SubscriberPatch changes a subscriber; nil fields stay.
type SubscriberPatch struct {
	Name *string
	// Employers replaces the filter; one that is different begins the consumer anew, with a snapshot.
	Employers *[]string
}

// Lag is how far a subscriber's consumer is.
type Lag struct {
	// Pending is how many events were not delivered yet, Unacknowledged how many were but are not acknowledged, Redelivered
	// how many of these were delivered more than once.
	Pending, Unacknowledged, Redelivered int
	// Waiting is how many requests for events are open: above zero means that the board is connected and asks.
	Waiting int
	// OldestAt is since when the oldest event waits that is not acknowledged: its time in the stream, or the consumer's
	// beginning where that is later. Nil where none waits.
	OldestAt *time.Time
	// DeliveredAt and AcknowledgedAt are when that last happened since NATS was started; nil for never.
	DeliveredAt, AcknowledgedAt *time.Time
}

// Versions are what the stream keeps of a job.
type Versions struct{ Oldest, Newest int64 }

// Login is an attempt to log in at NATS with user and password.
type Login struct {
	User, Password string
	// Host is where it comes from, as the server saw it.
	Host string
}

// UnknownConnections is the error of a choice of employers that are not there, by id.
type UnknownConnections []string

// Error names them.
func (u UnknownConnections) Error() string { return "no such connections: " + strings.Join(u, ", ") }
