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

// Pass returns where a reading of a listing stands, nil if there is none.
func (s Syncer) Pass(ctx context.Context, connection string, key mirror.PassKey) (*mirror.Pass, error) {
	var row struct {
		ParamsHash []byte    `db:"params_hash"`
		Token      string    `db:"token"`
		Cursor     string    `db:"cursor"`
		StartedAt  time.Time `db:"started_at"`
		Pages      int       `db:"pages"`
		Rows       int       `db:"rows_read"`
		Bad        int       `db:"bad"`
		ReadAll    bool      `db:"read_all"`
	}
	err := s.db.x.GetContext(ctx, &row, `
		SELECT params_hash, token, cursor, started_at, pages, rows_read, bad, read_all
		FROM passes
		WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND sweep = $4`,
		connection, key.Kind, key.Variant, key.Sweep)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(ctx, "reading a pass", err)
	}
	return &mirror.Pass{
		PassKey: key, ParamsHash: row.ParamsHash, Token: row.Token, Cursor: row.Cursor, StartedAt: row.StartedAt.UTC(),
		Pages: row.Pages, Rows: row.Rows, Bad: row.Bad, ReadAll: row.ReadAll,
	}, nil
}

// Unseen returns the ids of the records of the pass's kind and variant that are not gone, were fetched before the pass
// began and are on none of its pages, in order, at most limit.
func (s Syncer) Unseen(ctx context.Context, connection string, p mirror.Pass, limit int) ([]string, error) {
	var ids []string
	// EXCEPT sorts or hashes both sides whatever their sizes are thought to be. A NOT EXISTS was planned as a loop in a
	// loop, since nobody knows how many ids an array has.
	if err := s.db.x.SelectContext(ctx, &ids, `
		SELECT id
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND gone_at IS NULL AND fetched_at < $5
		EXCEPT
		SELECT unnest(ids)
		FROM pass_pages
		WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND sweep = $4
		ORDER BY id
		LIMIT $6`, connection, p.Kind, p.Variant, p.Sweep, p.StartedAt, limit); err != nil {
		return nil, wrap(ctx, "finding what a pass lacked", err)
	}
	return notNil(ids), nil
}

// Swept returns how the last full reading of a listing ended, nil if there was none.
func (s Syncer) Swept(ctx context.Context, connection, kind, variant string) (*mirror.Swept, error) {
	var row struct {
		FinishedAt time.Time      `db:"finished_at"`
		Absent     pq.StringArray `db:"absent"`
	}
	err := s.db.x.GetContext(ctx, &row, `
		SELECT finished_at, absent
		FROM sweeps
		WHERE connection_id = $1 AND kind = $2 AND variant = $3`, connection, kind, variant)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(ctx, "reading a sweep", err)
	}
	return &mirror.Swept{Kind: kind, Variant: variant, FinishedAt: row.FinishedAt.UTC(), Absent: row.Absent}, nil
}

// applyPass notes how far the unit's pass is, or that it is done.
func applyPass(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if u.Pass == nil {
		return nil
	}
	step := *u.Pass
	if step.Done {
		if err := forgetPass(ctx, tx, u.Connection, step.Pass.PassKey); err != nil {
			return err
		}
	} else if err := putPass(ctx, tx, u.Connection, step); err != nil {
		return err
	}
	if step.Swept == nil {
		return nil
	}
	return putSwept(ctx, tx, u.Connection, *step.Swept)
}

func putPass(ctx context.Context, tx *sqlx.Tx, connection string, step mirror.PassStep) error {
	p := step.Pass
	// What an earlier pass saw under the same key, or this one beyond the page, must not pass for seen.
	if _, err := affected(tx.ExecContext(ctx, `
		DELETE FROM pass_pages
		WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND sweep = $4
			AND (page > $5 OR NOT EXISTS (
				SELECT
				FROM passes
				WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND sweep = $4 AND started_at = $6
			))`, connection, p.Kind, p.Variant, p.Sweep, p.Pages, p.StartedAt)); err != nil {
		return err
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO passes (connection_id, kind, variant, sweep, params_hash, token, cursor, started_at, pages, rows_read,
			bad, read_all)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (connection_id, kind, variant, sweep) DO UPDATE
		SET params_hash = EXCLUDED.params_hash, token = EXCLUDED.token, cursor = EXCLUDED.cursor,
			started_at = EXCLUDED.started_at, pages = EXCLUDED.pages, rows_read = EXCLUDED.rows_read,
			bad = EXCLUDED.bad, read_all = EXCLUDED.read_all`,
		connection, p.Kind, p.Variant, p.Sweep, notNil(p.ParamsHash), p.Token, p.Cursor, p.StartedAt, p.Pages, p.Rows,
		p.Bad, p.ReadAll)); err != nil {
		return err
	}
	if len(step.Seen) == 0 {
		return nil
	}
	return mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO pass_pages (connection_id, kind, variant, sweep, page, ids)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (connection_id, kind, variant, sweep, page) DO UPDATE SET ids = EXCLUDED.ids`,
		connection, p.Kind, p.Variant, p.Sweep, p.Pages, textArray(step.Seen)))
}

// forgetPass forgets a pass and what it saw. One that had a single page was never there.
func forgetPass(ctx context.Context, tx *sqlx.Tx, connection string, key mirror.PassKey) error {
	if _, err := affected(tx.ExecContext(ctx, `
		DELETE FROM passes WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND sweep = $4`,
		connection, key.Kind, key.Variant, key.Sweep)); err != nil {
		return err
	}
	_, err := affected(tx.ExecContext(ctx, `
		DELETE FROM pass_pages WHERE connection_id = $1 AND kind = $2 AND variant = $3 AND sweep = $4`,
		connection, key.Kind, key.Variant, key.Sweep))
	return err
}

func putSwept(ctx context.Context, tx *sqlx.Tx, connection string, s mirror.Swept) error {
	return mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO sweeps (connection_id, kind, variant, finished_at, absent)
		VALUES ($1, $2, $3, COALESCE($4, clock_timestamp()), $5)
		ON CONFLICT (connection_id, kind, variant) DO UPDATE
		SET finished_at = EXCLUDED.finished_at, absent = EXCLUDED.absent`,
		connection, s.Kind, s.Variant, known(s.FinishedAt), textArray(s.Absent)))
}
