package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// takeOut deletes outbox rows and makes a delivery of each event for every endpoint that wants it. Only a row that this
// transaction deleted makes any, so that a repetition doubles nothing. Where there is no endpoint, it is one statement.
func takeOut(ctx context.Context, tx *sqlx.Tx, ps []mirror.Published) error {
	byRow := make(map[int64]mirror.Published, len(ps))
	var ids []int64
	for _, p := range ps {
		if p.OutboxID != 0 {
			ids = append(ids, p.OutboxID)
			byRow[p.OutboxID] = p
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var wanted []int64
	if err := tx.SelectContext(ctx, &wanted, `
		WITH gone AS (
			DELETE FROM outbox WHERE id = ANY($1) RETURNING id
		)
		SELECT id
		FROM gone
		WHERE EXISTS (SELECT FROM endpoints WHERE status = 'active')
		ORDER BY id`, idArray(ids)); err != nil || len(wanted) == 0 {
		return err
	}
	taken := make([]mirror.Published, 0, len(wanted))
	for _, id := range wanted {
		taken = append(taken, byRow[id])
	}
	return fanOut(ctx, tx, taken)
}

// fanOut makes the deliveries of events, in the order given. A version that a snapshot has queued already has its one.
func fanOut(ctx context.Context, tx *sqlx.Tx, ps []mirror.Published) error {
	var (
		ids, connections, postings []string
		types                      []events.Type
		versions                   []int64
		created, published         []*time.Time
	)
	for _, p := range ps {
		ids = append(ids, p.EventID)
		connections = append(connections, p.Connection)
		postings = append(postings, p.Posting)
		types = append(types, p.Type)
		versions = append(versions, p.Version)
		created = append(created, &p.CreatedAt)
		published = append(published, known(p.At))
	}
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO deliveries (endpoint_id, connection_id, posting_id, version, event_id, event_created_at, type,
			published_at)
		SELECT r.id, e.connection, e.posting, e.version, CAST(e.id AS uuid), e.created_at, e.type,
			COALESCE(e.published_at, clock_timestamp())
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]),
			CAST($5 AS bigint[]), CAST($6 AS timestamptz[]), CAST($7 AS timestamptz[])) WITH ORDINALITY
			AS e (id, connection, posting, type, version, created_at, published_at, place)
		JOIN endpoints r ON r.status = 'active' AND (r.employers IS NULL OR e.connection = ANY(r.employers))
		ORDER BY e.place
		ON CONFLICT (endpoint_id, connection_id, posting_id, version) DO NOTHING`,
		textArray(ids), textArray(connections), textArray(postings), textArray(types), idArray(versions),
		timeArray(created), timeArray(published)))
	return err
}
