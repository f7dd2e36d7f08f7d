package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// diffOf returns the differences between a listing's job and the one before it, as JSON; none for the first. An update's
// event has named them already.
func diffOf(before *mirror.Listing, next mirror.Listing, typ events.Type, data *events.JobData) (string, error) {
	if before == nil {
		return "[]", nil
	}
	names := data.Changed
	if typ != events.JobUpdated {
		names = mirror.Changed(before.Job, next.Job)
	}
	diff, err := json.Marshal(mirror.FieldChanges(before.Job, next.Job, names))
	if err != nil {
		return "", fmt.Errorf("writing the changes of a job: %w", err)
	}
	return string(diff), nil
}

// writeHistory tells of each change field by field. It goes with the event, so what one of them says the other does.
func (c *changes) writeHistory(ctx context.Context, tx *sqlx.Tx, connection string, at time.Time) error {
	var (
		postings, ids     []string
		versions          []int64
		types             []events.Type
		origins           []events.Origin
		reasons           []events.Reason
		changed, observed []*time.Time
	)
	for i, m := range c.made() {
		postings = append(postings, m.Posting)
		versions = append(versions, c.entries[i].version)
		ids = append(ids, c.entries[i].id)
		types = append(types, m.Type)
		origins = append(origins, c.data[i].Origin)
		reasons = append(reasons, m.Reason)
		changed = append(changed, &c.data[i].ChangedAt)
		observed = append(observed, &c.data[i].ObservedAt)
	}
	return mustAffect(len(postings))(tx.ExecContext(ctx, `
		INSERT INTO job_history (connection_id, posting_id, version, event_id, type, origin, reason, changes, changed_at,
			observed_at, recorded_at)
		SELECT $1, n.posting, n.version, CAST(n.event_id AS uuid), n.type, n.origin, n.reason, CAST(n.changes AS json),
			n.changed_at, n.observed_at, $2
		FROM unnest(CAST($3 AS text[]), CAST($4 AS bigint[]), CAST($5 AS text[]), CAST($6 AS text[]),
			CAST($7 AS text[]), CAST($8 AS text[]), CAST($9 AS text[]), CAST($10 AS timestamptz[]),
			CAST($11 AS timestamptz[]))
			AS n (posting, version, event_id, type, origin, reason, changes, changed_at, observed_at)`,
		connection, at, textArray(postings), idArray(versions), textArray(ids), textArray(types), textArray(origins),
		textArray(reasons), textArray(c.diffs), timeArray(changed), timeArray(observed)))
}

// History returns what changed of the jobs with this posting id, the latest versions first, at most limit; with
// connection empty those of all connections that have it, with beforeVersion above zero only older versions.
func (g Gateway) History(
	ctx context.Context, connection, posting string, beforeVersion int64, limit int,
) ([]mirror.HistoryEntry, error) {
	const doing = "reading the history of a job"
	if err := checkLimit(limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []struct {
		Connection string          `db:"connection_id"`
		Version    int64           `db:"version"`
		EventID    string          `db:"event_id"`
		Type       events.Type     `db:"type"`
		Origin     events.Origin   `db:"origin"`
		Reason     events.Reason   `db:"reason"`
		Changes    json.RawMessage `db:"changes"`
		ChangedAt  time.Time       `db:"changed_at"`
		ObservedAt time.Time       `db:"observed_at"`
		RecordedAt time.Time       `db:"recorded_at"`
	}
	// The listings say which connections have the posting: they have an index for it, and every history has one.
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT h.connection_id, h.version, h.event_id, h.type, h.origin, h.reason, h.changes, h.changed_at, h.observed_at,
			h.recorded_at
		FROM listings l
		JOIN job_history h ON h.connection_id = l.connection_id AND h.posting_id = l.posting_id
		WHERE l.posting_id = $2 AND (CAST($1 AS text) = '' OR l.connection_id = $1)
			AND (CAST($3 AS bigint) <= 0 OR h.version < $3)
		ORDER BY h.version DESC, h.connection_id
		LIMIT $4`, connection, posting, beforeVersion, limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	entries := make([]mirror.HistoryEntry, 0, len(rows))
	for _, r := range rows {
		e := mirror.HistoryEntry{
			Connection: r.Connection, Posting: posting, Version: r.Version, EventID: r.EventID, Type: r.Type,
			Origin: r.Origin, Reason: r.Reason, ChangedAt: r.ChangedAt.UTC(), ObservedAt: r.ObservedAt.UTC(),
			RecordedAt: r.RecordedAt.UTC(),
		}
		if err := json.Unmarshal(r.Changes, &e.Changes); err != nil {
			return nil, fmt.Errorf("%s: version %d: %w", doing, r.Version, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
