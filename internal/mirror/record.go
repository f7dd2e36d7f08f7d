package mirror

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Record is one mirrored object of Ashby.
type Record struct {
	Kind string
	ID   string
	// Parent is the id of the object whose listing it came from, empty for kinds that are listed whole. Variant names the
	// listing where the kind has several.
	Parent, Variant string
	// Doc is Ashby's object with personal fields dropped; nil where the record is sealed.
	Doc json.RawMessage
	// Sealed is the object, sealed with RecordSecret; nil where Doc is there. Kinds of opt-in modules are sealed.
	Sealed Sealed
	// Hash is Hash of the object, of a sealed one its fingerprint; ListHash is the hash of the object as the listing showed it, nil where the kind has one shape.
	Hash, ListHash []byte
	// UpdatedAt is Ashby's updatedAt, nil where the kind has none.
	UpdatedAt *time.Time
	// FetchedAt is when the read began.
	FetchedAt time.Time
}

// Head is what a comparison with a stored record needs.
type Head struct {
	Hash, ListHash []byte
	// Gone says that the record is kept but no longer at Ashby.
	Gone bool
}

// RecordKey names a record within a connection.
type RecordKey struct{ Kind, ID string }

// RecordSecret is the kind of secret under which a record is sealed, so that one moved elsewhere does not open.
func RecordSecret(kind, id string) string { return "record." + kind + "." + id }

// Lease is the right to write for a partition.
type Lease struct {
	Part  int
	Owner string
	Epoch int64
}

// Listing is the stored public state of a posting.
type Listing struct {
	Posting    string
	State      string // StateOpen or StateClosed
	Version    int64
	Job        json.RawMessage
	Hash       []byte
	Translator string
	Reason     events.Reason
	// VerifiedAt is as of when the state was proven at the listing's latest event.
	VerifiedAt time.Time
}

// Desired is what a read found a posting's public state to be.
type Desired struct {
	Posting string
	// Job is the public job, nil where the posting is not public.
	Job *events.Job
	// Reason says why it is not public.
	Reason events.Reason
	// ChangedAt is when it changed at Ashby, zero where unknown; ObservedAt is when the read began.
	ChangedAt, ObservedAt time.Time
	// VerifiedAt is as of when the posting's own state is proven, and VerifiedBy by what; see events.JobData.
	VerifiedAt time.Time
	VerifiedBy events.Proof
	// Translator names the translation that made Job; see TranslatorKey.
	Translator string
}

// Token is a sync token and what it is bound to.
type Token struct {
	Kind string
	// Variant tells the listings of one kind apart; empty where it has one.
	Variant    string
	ParamsHash []byte
	// Token is Ashby's opaque token; empty forgets the stored one.
	Token string
}

// Hold is a mass disappearance that waits for proof.
type Hold struct {
	// ID names it for people; the store gives it where it is empty.
	ID string
	// State is one of HoldOpen, HoldApproved and HoldRejected.
	State       string
	Postings    []string
	PublicCount int
	Reason      string
	// CreatedAt is when the clock started that an agreeing listing must be later than.
	CreatedAt time.Time
}

// Unit is one unit of work, applied in one transaction or not at all.
type Unit struct {
	Lease      Lease
	Connection string
	Origin     events.Origin
	// Upserts are new or changed records; the caller has compared them already.
	Upserts []Record
	// Gone are records that are no longer at Ashby.
	Gone     []RecordKey
	Listings []Desired
	Token    *Token
	// InboxDone are the ids of inbox rows that this read answers.
	InboxDone []int64
	// SetHold stores the connection's hold or changes the one that is not ended; EndHold ends it and says how.
	SetHold *Hold
	EndHold string
	// Pass notes how far the pass is that the unit is a page of.
	Pass *PassStep
	// Bad are rows that could not be read; Released are objects that were read well and leave quarantine.
	Bad      []BadRow
	Released []RecordKey
	// StaleParents ask for children to be read; ReadParents say that they were, if the mark is still the same.
	StaleParents []ParentKey
	ReadParents  []StaleParent
}

// Empty says that applying the unit would change nothing.
func (u Unit) Empty() bool {
	return len(u.Upserts) == 0 && len(u.Gone) == 0 && len(u.Listings) == 0 && u.Token == nil &&
		len(u.InboxDone) == 0 && u.SetHold == nil && u.EndHold == "" && u.Pass == nil &&
		len(u.Bad) == 0 && len(u.Released) == 0 && len(u.StaleParents) == 0 && len(u.ReadParents) == 0
}

// Applied counts what a unit of work changed.
type Applied struct {
	Records int
	// Events counts the events committed; the relay is to be woken when there are any.
	Events int
	// Made are the job events, for whoever counts how changes were found.
	Made []Made
}

// Made is a job event that a unit of work committed.
type Made struct {
	Posting string
	Type    events.Type
	Reason  events.Reason
}

// JobState is a job as the API shows it: the public job of the events and where it stands.
type JobState struct {
	Job        json.RawMessage
	State      string
	Version    int64
	Reason     events.Reason
	ChangedAt  time.Time
	ObservedAt time.Time
	UpdatedAt  time.Time
	// VerifiedAt is when the connection's last complete poll began; nil before the first.
	VerifiedAt *time.Time
}

// Outgoing is a committed event on its way to the stream.
type Outgoing struct {
	// OutboxID is the row's id, 0 for one that is published again by a repair.
	OutboxID   int64
	EventID    string
	CreatedAt  time.Time
	Connection string
	// Posting is empty for connection events.
	Posting string
	Version int64
	Type    events.Type
	Data    json.RawMessage
}

// Subject is the NATS subject of the event.
func (o Outgoing) Subject() string {
	if o.Posting == "" {
		return events.ConnectionSubject(o.Connection)
	}
	return events.JobSubject(o.Connection, o.Posting)
}

// Head returns where the change was found and when it was made at Ashby, both zero for a connection's event. It reads what
// stands before the job, which is long: to decode it would cost as much as to make the message.
func (o Outgoing) Head() (origin events.Origin, changed time.Time) {
	head, _, _ := bytes.Cut(o.Data, []byte(`,"job":`))
	changed, _ = time.Parse(time.RFC3339Nano, textOf(head, `"changed_at":"`))
	return events.Origin(textOf(head, `"origin":"`)), changed
}

// textOf returns the text that follows a member's beginning.
func textOf(head []byte, begin string) string {
	_, rest, _ := bytes.Cut(head, []byte(begin))
	text, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(text)
}

// Envelope makes the CloudEvent of a committed event, as it is published at a time. The time is as precise as the store
// keeps it, so that the event can be made again, byte for byte.
func (o Outgoing) Envelope(published time.Time) events.Event {
	e := events.Event{
		SpecVersion:     events.SpecVersion,
		ID:              o.EventID,
		Source:          "/connections/" + o.Connection,
		Type:            o.Type,
		Subject:         o.Posting,
		Time:            published.UTC().Truncate(time.Microsecond),
		DataContentType: "application/json",
		Data:            o.Data,
	}
	if e.Subject == "" {
		e.Subject = o.Connection
	}
	return e
}

// Published tells where in the stream an event lies.
type Published struct {
	Outgoing
	Seq uint64
	// At is the event's time, zero where that is not known: after a crash its place alone is read from the stream.
	At time.Time
}
