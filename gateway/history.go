package gateway

import (
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

type historyJSON struct {
	Connection string        `json:"connection"`
	History    []versionJSON `json:"history"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// versionJSON is one version of a public job: what changed, when, and how it was found.
type versionJSON struct {
	Version int64         `json:"version"`
	EventID string        `json:"event_id"`
	Type    events.Type   `json:"type"`
	Origin  events.Origin `json:"origin"`
	// SeenThrough is the origin in words.
	SeenThrough string               `json:"seen_through"`
	Reason      *events.Reason       `json:"reason"`
	Changes     []mirror.FieldChange `json:"changes"`
	ChangedAt   time.Time            `json:"changed_at"`
	ObservedAt  time.Time            `json:"observed_at"`
	RecordedAt  time.Time            `json:"recorded_at"`
}

// seenThrough are the origins in words.
var seenThrough = map[events.Origin]string{
	events.OriginSeed:    "seen through the first synchronisation",
	events.OriginWebhook: "seen through a webhook",
	events.OriginPoll:    "seen through a poll",
	events.OriginRepair:  "seen through a repair",
}

// showHistory lists the versions of one job, newest first.
func (g *Gateway) showHistory(c *fiber.Ctx) error {
	posting := strings.Clone(c.Params("id"))
	q := readQuery(c, "connection", "cursor", "limit")
	connection, limit := q.connection(), q.limit()
	var before int64
	q.cursor(&before)
	if err := q.err(); err != nil {
		return err
	}
	if !idShape.MatchString(posting) {
		return errNotFound
	}
	ctx := c.UserContext()
	_, key, err := g.job(ctx, connection, posting)
	if err != nil {
		return err
	}
	entries, err := g.opts.Diary.History(ctx, key.Connection, posting, before, limit)
	if err != nil {
		return fmt.Errorf("reading the history of a job: %w", err)
	}
	out := historyJSON{Connection: key.Connection, History: make([]versionJSON, 0, len(entries))}
	for _, e := range entries {
		out.History = append(out.History, showVersion(e))
	}
	out.NextCursor = nextCursor(entries, limit, func(last mirror.HistoryEntry) any { return last.Version })
	return writeJSON(c, fiber.StatusOK, out)
}

func showVersion(e mirror.HistoryEntry) versionJSON {
	out := versionJSON{
		Version: e.Version, EventID: e.EventID, Type: e.Type, Origin: e.Origin, SeenThrough: seenThrough[e.Origin],
		Changes: e.Changes, ChangedAt: e.ChangedAt.UTC(), ObservedAt: e.ObservedAt.UTC(), RecordedAt: e.RecordedAt.UTC(),
	}
	if e.Reason != "" {
		out.Reason = &e.Reason
	}
	if out.Changes == nil {
		out.Changes = []mirror.FieldChange{}
	}
	return out
}
