package jobfeed

import (
	"context"
	"maps"
	"sync"
	"time"
)

// Positions keep what was handled, so that a restarted board goes on where it stopped. An implementation is safe for
// concurrent use; calls for one key come one after another. jobfeedtest.TestPositions checks one.
//
// An error of Handled has it called again, without the handler, until it succeeds, and only then is the event
// acknowledged. A board that keeps its jobs in a database does best to store the version in the transaction that stores
// the job, and to have Handled do nothing: then an event takes effect exactly once. The package's description shows how.
type Positions interface {
	// Load returns all that was stored. The caller owns it.
	Load(ctx context.Context) (Position, error)
	// Handled stores the version that was handled of a job, whose key is "<connection>/<posting>", or of a connection,
	// whose key is its id.
	Handled(ctx context.Context, key string, version int64) error
	// Reached stores the mark up to which everything was handled, in place of the one before.
	Reached(ctx context.Context, m Mark) error
	// Reset forgets all versions and stores the mark, both or neither: a replay was asked for.
	Reset(ctx context.Context, m Mark) error
}

// Position is where a feed stopped.
type Position struct {
	Mark Mark
	// Versions are the versions that were handled last, by key; nil where there are none.
	Versions map[string]int64
}

// Mark is a place in the stream. An implementation stores it whole, for example as JSON.
type Mark struct {
	// Created is when the stream, or with Options.User the subscriber's consumer, was made, in whole microseconds:
	// another time means that NATS lost it and Ashbridge rebuilt it.
	Created time.Time `json:"created"`
	// Sequence is the last message up to which all are handled, Event that message's event id. With Options.User they
	// are zero, since the consumer itself knows.
	Sequence uint64 `json:"sequence"`
	Event    string `json:"event"`
	// Filter names the employers that were followed; with others all jobs are read anew.
	Filter string `json:"filter"`
	// Replay is the number of replays of the subscriber's consumer; with another number the feed calls Reset.
	Replay int `json:"replay"`
}

// same says whether two marks are one, whatever zone their times were stored in.
func same(a, b Mark) bool {
	equal := a.Created.Equal(b.Created)
	a.Created, b.Created = time.Time{}, time.Time{}
	return equal && a == b
}

// Memory are Positions that end with the process.
type Memory struct {
	mu sync.Mutex
	at Position
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{at: Position{Versions: map[string]int64{}}} }

// Load returns what was stored.
func (m *Memory) Load(context.Context) (Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Position{Mark: m.at.Mark, Versions: maps.Clone(m.at.Versions)}, nil
}

// Handled stores a version.
func (m *Memory) Handled(_ context.Context, key string, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at.Versions[key] = version
	return nil
}

// Reached stores a mark.
func (m *Memory) Reached(_ context.Context, mark Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at.Mark = mark
	return nil
}

// Reset stores a mark and forgets the versions.
func (m *Memory) Reset(_ context.Context, mark Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = Position{Mark: mark, Versions: map[string]int64{}}
	return nil
}
