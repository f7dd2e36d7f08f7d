package board

import (
	"time"

	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Job is a job as the board keeps it: Ashbridge's public job and what the board needs beside it.
type Job struct {
	events.Job
	// Version is that of the event which told of this state. An older one never replaces it.
	Version int64
	// Open is false once the job closed. It is kept, so that a late, older event cannot open it again.
	Open bool
	// Reason says why it closed.
	Reason events.Reason
	// PostedAt orders the list, the newest first. IsPosting says that this event opened the job, so that PostedAt is to be
	// taken from it; of other events it counts only where the board does not know the job yet.
	PostedAt  time.Time
	IsPosting bool
}

// Key names a job as jobfeed's positions do. The posting's id alone is unique within its connection only.
func (j Job) Key() string { return key(j.Connection, j.ID) }

func key(connection, posting string) string { return connection + "/" + posting }

// jobOf makes the board's job of an event.
func jobOf(e jobfeed.Event) Job {
	j := Job{Job: e.Job.Job, Version: e.Version, Open: e.Type != events.JobClosed}
	j.Connection, j.ID = e.Connection, e.Posting
	if e.Job.Reason != nil {
		j.Reason = *e.Job.Reason
	}
	j.IsPosting = e.Type == events.JobPublished
	j.PostedAt = postedAt(e).UTC().Truncate(time.Microsecond) // what Postgres keeps of it
	return j
}

// postedAt is when a job came before the public: the moment of the event for one that was published under our eyes, the
// date that the employer's system tells for those that were there before.
func postedAt(e jobfeed.Event) time.Time {
	if e.Type == events.JobPublished && e.Job.Origin != events.OriginSeed {
		return e.Time
	}
	if on := e.Job.Job.PublishedOn; on != nil {
		if day, err := time.Parse(time.DateOnly, *on); err == nil {
			return day
		}
	}
	return e.Job.ChangedAt
}
