package mirror

import "errors"

// What can go wrong in the domain. Stores and services return these, wrapped; one file in the gateway turns them into
// HTTP answers.
var (
	// ErrNotFound: no such connection, job or hook.
	ErrNotFound = errors.New("not found")
	// ErrRemoved: the connection was removed on purpose.
	ErrRemoved = errors.New("connection removed")
	// ErrPaused: the operator paused the connection; nothing was written.
	ErrPaused = errors.New("connection paused")
	// ErrDuplicateKey: another connection has the same API key.
	ErrDuplicateKey = errors.New("API key already connected")
	// ErrDuplicateEmployer: another connection has the same employer_ref.
	ErrDuplicateEmployer = errors.New("employer_ref already connected")
	// ErrDuplicateName: another token that is in use has the same name.
	ErrDuplicateName = errors.New("name already used")
	// ErrEnded: the hold has ended; there is nothing left to decide.
	ErrEnded = errors.New("hold ended")
	// ErrNotActive: the receiver is paused or disabled; nothing can be sent to it.
	ErrNotActive = errors.New("receiver not active")
	// ErrTooMany: more was asked for at once than is done at once.
	ErrTooMany = errors.New("too many at once")
	// ErrLeaseLost: the partition belongs to another process now; nothing was written.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnavailable: the store cannot be reached; nothing is known to have been written.
	ErrUnavailable = errors.New("store unavailable")
	// ErrImplausible: an answer from Ashby that must not change anything.
	ErrImplausible = errors.New("implausible answer")
	// ErrRevoked: the subscriber was shut out for good.
	ErrRevoked = errors.New("subscriber revoked")
	// ErrNoConsumer: the subscriber's consumer is not there.
	ErrNoConsumer = errors.New("no such consumer")
	// ErrNoVersion: the stream does not keep that version of the job.
	ErrNoVersion = errors.New("version is not in the stream")
	// ErrDenied: wrong user or password.
	ErrDenied = errors.New("wrong user or password")
)
