package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Quarantined returns the objects in quarantine that can be read by their id, those that were last seen longest ago first, at
// most limit.
func (s Syncer) Quarantined(
	ctx context.Context, connection string, kinds []string, limit int,
) ([]mirror.RecordKey, error) {
	var rows []struct {
		Kind string `db:"kind"`
		ID   string `db:"id"`
	}
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT kind, id
		FROM quarantine
		WHERE connection_id = $1 AND kind = ANY($2) AND id NOT LIKE 'row-%'
		ORDER BY last_seen_at, kind, id
		LIMIT $3`, connection, textArray(kinds), limit); err != nil {
		return nil, wrap(ctx, "reading the quarantine", err)
	}
	keys := make([]mirror.RecordKey, 0, len(rows))
	for _, r := range rows {
		keys = append(keys, mirror.RecordKey(r))
	}
	return keys, nil
}

// Nameless returns the rows of a kind in quarantine that showed no id and were last seen before a time. Those that stand
// for the children of one parent are not among them.
func (s Syncer) Nameless(ctx context.Context, connection, kind string, before time.Time) ([]mirror.RecordKey, error) {
	var ids []string
	if err := s.db.x.SelectContext(ctx, &ids, `
		SELECT id
		FROM quarantine
		WHERE connection_id = $1 AND kind = $2 AND id LIKE 'row-%' AND id NOT LIKE 'row-of-%' AND last_seen_at < $3
		ORDER BY id`, connection, kind, before); err != nil {
		return nil, wrap(ctx, "reading the rows without an id in quarantine", err)
	}
	keys := make([]mirror.RecordKey, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, mirror.RecordKey{Kind: kind, ID: id})
	}
	return keys, nil
}

// Quarantine returns the rows in quarantine, the latest seen first, at most limit.
func (g Gateway) Quarantine(ctx context.Context, connection string, limit int) ([]mirror.Quarantined, error) {
	const doing = "reading the quarantine"
	var rows []struct {
		Kind        string          `db:"kind"`
		ID          string          `db:"id"`
		Reason      string          `db:"reason"`
		Shape       json.RawMessage `db:"shape"`
		FirstSeenAt time.Time       `db:"first_seen_at"`
		LastSeenAt  time.Time       `db:"last_seen_at"`
		Times       int             `db:"times"`
	}
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT kind, id, reason, shape, first_seen_at, last_seen_at, times
		FROM quarantine
		WHERE connection_id = $1
		ORDER BY last_seen_at DESC, kind, id
		LIMIT $2`, connection, limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	bad := make([]mirror.Quarantined, 0, len(rows))
	for _, r := range rows {
		q := mirror.Quarantined{
			BadRow:      mirror.BadRow{Kind: r.Kind, ID: r.ID, Reason: r.Reason},
			FirstSeenAt: r.FirstSeenAt.UTC(), LastSeenAt: r.LastSeenAt.UTC(), Times: r.Times,
		}
		if err := json.Unmarshal(r.Shape, &q.Shape); err != nil {
			return nil, fmt.Errorf("%s: shape of %s %s: %w", doing, r.Kind, r.ID, err)
		}
		bad = append(bad, q)
	}
	return bad, nil
}

// applyQuarantine lets go of what was read well, then puts in what could not be read. Without a reason it is there for the
// one that is known already.
func applyQuarantine(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if len(u.Released) > 0 {
		kinds, ids := keyColumns(u.Released)
		if _, err := affected(tx.ExecContext(ctx, `
			DELETE FROM quarantine q
			USING unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS n (kind, id)
			WHERE q.connection_id = $1 AND q.kind = n.kind AND q.id = n.id`,
			u.Connection, textArray(kinds), textArray(ids))); err != nil {
			return err
		}
	}
	if len(u.Bad) == 0 {
		return nil
	}
	var kinds, ids, reasons, shapes []string
	for _, b := range u.Bad {
		shape, err := json.Marshal(b.Shape)
		if err != nil {
			return fmt.Errorf("writing the shape of %s %s: %w", b.Kind, b.ID, err)
		}
		kinds = append(kinds, b.Kind)
		ids = append(ids, b.ID)
		reasons = append(reasons, legible(b.Reason))
		shapes = append(shapes, string(shape))
	}
	// A listing may show one row twice, and a statement may write it only once.
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO quarantine AS q (connection_id, kind, id, reason, shape, first_seen_at, last_seen_at)
		SELECT DISTINCT ON (n.kind, n.id) $1, n.kind, n.id, n.reason, CAST(n.shape AS json), clock_timestamp(),
			clock_timestamp()
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]))
			AS n (kind, id, reason, shape)
		ORDER BY n.kind, n.id
		ON CONFLICT (connection_id, kind, id) DO UPDATE
		SET reason = COALESCE(NULLIF(EXCLUDED.reason, ''), q.reason),
			shape = CASE WHEN EXCLUDED.reason = '' THEN q.shape ELSE EXCLUDED.shape END, last_seen_at = EXCLUDED.last_seen_at, times = q.times + 1`,
		u.Connection, textArray(kinds), textArray(ids), textArray(reasons), textArray(shapes)))
	return err
}

// releasePostings lets go of the postings that the poll that ends here did not show as unreadable again. Ashby shows them
// no more, or they were read well. The beginning of the poll is the database's time where it was noted, as that of the
// rows is.
func releasePostings(ctx context.Context, tx *sqlx.Tx, connection string, started time.Time) error {
	_, err := affected(tx.ExecContext(ctx, `
		DELETE FROM quarantine
		WHERE connection_id = $1 AND kind = 'posting' AND last_seen_at < (
			SELECT COALESCE(poll_started_at, $2) FROM sync_state WHERE connection_id = $1
		)`, connection, started))
	return err
}

// keyColumns turns keys into one list a column.
func keyColumns(keys []mirror.RecordKey) (kinds, ids []string) {
	for _, k := range keys {
		kinds = append(kinds, k.Kind)
		ids = append(ids, k.ID)
	}
	return kinds, ids
}
