package mirror

import (
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// ClosedKept is how long a closed job stays in the stream. It must be longer than the log of events goes back, so that
// the log holds nothing of a job that left.
const ClosedKept = 90 * 24 * time.Hour

// Place tells where in the stream the latest event of a listing lies.
type Place struct {
	Connection, Posting string
	// Version is the listing's.
	Version int64
	Seq     uint64
}

// Subject is the NATS subject of the listing's events.
func (p Place) Subject() string { return events.JobSubject(p.Connection, p.Posting) }
