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

// Hold returns the connection's hold, nil if there is none.
func (s Syncer) Hold(ctx context.Context, connection string) (*mirror.Hold, error) {
	var row struct {
		Postings    pq.StringArray `db:"posting_ids"`
		PublicCount int            `db:"public_count"`
		Reason      string         `db:"reason"`
		CreatedAt   time.Time      `db:"created_at"`
	}
	err := s.db.x.GetContext(ctx, &row, `
		SELECT posting_ids, public_count, reason, created_at FROM holds WHERE connection_id = $1`, connection)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(ctx, "reading a hold", err)
	}
	return &mirror.Hold{
		Postings: row.Postings, PublicCount: row.PublicCount, Reason: row.Reason, CreatedAt: row.CreatedAt.UTC(),
	}, nil
}

// putHold stores or replaces a hold. A zero CreatedAt is now, by the database's clock.
func putHold(ctx context.Context, tx *sqlx.Tx, connection string, h mirror.Hold) error {
	var created *time.Time
	if !h.CreatedAt.IsZero() {
		created = &h.CreatedAt
	}
	return mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO holds (connection_id, posting_ids, public_count, reason, created_at)
		VALUES ($1, $2, $3, $4, COALESCE($5, clock_timestamp()))
		ON CONFLICT (connection_id) WHERE state <> 'ended' DO UPDATE
		SET posting_ids = EXCLUDED.posting_ids, public_count = EXCLUDED.public_count, reason = EXCLUDED.reason,
			created_at = EXCLUDED.created_at`,
		connection, textArray(h.Postings), h.PublicCount, h.Reason, created))
}

func clearHold(ctx context.Context, tx *sqlx.Tx, connection string) error {
	_, err := affected(tx.ExecContext(ctx, `DELETE FROM holds WHERE connection_id = $1`, connection))
	return err
}
