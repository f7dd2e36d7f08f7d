package mirror

import "time"

// Act is an administrative act as it is written down before it is done. No field may hold a secret, nor a part of what was
// sent that was not checked to be a value of few, a number or a time; a note on a decision alone is free text.
type Act struct {
	Actor Actor
	// Role is the actor's; empty for commands.
	Role Role
	// Action is dotted: what it is done to, and what is done, as in "connection.create".
	Action string
	// Target is the id of what it is done to, Connection that of the connection; empty where there is none or it is not
	// known yet.
	Target, Connection string
	// RequestID and Remote are the HTTP request's; empty for commands.
	RequestID, Remote string
	// Detail has what else is worth knowing, such as the names of the fields that are changed; nil for nothing.
	Detail map[string]any
}

// Actor is who does an administrative act. ID is empty for commands, whose name is that of the operating system's user.
type Actor struct {
	Kind     ActorKind
	ID, Name string
}

// ActorKind says what stands for an actor.
type ActorKind string

// The kinds of actors that there are.
const (
	// ActorToken: a token of the API.
	ActorToken ActorKind = "token"
	// ActorEnvironment: the token that stands in the gateway's configuration.
	ActorEnvironment ActorKind = "environment"
	// ActorCommand: a command that works on the database directly.
	ActorCommand ActorKind = "command"
)

// ActEnd is what became of an act.
type ActEnd struct {
	Outcome ActOutcome
	// Status is that of the HTTP answer, 0 for commands.
	Status int
	// Target and Connection are what was not known before; empty for no change. Detail is added to what is there.
	Target, Connection string
	Detail             map[string]any
}

// ActOutcome is what became of an act in one word.
type ActOutcome string

// The outcomes that there are.
const (
	// ActStarted: it was begun, and nobody knows how it ended.
	ActStarted ActOutcome = "started"
	// ActDone: it was done.
	ActDone ActOutcome = "done"
	// ActRefused: it was not allowed, or what was asked for was wrong. Nothing was changed.
	ActRefused ActOutcome = "refused"
	// ActFailed: a fault on our side, at Ashby or on the way; it may be done in part.
	ActFailed ActOutcome = "failed"
)

// AuditEntry is an act as the audit log tells it.
type AuditEntry struct {
	Act
	ID      int64
	At      time.Time
	Outcome ActOutcome
	// Status and FinishedAt are nil as long as the act is ActStarted, Status for commands too.
	Status     *int
	FinishedAt *time.Time
}

// AuditQuery asks for entries of the audit log, the latest first. Zero fields do not filter.
type AuditQuery struct {
	// Since and Until bound the time: from the one on, before the other.
	Since, Until time.Time
	// Actor is an actor's id or name. Action is a whole action, or what it is done to, as "connection". Connection is an id.
	Actor, Action, Connection string
	// Before continues a list after its last entry.
	Before AuditCursor
	// Limit is from 1 to 200.
	Limit int
}

// AuditCursor is the place of an entry.
type AuditCursor struct {
	At time.Time
	ID int64
}
