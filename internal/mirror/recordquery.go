package mirror

import "time"

// RecordQuery selects mirrored records of one kind of one connection, in the order of our last change.
type RecordQuery struct {
	Connection, Kind string
	UpdatedSince     time.Time    // zero for all
	After            RecordCursor // zero for the beginning
	Limit            int          // 1 to 200
}

// RecordCursor is a position in that order.
type RecordCursor struct {
	ChangedAt time.Time
	ID        string
}

// RecordState is a record as the API shows it.
type RecordState struct {
	Record
	// Version rises with every change of the record.
	Version int64
	// ChangedAt is our time of the last change.
	ChangedAt time.Time
	// Gone says that Ashby has it no more. A sealed record has no document then.
	Gone bool
}

// OutgoingRecord is a record whose state is to be told on the stream RECORDS.
type OutgoingRecord struct {
	// OutboxID is the mark of the change that made it due.
	OutboxID   int64
	Connection string
	RecordState
}

// RecordPurge says whose records the stream RECORDS must forget.
type RecordPurge struct {
	Connection string
	// Kind is empty for all.
	Kind string
	// AskedAt tells a purge from a later one of the same.
	AskedAt time.Time
}
