package postgres

import (
	"context"
	"database/sql"
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

// Pending returns the oldest outbox rows in id order, at most limit, but for those named. The rows that are there are all
// that matters: a reader that remembers the last id it saw would jump over those that commit later.
func (n Notifier) Pending(ctx context.Context, except []int64, limit int) ([]mirror.Outgoing, error) {
	// The limits keep the planner to the outbox's own order and to one look-up a row, whatever it believes of the tables.
	rows, err := n.db.x.QueryContext(ctx, `
		SELECT o.id, e.event_id, e.created_at, e.connection_id, e.posting_id, e.version, e.type, e.data
		FROM (
			SELECT id, event_id, event_created_at
			FROM (
				SELECT id, event_id, event_created_at
				FROM outbox
				ORDER BY id
				LIMIT $1 + cardinality(CAST($2 AS bigint[]))
			) first
			WHERE id <> ALL ($2)
			ORDER BY id
			LIMIT $1
		) o
		CROSS JOIN LATERAL (
			SELECT id AS event_id, created_at, connection_id, posting_id, version, type, data
			FROM events
			WHERE created_at = o.event_created_at AND id = o.event_id
			LIMIT 1
		) e
		ORDER BY o.id`, limit, idArray(except))
	if err != nil {
		return nil, wrap(ctx, "reading the outbox", err)
	}
	defer func() { _ = rows.Close() }() // what went wrong, Err has said
	pending, err := scanPending(rows, limit)
	return pending, wrap(ctx, "reading the outbox", err)
}

// scanPending reads the rows field by field: mapping them to a struct by names costs as much again as the query does, and
// the relay's pace depends on it.
func scanPending(rows *sql.Rows, limit int) ([]mirror.Outgoing, error) {
	pending := make([]mirror.Outgoing, 0, min(limit, 1000))
	for rows.Next() {
		var o mirror.Outgoing
		var typ string
		var data []byte
		if err := rows.Scan(
			&o.OutboxID, &o.EventID, &o.CreatedAt, &o.Connection, &o.Posting, &o.Version, &typ, &data,
		); err != nil {
			return nil, err
		}
		o.CreatedAt, o.Type, o.Data = o.CreatedAt.UTC(), events.Type(typ), data
		pending = append(pending, o)
	}
	return pending, rows.Err()
}

// Published deletes the outbox rows, notes the stream's state, and makes the deliveries of the events to endpoints, in one
// transaction. Rows that are gone already are no error, and make no delivery: it may be repeated.
func (n Notifier) Published(ctx context.Context, ps []mirror.Published, s mirror.StreamState) error {
	return n.db.inTx(ctx, "noting what was published", func(tx *sqlx.Tx) error {
		if err := takeOut(ctx, tx, ps); err != nil {
			return err
		}
		return mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO stream_state (stream, created_at, last_seq, messages, updated_at)
			VALUES ($1, $2, $3, $4, clock_timestamp())
			ON CONFLICT (stream) DO UPDATE
			SET created_at = EXCLUDED.created_at, last_seq = EXCLUDED.last_seq, messages = EXCLUDED.messages,
				updated_at = EXCLUDED.updated_at`,
			events.Stream, s.CreatedAt, int64(s.LastSeq), int64(s.Messages)))
	})
}

// StreamState returns what was last noted, mirror.ErrNotFound at the very first start.
func (n Notifier) StreamState(ctx context.Context) (mirror.StreamState, error) {
	var row struct {
		CreatedAt time.Time `db:"created_at"`
		LastSeq   int64     `db:"last_seq"`
		Messages  int64     `db:"messages"`
	}
	if err := n.db.x.GetContext(ctx, &row, `
		SELECT created_at, last_seq, messages FROM stream_state WHERE stream = $1`, events.Stream); err != nil {
		return mirror.StreamState{}, wrap(ctx, "reading the state of the stream", err)
	}
	return mirror.StreamState{
		CreatedAt: row.CreatedAt.UTC(), LastSeq: uint64(row.LastSeq), Messages: uint64(row.Messages),
	}, nil
}

// Waiting returns those of the events, by id, that are in the outbox, without their data.
func (n Notifier) Waiting(ctx context.Context, ids []string) ([]mirror.Outgoing, error) {
	var rows []outgoingRow
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT o.id AS outbox_id, e.id AS event_id, e.created_at, e.connection_id, e.posting_id, e.version, e.type
		FROM outbox o
		JOIN events e ON e.created_at = o.event_created_at AND e.id = o.event_id
		WHERE CAST(o.event_id AS text) = ANY ($1)
		ORDER BY o.id`, textArray(ids)); err != nil {
		return nil, wrap(ctx, "looking into the outbox for what the stream holds", err)
	}
	waiting := make([]mirror.Outgoing, 0, len(rows))
	for _, r := range rows {
		waiting = append(waiting, r.outgoing())
	}
	return waiting, nil
}
