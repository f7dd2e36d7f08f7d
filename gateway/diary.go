package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

type quarantineJSON struct {
	Quarantine []quarantinedJSON `json:"quarantine"`
	// Total counts those beyond the limit too.
	Total int `json:"total"`
}

// quarantinedJSON is a row of Ashby's that could not be read. Nothing of its contents is known here.
type quarantinedJSON struct {
	Kind        string            `json:"kind"`
	ID          string            `json:"id"`
	Reason      string            `json:"reason"`
	Shape       map[string]string `json:"shape"`
	FirstSeenAt time.Time         `json:"first_seen_at"`
	LastSeenAt  time.Time         `json:"last_seen_at"`
	Times       int               `json:"times"`
}

func (g *Gateway) listQuarantine(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	q := readQuery(c, "limit")
	limit := q.limit()
	if err := q.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	v, err := g.opts.Connections.View(ctx, id)
	if err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	rows, err := g.opts.Diary.Quarantine(ctx, id, limit)
	if err != nil {
		return fmt.Errorf("listing the quarantine: %w", err)
	}
	out := quarantineJSON{Quarantine: make([]quarantinedJSON, 0, len(rows)), Total: max(v.Quarantined, len(rows))}
	for _, r := range rows {
		shown := quarantinedJSON{
			Kind: r.Kind, ID: r.ID, Reason: r.Reason, Shape: r.Shape, FirstSeenAt: r.FirstSeenAt.UTC(),
			LastSeenAt: r.LastSeenAt.UTC(), Times: r.Times,
		}
		if shown.Shape == nil {
			shown.Shape = map[string]string{}
		}
		out.Quarantine = append(out.Quarantine, shown)
	}
	return writeJSON(c, fiber.StatusOK, out)
}

type runsJSON struct {
	Runs []runJSON `json:"runs"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// runJSON is one reading of Ashby.
type runJSON struct {
	ID      int64          `json:"id"`
	Trigger mirror.Trigger `json:"trigger"`
	Task    string         `json:"task"`
	// Object is the id of the one object that was read, else empty.
	Object     string    `json:"object"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS int64     `json:"duration_ms"`
	Outcome    string    `json:"outcome"`
	Reason     string    `json:"reason"`
	Requests   int       `json:"requests"`
	Rows       int       `json:"rows"`
	Changed    int       `json:"changed"`
	Events     int       `json:"events"`
	RequestIDs []string  `json:"request_ids"`
}

// tasks are the tasks of runs that are no kind.
var tasks = []string{"poll", "records"}

func (g *Gateway) listRuns(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	q := readQuery(c, "task", "cursor", "limit")
	query := mirror.RunQuery{Connection: id, Task: q.value("task"), Limit: q.limit()}
	if known := slices.Concat(tasks, kinds()); query.Task != "" && !slices.Contains(known, query.Task) {
		q.fault("task", "it must be one of: "+strings.Join(known, ", "))
	}
	q.cursor(&query.Before)
	if err := q.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	if _, err := g.opts.Connections.View(ctx, id); err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	runs, err := g.opts.Diary.Runs(ctx, query)
	if err != nil {
		return fmt.Errorf("listing runs: %w", err)
	}
	out := runsJSON{Runs: make([]runJSON, 0, len(runs))}
	for _, r := range runs {
		out.Runs = append(out.Runs, showRun(r))
	}
	out.NextCursor = nextCursor(runs, query.Limit, func(last mirror.Run) any { return last.ID })
	return writeJSON(c, fiber.StatusOK, out)
}

func showRun(r mirror.Run) runJSON {
	out := runJSON{
		ID: r.ID, Trigger: r.Trigger, Task: r.Task, Object: r.Object, StartedAt: r.StartedAt.UTC(),
		DurationMS: max(0, r.FinishedAt.Sub(r.StartedAt).Milliseconds()), Outcome: r.Outcome, Reason: r.Reason,
		Requests: r.Requests, Rows: r.Rows, Changed: r.Changed, Events: r.Events, RequestIDs: r.RequestIDs,
	}
	if out.RequestIDs == nil {
		out.RequestIDs = []string{}
	}
	return out
}
