package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// maxRows is how many rows one answer of the API holds at most.
const maxRows = 200

func checkLimit(limit int) error {
	if limit < 1 || limit > maxRows {
		return fmt.Errorf("limit %d is not within 1 and %d", limit, maxRows)
	}
	return nil
}

// jobRow is a listing as the API shows it.
type jobRow struct {
	Job        json.RawMessage `db:"job"`
	State      string          `db:"state"`
	Version    int64           `db:"version"`
	Reason     events.Reason   `db:"reason"`
	ChangedAt  time.Time       `db:"changed_at"`
	ObservedAt time.Time       `db:"observed_at"`
	UpdatedAt  time.Time       `db:"updated_at"`
	VerifiedAt *time.Time      `db:"last_verified_at"`
}

func jobsOf(rows []jobRow) []mirror.JobState {
	jobs := make([]mirror.JobState, 0, len(rows))
	for _, r := range rows {
		r.ChangedAt, r.ObservedAt, r.UpdatedAt = r.ChangedAt.UTC(), r.ObservedAt.UTC(), r.UpdatedAt.UTC()
		r.VerifiedAt = utc(r.VerifiedAt)
		jobs = append(jobs, mirror.JobState(r))
	}
	return jobs
}

// Jobs returns at most q.Limit jobs in the order of mirror.JobCursor. A job that changed after the beginning of a
// transaction which still runs is left out until that one has ended, so that no job appears later before those returned.
func (g Gateway) Jobs(ctx context.Context, q mirror.JobQuery) ([]mirror.JobState, error) {
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("reading jobs: %w", err)
	}
	horizon, err := g.horizon(ctx)
	if err != nil {
		return nil, wrap(ctx, "reading the horizon of jobs", err)
	}
	var rows []jobRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT l.job, l.state, l.version, l.reason, l.changed_at, l.observed_at, l.updated_at, s.last_verified_at
		FROM listings l
		JOIN sync_state s ON s.connection_id = l.connection_id
		WHERE (CAST($1 AS text) = '' OR l.connection_id = $1)
			AND (CAST($2 AS text) = '' OR l.state = $2)
			AND l.updated_at >= $3 AND l.updated_at < $8
			AND (l.updated_at, l.connection_id, l.posting_id) > ($4, $5, $6)
		ORDER BY l.updated_at, l.connection_id, l.posting_id
		LIMIT $7`, q.Connection, q.State, q.UpdatedSince, q.After.UpdatedAt, q.After.Connection, q.After.Posting,
		q.Limit, horizon); err != nil {
		return nil, wrap(ctx, "reading jobs", err)
	}
	return jobsOf(rows), nil
}

// horizon returns a time such that whatever is committed after this call has a later updated_at. It must be read by a
// statement of its own: one that is also to see the jobs would see them as they were before it looked at the sessions.
//
// A listing's updated_at is the clock's time after its transaction took a lock, so a transaction that has no id yet will
// write a time after now(). One whose beginning is hidden from this role may have begun at any time; background workers
// write no listings.
func (g Gateway) horizon(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := g.db.x.GetContext(ctx, &at, `
		SELECT LEAST(now(), min(
			CASE WHEN state IS NULL OR state = 'disabled' THEN CAST('epoch' AS timestamptz) ELSE xact_start END))
		FROM pg_stat_activity
		WHERE datname = current_database() AND usesysid IS NOT NULL AND backend_xid IS NOT NULL
			AND pid <> pg_backend_pid()`)
	return at, err
}

// Job returns the jobs with this posting id, by connection; with connection not empty at most one.
func (g Gateway) Job(ctx context.Context, connection, posting string) ([]mirror.JobState, error) {
	var rows []jobRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT l.job, l.state, l.version, l.reason, l.changed_at, l.observed_at, l.updated_at, s.last_verified_at
		FROM listings l
		JOIN sync_state s ON s.connection_id = l.connection_id
		WHERE l.posting_id = $2 AND (CAST($1 AS text) = '' OR l.connection_id = $1)
		ORDER BY l.connection_id
		LIMIT $3`, connection, posting, maxRows); err != nil {
		return nil, wrap(ctx, "reading a job", err)
	}
	return jobsOf(rows), nil
}
