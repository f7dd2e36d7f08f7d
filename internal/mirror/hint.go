package mirror

import "time"

// HintKind says what a hint asks for. A hint never carries state: it asks for a read.
type HintKind string

// The kinds of hints; any other kind is an Ashby record kind to refresh, with the object's id.
const (
	HintPoll HintKind = "poll" // compare everything with Ashby, incrementally where Ashby can
	HintAll  HintKind = "all"  // the same, asked for by a registration
	// HintRecords asks for a slice of what is not polled: opt-in modules, children, sweeps. It stays within the syncer.
	HintRecords HintKind = "records"
)

// Hint says that something may have changed.
type Hint struct {
	Connection string
	Kind       HintKind
	// ID is the object's id; empty for HintPoll and HintAll.
	ID string
}

// Part is the hint's partition.
func (h Hint) Part() int { return Part(h.Connection) }

// Delivery is a verified webhook on its way into the inbox.
type Delivery struct {
	Connection string `json:"connection"`
	Action     string `json:"action"`
	// Dedupe is Ashby's webhookActionId, or "sha256:" and the hash of the body where that is absent.
	Dedupe string `json:"dedupe"`
	// Kind and Object name what to refresh; HintPoll and "" where the body does not tell; "" and "" for an action
	// that touches nothing we mirror.
	Kind   HintKind `json:"kind"`
	Object string   `json:"object"`
}

// Hint is what follows the commit of a delivery.
func (d Delivery) Hint() Hint { return Hint{Connection: d.Connection, Kind: d.Kind, ID: d.Object} }

// Endpoint is what the gateway must know to judge a webhook.
type Endpoint struct {
	Connection string
	Removed    bool
	// Secret is the current webhook secret, Previous the one before it (nil if none), both sealed.
	Secret, Previous Sealed
	// SecretChangedAt is when the current secret was made.
	SecretChangedAt time.Time
}
