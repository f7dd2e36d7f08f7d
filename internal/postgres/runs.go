package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// NoteRuns stores runs in one statement, in the order given. Those of unknown or removed connections are left out.
func (s Syncer) NoteRuns(ctx context.Context, runs []mirror.Run) error {
	const doing = "noting runs"
	if len(runs) == 0 {
		return nil
	}
	var (
		connections, tasks, objects, outcomes, reasons, requestIDs []string
		triggers                                                   []mirror.Trigger
		started, finished                                          []*time.Time
		requests, rows, changed, made                              []int
	)
	for _, r := range runs {
		// An array of arrays must be even, so the ids travel as the text of an array each.
		ids, err := pq.StringArray(notNil(r.RequestIDs)).Value()
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		connections = append(connections, r.Connection)
		triggers = append(triggers, r.Trigger)
		tasks = append(tasks, r.Task)
		objects = append(objects, r.Object)
		started = append(started, &r.StartedAt)
		finished = append(finished, &r.FinishedAt)
		outcomes = append(outcomes, r.Outcome)
		reasons = append(reasons, legible(r.Reason))
		requests = append(requests, r.Requests)
		rows = append(rows, r.Rows)
		changed = append(changed, r.Changed)
		made = append(made, r.Events)
		requestIDs = append(requestIDs, fmt.Sprint(ids))
	}
	_, err := affected(s.db.x.ExecContext(ctx, `
		INSERT INTO runs (connection_id, trigger, task, object_id, started_at, finished_at, outcome, reason, requests,
			rows_read, changed, events, request_ids)
		SELECT c.id, n.trigger, n.task, n.object, n.started_at, n.finished_at, n.outcome, n.reason, n.requests, n.rows_read,
			n.changed, n.events, CAST(n.request_ids AS text[])
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]),
			CAST($5 AS timestamptz[]), CAST($6 AS timestamptz[]), CAST($7 AS text[]), CAST($8 AS text[]),
			CAST($9 AS integer[]), CAST($10 AS integer[]), CAST($11 AS integer[]), CAST($12 AS integer[]),
			CAST($13 AS text[])) WITH ORDINALITY
			AS n (connection, trigger, task, object, started_at, finished_at, outcome, reason, requests, rows_read,
				changed, events, request_ids, place)
		JOIN connections c ON c.id = n.connection AND c.status <> 'removed'
		ORDER BY n.place`,
		textArray(connections), textArray(triggers), textArray(tasks), textArray(objects), timeArray(started),
		timeArray(finished), textArray(outcomes), textArray(reasons), intArray(requests), intArray(rows),
		intArray(changed), intArray(made), textArray(requestIDs)))
	return wrap(ctx, doing, err)
}

// Runs returns runs of a connection, the latest first, at most q.Limit.
func (g Gateway) Runs(ctx context.Context, q mirror.RunQuery) ([]mirror.Run, error) {
	const doing = "reading runs"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []struct {
		ID         int64          `db:"id"`
		Connection string         `db:"connection_id"`
		Trigger    mirror.Trigger `db:"trigger"`
		Task       string         `db:"task"`
		Object     string         `db:"object_id"`
		StartedAt  time.Time      `db:"started_at"`
		FinishedAt time.Time      `db:"finished_at"`
		Outcome    string         `db:"outcome"`
		Reason     string         `db:"reason"`
		Requests   int            `db:"requests"`
		Rows       int            `db:"rows_read"`
		Changed    int            `db:"changed"`
		Events     int            `db:"events"`
		RequestIDs pq.StringArray `db:"request_ids"`
	}
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT id, connection_id, trigger, task, object_id, started_at, finished_at, outcome, reason, requests, rows_read,
			changed, events, request_ids
		FROM runs
		WHERE connection_id = $1
			AND (CAST($2 AS bigint) <= 0 OR id < $2)
			AND (CAST($3 AS text) = '' OR task = $3)
		ORDER BY id DESC
		LIMIT $4`, q.Connection, q.Before, q.Task, q.Limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	runs := make([]mirror.Run, 0, len(rows))
	for _, r := range rows {
		runs = append(runs, mirror.Run{
			ID: r.ID, Connection: r.Connection, Trigger: r.Trigger, Task: r.Task, Object: r.Object,
			StartedAt: r.StartedAt.UTC(), FinishedAt: r.FinishedAt.UTC(), Outcome: r.Outcome, Reason: r.Reason,
			Requests: r.Requests, Rows: r.Rows, Changed: r.Changed, Events: r.Events, RequestIDs: r.RequestIDs,
		})
	}
	return runs, nil
}
