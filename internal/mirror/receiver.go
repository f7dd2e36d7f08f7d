package mirror

import (
	"time"
)

// The states of a receiver.
const (
	ReceiverActive   = "active"
	ReceiverPaused   = "paused"
	ReceiverDisabled = "disabled" // it answered that it is gone
)

// Why a receiver is not active.
const (
	PausedOnRequest = "requested"
	PausedFailing   = "failing" // nothing was answered 2xx for too long
	DisabledGone    = "gone"    // it answered 410
)

// Receiver is an endpoint of somebody else's that events are posted to as webhooks. The API calls it an endpoint; here that
// word is taken by where Ashby's webhooks arrive.
type Receiver struct {
	ID, URL, Description string
	// Employers are the connections whose events it gets; nil for all.
	Employers []string
	// Secret is what its webhooks are signed with. Previous signs beside it until PreviousUntil, after a rotation.
	Secret, Previous Sealed
	PreviousUntil    *time.Time
	Status           string
	StatusCode       string // one of the reasons above, empty while active
	StatusReason     string // the same as a sentence
	StatusSince      time.Time
	// Revision rises with each change that a person makes, so that what was seen before does not count after it.
	Revision  int64
	Health    ReceiverHealth
	CreatedAt time.Time
}

// ReceiverHealth is how its answers have been of late.
type ReceiverHealth struct {
	// FailingSince is the first failure since the last success, nil after a success.
	FailingSince *time.Time
	// Failures is how many there were in a row.
	Failures int
	// RetryAt is before when nothing is sent to it; nil where nothing holds back.
	RetryAt                      *time.Time
	LastSuccessAt, LastFailureAt *time.Time
}

// ReceiverView is a receiver as people look at it.
type ReceiverView struct {
	Receiver
	// Waiting counts the deliveries that are not done, Failed those that were given up and whose job has no newer one that
	// was delivered.
	Waiting, Failed int
	OldestWaitingAt *time.Time
}

// ReceiverPatch changes what is not nil.
type ReceiverPatch struct {
	URL, Description *string
	// Employers is nil to leave the filter as it is; what it points to is nil for all employers.
	Employers *[]string
}

// ReceiverChange is what was seen of a receiver by what sends to it. It counts only at the revision that it was seen at.
type ReceiverChange struct {
	ID       string
	Revision int64
	Health   ReceiverHealth
	// Status is empty to leave it as it is.
	Status, StatusCode, StatusReason string
}

// Backlog is what waits to be sent to all active receivers together, and how many receivers there are.
type Backlog struct {
	Waiting  int
	OldestAt *time.Time
	// Receivers counts them by status.
	Receivers map[string]int
}

// The states of a parcel.
const (
	ParcelPending   = "pending"
	ParcelDelivered = "delivered"
	// ParcelFailed was given up, and no newer version of its job was delivered since.
	ParcelFailed = "failed"
	// ParcelSuperseded was not delivered and is not wanted any more: a newer version of its job was, or is to be.
	ParcelSuperseded = "superseded"
)

// Parcel is one event on its way to one receiver; the API calls it a delivery.
type Parcel struct {
	ID       int64
	Receiver string
	// Event has no data where the log has lost it.
	Event Outgoing
	// PublishedAt is the event's time on the stream.
	PublishedAt time.Time
	// Tries is how often it was tried, FirstTriedAt when for the first time.
	Tries        int
	FirstTriedAt *time.Time
	// HadBefore says that it was delivered before, as far as its latest attempts tell, and goes out again by a replay.
	HadBefore bool
}

// Attempt is what came of sending a parcel once.
type Attempt struct {
	At time.Time `json:"at"`
	// Status is the answer's, 0 where there was none.
	Status int   `json:"status"`
	Millis int64 `json:"ms"`
	// Error is a word for what went wrong, empty where nothing did; Detail is a sentence.
	Error  string `json:"error"`
	Detail string `json:"detail"`
	// Answer is the beginning of what was answered, where that was no success.
	Answer string `json:"answer"`
}

// ParcelOutcome is what an attempt means for a parcel.
type ParcelOutcome struct {
	ID       int64
	Receiver string
	// Tries counts this attempt too.
	Tries   int
	Attempt Attempt
	State   string
	// Retry is how long a pending one waits.
	Retry time.Duration
}

// ParcelView is a parcel as people look at it, with its latest attempts, the oldest first.
type ParcelView struct {
	ID                  int64
	EventID             string
	Type                string
	Connection, Posting string
	Version             int64
	State               string
	PublishedAt         time.Time
	Tries               int
	NextAt              time.Time
	FinishedAt          *time.Time
	Attempts            []Attempt
}

// ParcelQuery selects parcels of a receiver, newest first.
type ParcelQuery struct {
	Receiver string
	State    string // empty for all
	Before   int64  // the id that the page follows; 0 for the newest
	Limit    int    // 1 to 200
}

// Replay says what is to be sent to a receiver again; one of its fields is set.
type Replay struct {
	// Snapshot is the latest version of every job; with OpenOnly, which is for a receiver that is new, without those that
	// were closed of late.
	Snapshot, OpenOnly bool
	// Since is every event from a time on that the log still has.
	Since time.Time
	// Failed is what was given up.
	Failed bool
}

// Replayed is what came of it.
type Replayed struct {
	Queued     int
	Superseded int
}

// Room is how many parcels may be read of a receiver.
type Room struct {
	Receiver string
	Limit    int
}
