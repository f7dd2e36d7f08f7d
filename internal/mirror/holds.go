package mirror

import "time"

// The states of a hold.
const (
	HoldOpen     = "open"     // waits for an agreeing listing, or for a person
	HoldApproved = "approved" // a person takes the place of the agreeing listing; the reads still decide
	HoldRejected = "rejected" // a person keeps the jobs open until they are back or a read or webhook closes one
	HoldEnded    = "ended"
)

// How holds end.
const (
	HoldRecovered    = "recovered"    // the listing has its postings again
	HoldConfirmed    = "confirmed"    // agreeing listings and reads settled all of it
	HoldDisconnected = "disconnected" // the employer left
)

// HeldView is a hold as people look at it.
type HeldView struct {
	Hold
	Connection, EmployerRef, EmployerName string
	// Jobs are the titles of the held postings that are still public, by posting id.
	Jobs map[string]string
	// Outcome says how it ended, Note what the person wrote who decided last.
	Outcome, Note string
	// Decisions are all that were made, the first one first.
	Decisions          []HoldDecision
	OpenedAt           time.Time
	DecidedAt, EndedAt *time.Time
}

// HoldDecision is what a person decided on a hold.
type HoldDecision struct {
	// State is HoldApproved or HoldRejected.
	State string
	// Note is what the person wrote, By who it was, in words; empty where that is not known.
	Note, By string
	At       time.Time
}

// HoldQuery selects holds, newest first.
type HoldQuery struct {
	Connection string // empty for all
	// Ended has the ended ones too.
	Ended bool
	// Before is the position that the page follows; zero for the newest.
	Before HoldCursor
	Limit  int // 1 to 200
}

// HoldCursor is a position in the order of holds.
type HoldCursor struct {
	OpenedAt time.Time
	ID       string
}
