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
	// StatusCode is a word for machines, StatusReason a sentence; both empty where all is well.
	StatusCode, StatusReason string
	StatusSince              time.Time
	// Modules are the groups of kinds that are read; "jobs" is always among them.
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
	Coverage []Coverage
	// ModuleStates are those of the modules that are read apart from the poll, by module.
	ModuleStates []ModuleState
	// Quarantined counts the rows in quarantine.
	Quarantined int
}

// SyncState tells how far a connection's copy is.
type SyncState struct {
	NextPollAt time.Time
	// NextRecordsAt is when the next slice of what is not polled is due.
	NextRecordsAt  time.Time
	PollStartedAt  *time.Time
	PollFinishedAt *time.Time
	// FirstSyncedAt is nil until the first complete pass.
	FirstSyncedAt *time.Time
	// LastVerifiedAt is when the last complete poll began.
	LastVerifiedAt *time.Time
	// RereadUntil is the time up to which unchanged postings were read again; nil before the first time.
	RereadUntil *time.Time
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
	// SettingID is Ashby's id of a setting that was made through the API, else empty. Enabled is what webhook.info last
	// said of it, nil where unknown; Problem is a sentence on what keeps it from working.
	SettingID string
	Enabled   *bool
	CheckedAt *time.Time
	Problem   string
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
	// Modules replace the present ones; PurgeKinds are the kinds whose records go with a module that is taken away.
	Modules    []string
	PurgeKinds []string
	// Report is what a fresh look at the present key found; a new key brings its own.
	Report *Report
	Paused *bool
	Key    *KeyPatch
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
