package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// recordStateRow is a record as the API shows it.
type recordStateRow struct {
	recordRow
	Version   int64     `db:"version"`
	ChangedAt time.Time `db:"changed_at"`
	Gone      bool      `db:"gone"`
}

func (r recordStateRow) state() mirror.RecordState {
	return mirror.RecordState{Record: r.record(), Version: r.Version, ChangedAt: r.ChangedAt.UTC(), Gone: r.Gone}
}

// Records returns at most q.Limit records, gone ones too, in the order of mirror.RecordCursor. As with Jobs, what changed
// after the beginning of a transaction which still runs is left out until that one has ended.
func (g Gateway) Records(ctx context.Context, q mirror.RecordQuery) ([]mirror.RecordState, error) {
	const doing = "reading the feed of records"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	horizon, err := g.horizon(ctx)
	if err != nil {
		return nil, wrap(ctx, "reading the horizon of records", err)
	}
	var rows []recordStateRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT kind, id, parent_id, variant, doc, sealed, hash, list_hash, ashby_updated_at, fetched_at, version, changed_at,
			gone_at IS NOT NULL AS gone
		FROM records
		WHERE connection_id = $1 AND kind = $2
			AND changed_at >= $3 AND changed_at < $6
			AND (changed_at, id) > ($4, $5)
		ORDER BY changed_at, id
		LIMIT $7`, q.Connection, q.Kind, q.UpdatedSince, q.After.ChangedAt, q.After.ID, horizon, q.Limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	states := make([]mirror.RecordState, 0, len(rows))
	for _, r := range rows {
		states = append(states, r.state())
	}
	return states, nil
}

// Record returns a record, one that is gone too. mirror.ErrNotFound.
func (g Gateway) Record(ctx context.Context, connection, kind, id string) (mirror.RecordState, error) {
	var row recordStateRow
	if err := g.db.x.GetContext(ctx, &row, `
		SELECT kind, id, parent_id, variant, doc, sealed, hash, list_hash, ashby_updated_at, fetched_at, version, changed_at,
			gone_at IS NOT NULL AS gone
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND id = $3`, connection, kind, id); err != nil {
		return mirror.RecordState{}, wrap(ctx, "reading a record", err)
	}
	return row.state(), nil
}
