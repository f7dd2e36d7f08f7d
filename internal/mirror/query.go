package mirror

import "time"

// JobQuery selects jobs.
type JobQuery struct {
	Connection   string    // empty for all
	UpdatedSince time.Time // zero for all
	State        string    // "open", "closed", or empty for both
	After        JobCursor // zero for the beginning
	Limit        int       // 1 to 200
}

// JobCursor is a position in the order of jobs: by time of our last change, then connection, then posting.
type JobCursor struct {
	UpdatedAt           time.Time
	Connection, Posting string
}

// StreamState is what the relay last saw of the stream.
type StreamState struct {
	// CreatedAt is the stream's creation time, as NATS tells it: another one means another stream.
	CreatedAt time.Time
	LastSeq   uint64
	// Messages is how many it held then, 0 where that is not known.
	Messages uint64
}
