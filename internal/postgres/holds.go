package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// holdRow is a row of holds as far as a decision on postings needs it.
type holdRow struct {
	ID          string         `db:"id"`
	State       string         `db:"state"`
	Postings    pq.StringArray `db:"posting_ids"`
	PublicCount int            `db:"public_count"`
	Reason      string         `db:"reason"`
	CreatedAt   time.Time      `db:"created_at"`
}

func (r holdRow) hold() mirror.Hold {
	return mirror.Hold{
		ID: r.ID, State: r.State, Postings: r.Postings, PublicCount: r.PublicCount, Reason: r.Reason,
		CreatedAt: r.CreatedAt.UTC(),
	}
}

// Hold returns the connection's hold that is not ended, nil if there is none.
func (s Syncer) Hold(ctx context.Context, connection string) (*mirror.Hold, error) {
	var row holdRow
	err := s.db.x.GetContext(ctx, &row, `
		SELECT id, state, posting_ids, public_count, reason, created_at
		FROM holds
		WHERE connection_id = $1 AND state <> 'ended'`, connection)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(ctx, "reading a hold", err)
	}
	hold := row.hold()
	return &hold, nil
}

// applyHold ends the connection's hold or sets it; with both, the old one ends and another begins.
func applyHold(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if u.EndHold != "" {
		if err := endHold(ctx, tx, u.Connection, u.EndHold); err != nil {
			return err
		}
	}
	if u.SetHold == nil {
		return nil
	}
	return putHold(ctx, tx, u.Connection, *u.SetHold)
}

// putHold stores a hold or changes the one that is not ended. A zero CreatedAt is now, by the database's clock.
//
// What a person decided may be younger than the reading that led here, so it stands for as long as it covers what is
// held: only an open hold with postings that the stored one has not takes the decision back.
func putHold(ctx context.Context, tx *sqlx.Tx, connection string, h mirror.Hold) error {
	if h.State == "" {
		h.State = mirror.HoldOpen
	}
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO holds AS h (connection_id, posting_ids, public_count, reason, created_at, id, state, opened_at)
		VALUES ($1, $2, $3, $4, COALESCE($5, clock_timestamp()),
			CASE WHEN $6 = '' OR EXISTS (SELECT FROM holds WHERE id = $6) THEN CAST(gen_random_uuid() AS text) ELSE $6 END,
			$7, clock_timestamp())
		ON CONFLICT (connection_id) WHERE state <> 'ended' DO UPDATE
		SET posting_ids = EXCLUDED.posting_ids, public_count = EXCLUDED.public_count, reason = EXCLUDED.reason,
			created_at = EXCLUDED.created_at,
			state = CASE
				WHEN EXCLUDED.state = 'open' AND NOT EXCLUDED.posting_ids <@ h.posting_ids THEN 'open'
				ELSE h.state
			END,
			decided_at = CASE
				WHEN EXCLUDED.state = 'open' AND NOT EXCLUDED.posting_ids <@ h.posting_ids THEN NULL
				ELSE h.decided_at
			END
		WHERE (h.posting_ids, h.public_count, h.reason, h.created_at)
			IS DISTINCT FROM (EXCLUDED.posting_ids, EXCLUDED.public_count, EXCLUDED.reason, EXCLUDED.created_at)`,
		connection, textArray(h.Postings), h.PublicCount, h.Reason, known(h.CreatedAt), h.ID, h.State))
	return err
}

func endHold(ctx context.Context, tx *sqlx.Tx, connection, outcome string) error {
	_, err := affected(tx.ExecContext(ctx, `
		UPDATE holds
		SET state = 'ended', outcome = $2, ended_at = clock_timestamp()
		WHERE connection_id = $1 AND state <> 'ended'`, connection, outcome))
	return err
}
