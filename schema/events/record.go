package events

import (
	"encoding/json"
	"time"
)

// RecordsStream is the JetStream stream that carries the changes of all mirrored records. It is there only where the
// operator turned it on.
//
// It holds the present state of each record, in at most one message per subject. Per record the versions rise, but some
// may be skipped: of several changes in a short time the last one is told. A message may come twice, with the same id
// and version; it is never followed by an older one. When a connection or one of its kinds is removed, its messages
// leave the stream without a word, and a kind that is added again begins anew at version 1: what comes later on the
// stream is what counts. Readers filter by RecordSubjects.
const RecordsStream = "RECORDS"

// The types of RecordsStream.
const (
	RecordChanged Type = "record.changed"
	RecordGone    Type = "record.gone"
)

// RecordData is the data of record events.
type RecordData struct {
	// Version rises with each change of the record; some may be skipped.
	Version int64 `json:"version"`
	// Kind says what the record is: "posting", "job", "candidate" …; new kinds may come.
	Kind string `json:"kind"`
	// ID is Ashby's id, unique within the connection and kind.
	ID         string `json:"id"`
	Connection string `json:"connection"`
	// Parent is the id of the record that this one belongs to, for example the candidate of a note; empty where the kind
	// has none.
	Parent string `json:"parent"`
	// UpdatedAt is Ashby's time of the last update, nil where Ashby tells none.
	UpdatedAt *time.Time `json:"updated_at"`
	// ObservedAt is when the read began that found this state; on record.gone, when the record was found to be gone.
	ObservedAt time.Time `json:"observed_at"`
	// Record is Ashby's object without employees' personal fields; on record.gone its last state. It is null where
	// Sealed or TooLarge is set: read it at GET /v1/records/{kind}/{id}.
	Record json.RawMessage `json:"record"`
	// Sealed says that the kind holds personal data, of candidates for example, which Ashbridge keeps encrypted and never
	// sends over NATS.
	Sealed bool `json:"sealed"`
	// TooLarge says that the object does not fit into a message.
	TooLarge bool `json:"too_large,omitempty"`
}

// RecordSubject is the NATS subject of a record's events.
func RecordSubject(connection, kind, id string) string {
	return "records.v1." + connection + "." + kind + "." + id
}

// RecordSubjects are the subjects of all records.
func RecordSubjects() []string { return []string{"records.v1.*.*.*"} }
