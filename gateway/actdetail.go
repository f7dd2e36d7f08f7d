package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// actNote is how many characters of a note the audit log has.
const actNote = 500

// actDetail is all that the audit log can tell of what a request asked for. The list is closed: a handler puts a value in
// once it was checked, and each is one of few words, a number, a time, or yes or no. Only Note is free text, which is what
// the operator wrote to explain a decision that was made. Nothing else that was sent is in it.
type actDetail struct {
	// Fields names the fields of the body. They are fields that there are, so that no secret can be among them.
	Fields []string `json:"fields,omitempty"`
	// Kind is that of the records that were looked at.
	Kind string `json:"kind,omitempty"`
	// Jobs says what becomes of the jobs of an employer that left.
	Jobs mirror.Removal `json:"jobs,omitempty"`
	// Role and ExpiresAt are a new token's.
	Role      mirror.Role `json:"role,omitempty"`
	ExpiresAt *time.Time  `json:"expires_at,omitempty"`
	// Paused, Modules and PollInterval, "1h0m0s", are a connection's.
	Paused       *bool    `json:"paused,omitempty"`
	Modules      []string `json:"modules,omitempty"`
	PollInterval string   `json:"poll_interval,omitempty"`
	// Replay says which events are sent again.
	Replay replayKind `json:"replay,omitempty"`
	// Note is what was written to explain a decision.
	Note string `json:"note,omitempty"`
}

// replayKind says which events are sent again, as the field is called that asks for them.
type replayKind string

const (
	replaySnapshot replayKind = "snapshot"
	replaySince    replayKind = "since"
	replayOneJob   replayKind = "job"
	replayFailed   replayKind = "failed"
)

// detailOf is where the detail of a request's act is put together.
func detailOf(c *fiber.Ctx) *actDetail { return &exchangeOf(c).detail }

// named is the detail by its names, nil where there is none.
func (d actDetail) named() (map[string]any, error) {
	if r := []rune(d.Note); len(r) > actNote {
		d.Note = string(r[:actNote-1]) + "…"
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding the detail of an act: %w", err)
	}
	var named map[string]any
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, fmt.Errorf("decoding the detail of an act: %w", err)
	}
	return named, nil
}
