package mirror

import "time"

// Mandate is the right to write for a connection, for as long as the lease of its partition lasts.
type Mandate struct {
	Lease      Lease
	Connection string
}

// CompletePoll is what is noted of a poll that compared everything.
type CompletePoll struct {
	// Started is when the poll began.
	Started time.Time
	// AtAshby counts the postings that Ashby listed.
	AtAshby int
	// Unread is a sentence on postings that could not be read and are waited for no longer; empty where all were read.
	Unread string
	// Next is after how long the next poll is due.
	Next time.Duration
	// RereadUntil is the time of day up to which unchanged postings were read again; zero where none were.
	RereadUntil time.Time
}

// StatusChange is a verdict on a connection.
type StatusChange struct {
	Status Status
	// Code is a word for machines that says what kind of reason it is.
	Code string
	// Reason is a sentence for the employer and the operator, without secrets.
	Reason string
	// Key is the sealed key that the verdict was reached with: it says nothing once another key is stored. Nil for a
	// verdict that holds whatever the key is.
	Key Sealed
	// PollWithin has a poll due at the latest after this time if the status changes; zero leaves the schedule alone.
	PollWithin time.Duration
}

// Sweep asks for inbox rows that nobody processed.
type Sweep struct {
	Parts []int
	// Age is how old a row must be.
	Age time.Duration
	// Limit bounds the hints of all connections together, PerConnection those of one.
	Limit, PerConnection int
}
