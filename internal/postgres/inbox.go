package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Endpoint finds the connection of a token, removed ones too. mirror.ErrNotFound if there never was one; any other error
// means that it is not known.
func (g Gateway) Endpoint(ctx context.Context, token string) (mirror.Endpoint, error) {
	var row struct {
		ID              string    `db:"id"`
		Removed         bool      `db:"removed"`
		Secret          []byte    `db:"secret"`
		Previous        []byte    `db:"previous"`
		SecretChangedAt time.Time `db:"secret_changed_at"`
	}
	if err := g.db.x.GetContext(ctx, &row, `
		SELECT c.id, c.status = 'removed' AS removed, c.secret_changed_at, s.sealed AS secret, p.sealed AS previous
		FROM connections c
		LEFT JOIN secrets s ON s.connection_id = c.id AND s.kind = 'webhook_secret'
		LEFT JOIN secrets p ON p.connection_id = c.id AND p.kind = 'webhook_secret_previous'
		WHERE c.webhook_token = $1`, token); err != nil {
		return mirror.Endpoint{}, wrap(ctx, "looking a hook up", err)
	}
	return mirror.Endpoint{
		Connection: row.ID, Removed: row.Removed, Secret: row.Secret, Previous: row.Previous,
		SecretChangedAt: row.SecretChangedAt.UTC(),
	}, nil
}

// Commit writes the deliveries in one statement. One that is there already becomes open again under a new id: its object
// may have changed after the read that answered it, and a read that is under way knows only the old id. One whose
// connection was removed meanwhile is left out silently. A delivery with an empty kind is stored as processed. When it
// returns nil, the rows are on disk.
func (g Gateway) Commit(ctx context.Context, ds []mirror.Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	var connections, actions, dedupes, objects []string
	var kinds []mirror.HintKind
	for _, d := range ds {
		connections = append(connections, d.Connection)
		actions = append(actions, d.Action)
		dedupes = append(dedupes, d.Dedupe)
		kinds = append(kinds, d.Kind)
		objects = append(objects, d.Object)
	}
	// A statement may write a row only once, so equal deliveries are folded first. The order is that of the unique key, so
	// that two commits with the same deliveries do not block each other.
	return retry(ctx, "committing webhooks", func() error {
		_, err := affected(g.db.x.ExecContext(ctx, `
			INSERT INTO webhook_inbox (connection_id, part, action, dedupe, kind, object_id, processed_at)
			SELECT DISTINCT ON (c.id, d.action, d.dedupe, d.object) c.id, c.part, d.action, d.dedupe, d.kind, d.object,
				CASE WHEN d.kind = '' THEN clock_timestamp() END
			FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]),
				CAST($5 AS text[])) AS d (connection, action, dedupe, kind, object)
			JOIN connections c ON c.id = d.connection AND c.status <> 'removed'
			ORDER BY c.id, d.action, d.dedupe, d.object, d.kind DESC
			ON CONFLICT (connection_id, action, dedupe, object_id) DO UPDATE
			SET id = DEFAULT, kind = EXCLUDED.kind, received_at = clock_timestamp(), processed_at = NULL
			WHERE EXCLUDED.kind <> ''`,
			textArray(connections), textArray(actions), textArray(dedupes), textArray(kinds), textArray(objects)))
		return err
	})
}

// Seen notes that an action's setting showed itself, by a ping or a delivery. Deliveries are noted once a minute at most.
// mirror.ErrNotFound.
func (g Gateway) Seen(ctx context.Context, connection, action string, ping bool) error {
	_, err := affected(g.db.x.ExecContext(ctx, `
		INSERT INTO webhook_setup AS w (connection_id, action, pinged_at, last_seen_at)
		VALUES ($1, $2, CASE WHEN $3 THEN clock_timestamp() END, CASE WHEN NOT $3 THEN clock_timestamp() END)
		ON CONFLICT (connection_id, action) DO UPDATE
		SET pinged_at = COALESCE(EXCLUDED.pinged_at, w.pinged_at),
			last_seen_at = COALESCE(EXCLUDED.last_seen_at, w.last_seen_at)
		WHERE EXCLUDED.pinged_at IS NOT NULL
			OR w.last_seen_at IS NULL
			OR w.last_seen_at < EXCLUDED.last_seen_at - INTERVAL '1 minute'`, connection, action, ping))
	return wrap(ctx, "noting a webhook setting", err)
}

// OpenInbox returns the ids of the unprocessed inbox rows of objects that are committed now, by object; with the kinds
// mirror.HintPoll and mirror.HintAll those that name no object, so that only a poll answers them, under "".
func (s Syncer) OpenInbox(
	ctx context.Context, connection string, kind mirror.HintKind, objects ...string,
) (map[string][]int64, error) {
	var rows []struct {
		ID     int64  `db:"id"`
		Object string `db:"object_id"`
	}
	var err error
	if kind == mirror.HintPoll || kind == mirror.HintAll {
		err = s.db.x.SelectContext(ctx, &rows, `
			SELECT id, '' AS object_id
			FROM webhook_inbox
			WHERE connection_id = $1 AND processed_at IS NULL AND (kind IN ('poll', 'all') OR object_id = '')
			ORDER BY id`, connection)
	} else {
		err = s.db.x.SelectContext(ctx, &rows, `
			SELECT id, object_id
			FROM webhook_inbox
			WHERE connection_id = $1 AND processed_at IS NULL AND kind = $2 AND object_id = ANY($3)
			ORDER BY id`, connection, kind, textArray(objects))
	}
	if err != nil {
		return nil, wrap(ctx, "reading the inbox", err)
	}
	open := map[string][]int64{}
	for _, r := range rows {
		open[r.Object] = append(open[r.Object], r.ID)
	}
	return open, nil
}

// finishInbox marks the rows as processed that are not yet. Some may be gone: another read answered them first, or they
// came again. Rows are locked in the order in which Commit writes them.
func finishInbox(ctx context.Context, tx *sqlx.Tx, connection string, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := affected(tx.ExecContext(ctx, `
		WITH answered AS (
			SELECT id
			FROM webhook_inbox
			WHERE id = ANY($2) AND connection_id = $1 AND processed_at IS NULL
			ORDER BY action, dedupe, object_id
			FOR UPDATE
		)
		UPDATE webhook_inbox i
		SET processed_at = clock_timestamp()
		FROM answered a
		WHERE i.id = a.id`, connection, idArray(ids)))
	return err
}
