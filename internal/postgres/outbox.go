package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// outgoingRow is an event of the log.
type outgoingRow struct {
	OutboxID   int64           `db:"outbox_id"`
	EventID    string          `db:"event_id"`
	CreatedAt  time.Time       `db:"created_at"`
	Connection string          `db:"connection_id"`
	Posting    string          `db:"posting_id"`
	Version    int64           `db:"version"`
	Type       events.Type     `db:"type"`
	Data       json.RawMessage `db:"data"`
}

func (r outgoingRow) outgoing() mirror.Outgoing {
	r.CreatedAt = r.CreatedAt.UTC()
	return mirror.Outgoing(r)
}

// Pending returns the oldest outbox rows in id order, at most limit. The rows that are there are all that matters: a
// reader that remembers the last id it saw would jump over those that commit later.
func (n Notifier) Pending(ctx context.Context, limit int) ([]mirror.Outgoing, error) {
	var rows []outgoingRow
	// The limit within e keeps the planner to one look-up a row, however large the log.
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT o.id AS outbox_id, e.event_id, e.created_at, e.connection_id, e.posting_id, e.version, e.type, e.data
		FROM (
			SELECT id, event_id, event_created_at
			FROM outbox
			ORDER BY id
			LIMIT $1
		) o
		CROSS JOIN LATERAL (
			SELECT id AS event_id, created_at, connection_id, posting_id, version, type, data
			FROM events
			WHERE created_at = o.event_created_at AND id = o.event_id
			LIMIT 1
		) e
		ORDER BY o.id`, limit); err != nil {
		return nil, wrap(ctx, "reading the outbox", err)
	}
	pending := make([]mirror.Outgoing, 0, len(rows))
	for _, r := range rows {
		pending = append(pending, r.outgoing())
	}
	return pending, nil
}

// Published deletes the outbox rows, notes each listing's place in the stream (never an older version's over a newer
// one's) and the stream's state, and makes the deliveries of the events to endpoints, in one transaction. Rows that are
// gone already are no error, and make no delivery: it may be repeated.
func (n Notifier) Published(ctx context.Context, ps []mirror.Published, s mirror.StreamState) error {
	return n.db.inTx(ctx, "noting what was published", func(tx *sqlx.Tx) error {
		if err := notePlaces(ctx, tx, ps); err != nil {
			return err
		}
		if err := takeOut(ctx, tx, ps); err != nil {
			return err
		}
		return mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO stream_state (stream, created_at, last_seq, updated_at)
			VALUES ($1, $2, $3, clock_timestamp())
			ON CONFLICT (stream) DO UPDATE
			SET created_at = EXCLUDED.created_at, last_seq = EXCLUDED.last_seq, updated_at = EXCLUDED.updated_at`,
			events.Stream, s.CreatedAt, int64(s.LastSeq)))
	})
}

// notePlaces notes where in the stream the listings' latest events lie. Rows are locked in the order in which Apply locks
// them; an event that a newer version has overtaken finds no row.
func notePlaces(ctx context.Context, tx *sqlx.Tx, ps []mirror.Published) error {
	var connections, postings []string
	var versions, places []int64
	for _, p := range ps {
		if p.Posting == "" {
			continue
		}
		connections = append(connections, p.Connection)
		postings = append(postings, p.Posting)
		versions = append(versions, p.Version)
		places = append(places, int64(p.Seq))
	}
	if len(connections) == 0 {
		return nil
	}
	_, err := affected(tx.ExecContext(ctx, `
		WITH latest AS (
			SELECT l.connection_id, l.posting_id, n.place
			FROM listings l
			JOIN unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bigint[]), CAST($4 AS bigint[]))
				AS n (connection, posting, version, place)
				ON n.connection = l.connection_id AND n.posting = l.posting_id AND n.version = l.version
			WHERE l.stream_seq <> n.place
			ORDER BY l.connection_id, l.posting_id
			FOR NO KEY UPDATE OF l
		)
		UPDATE listings l
		SET stream_seq = n.place
		FROM latest n
		WHERE l.connection_id = n.connection_id AND l.posting_id = n.posting_id`,
		textArray(connections), textArray(postings), idArray(versions), idArray(places)))
	return err
}

// StreamState returns what was last noted, mirror.ErrNotFound at the very first start.
func (n Notifier) StreamState(ctx context.Context) (mirror.StreamState, error) {
	var row struct {
		CreatedAt time.Time `db:"created_at"`
		LastSeq   int64     `db:"last_seq"`
	}
	if err := n.db.x.GetContext(ctx, &row, `
		SELECT created_at, last_seq FROM stream_state WHERE stream = $1`, events.Stream); err != nil {
		return mirror.StreamState{}, wrap(ctx, "reading the state of the stream", err)
	}
	return mirror.StreamState{CreatedAt: row.CreatedAt.UTC(), LastSeq: uint64(row.LastSeq)}, nil
}
