package mirror

import (
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// ClosedKept is how long a closed job stays in the stream. It must be longer than the log of events goes back, so that
// the log holds nothing of a job that left.
const ClosedKept = 90 * 24 * time.Hour

// Place is a version of a job or connection in the stream.
type Place struct {
	// Posting is empty for a connection's own events.
	Connection, Posting string
	Version             int64
}

// Subject is the NATS subject of the events.
func (p Place) Subject() string {
	if p.Posting == "" {
		return events.ConnectionSubject(p.Connection)
	}
	return events.JobSubject(p.Connection, p.Posting)
}

// Latest is the last event of a job or connection that left the outbox: what the stream must hold last of it.
type Latest struct {
	Place
	EventID string
	// Hash is that of the job's public state; nil for a connection, and where a later event waits in the outbox.
	Hash []byte
}
