package mirror

import (
	"hash/fnv"
	"time"
)

// Partitions is how many partitions the work is divided into.
const Partitions = 64

// Part is the partition of a connection.
func Part(connection string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(connection))
	return int(h.Sum32() % Partitions)
}

// Status is the state of a connection.
type Status string

// The states of a connection.
const (
	StatusActive       Status = "active"       // polled and refreshed
	StatusDegraded     Status = "degraded"     // Ashby does not answer as it should; still tried
	StatusUnauthorized Status = "unauthorized" // Ashby refuses the key; probed once an interval, closes nothing
	StatusPaused       Status = "paused"       // the operator paused it
	StatusRemoved      Status = "removed"      // disconnected for good
)

// Connection is one employer's Ashby account.
type Connection struct {
	ID           string
	Part         int
	EmployerRef  string
	EmployerName string
	Status       Status
	StatusReason string
	StatusSince  time.Time
	// Modules are the groups of kinds that are read; "jobs" is the only one so far.
	Modules      []string
	PollInterval time.Duration
	KeyLast4     string
	Report       Report
	// WebhookToken is the address of the connection's hooks. The proof is the signature, not the address.
	WebhookToken string
	CreatedAt    time.Time
}

// View is a connection with what is known of its synchronisation.
type View struct {
	Connection
	Sync     SyncState
	Counts   Counts
	Webhooks []WebhookSeen
}

// SyncState tells how far a connection's copy is.
type SyncState struct {
	NextPollAt     time.Time
	PollStartedAt  *time.Time
	PollFinishedAt *time.Time
	// FirstSyncedAt is nil until the first complete pass.
	FirstSyncedAt *time.Time
	// LastVerifiedAt is when the last complete poll began.
	LastVerifiedAt *time.Time
	// Done and Total count the postings of the running pass.
	Done, Total int
	LastError   string
}

// Counts are the sizes of a connection's jobs.
type Counts struct {
	AtAshby, Mirrored, Public, Held int
}

// WebhookSeen tells when an action's setting last showed itself.
type WebhookSeen struct {
	Action     string
	PingedAt   *time.Time
	LastSeenAt *time.Time
}

// Sealed is a secret as it is stored.
type Sealed []byte

// NewConnection is what a registration stores, in one transaction.
type NewConnection struct {
	Connection
	Key            Sealed
	KeyFingerprint []byte
	WebhookSecret  Sealed
}

// ConnectionPatch changes a connection; nil fields stay as they are.
type ConnectionPatch struct {
	EmployerName *string
	PollInterval *time.Duration
	Paused       *bool
	Key          *KeyPatch
	// WebhookSecret becomes the current secret; the current one becomes the previous one.
	WebhookSecret Sealed
}

// KeyPatch replaces an API key.
type KeyPatch struct {
	Sealed      Sealed
	Fingerprint []byte
	Last4       string
	Report      Report
}

// Removal says what happens to the public jobs of an employer who disconnects.
type Removal string

// The choices of an employer who disconnects.
const (
	KeepJobs  Removal = "keep"
	CloseJobs Removal = "close"
)
