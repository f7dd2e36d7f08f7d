package mirror

import "time"

// Trigger says what a run was started by.
type Trigger string

// The triggers of runs.
const (
	TriggerRegistration Trigger = "registration" // the first synchronisation
	TriggerSchedule     Trigger = "schedule"
	TriggerRequest      Trigger = "request" // somebody asked for it, or decided on a hold
	TriggerWebhook      Trigger = "webhook"
)

// Run is one reading of Ashby for a connection, as it is kept for people to look at.
type Run struct {
	// ID orders the runs; the store gives it.
	ID         int64
	Connection string
	Trigger    Trigger
	// Task is "poll", "records" for a slice of what is not polled, or the kind of the object that was refreshed.
	Task string
	// Object is the refreshed object's id, else empty.
	Object                string
	StartedAt, FinishedAt time.Time
	// Outcome is the word that metrics use; Reason is a sentence, empty where all went well.
	Outcome, Reason string
	// Requests counts those sent to Ashby, retries included; Rows the objects read; Changed the records written; Events
	// the events committed.
	Requests, Rows, Changed, Events int
	// RequestIDs are Ashby's, of failed requests first; at most 20.
	RequestIDs []string
}

// RunQuery selects runs of a connection, newest first.
type RunQuery struct {
	Connection string
	// Before is the id of the run that the page follows, 0 for the newest.
	Before int64
	// Task is empty for all.
	Task  string
	Limit int // 1 to 200
}
