package mirror

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// FieldChange is a top-level field that differs between two versions of a job.
type FieldChange struct {
	Field string `json:"field"`
	// Before and After are null where the version has no such field.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// HistoryEntry tells of one version of a job.
type HistoryEntry struct {
	Connection, Posting string
	Version             int64
	EventID             string
	Type                events.Type
	Origin              events.Origin
	// Reason is why it closed; empty for other types.
	Reason events.Reason
	// Changes are the fields that differ from the version before; none for the first.
	Changes                           []FieldChange
	ChangedAt, ObservedAt, RecordedAt time.Time
}

// FieldChanges returns the top-level fields in which two objects differ with their values. The names are what Changed
// returned for the two.
func FieldChanges(before, after json.RawMessage, names []string) []FieldChange {
	changes := make([]FieldChange, 0, len(names))
	if len(names) == 0 {
		return changes
	}
	b, a := fields(before), fields(after)
	for _, name := range names {
		changes = append(changes, FieldChange{Field: name, Before: orNull(b[name]), After: orNull(a[name])})
	}
	return changes
}

func orNull(v json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(v)) == 0 {
		return json.RawMessage("null")
	}
	return v
}
