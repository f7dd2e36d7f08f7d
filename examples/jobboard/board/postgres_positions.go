package board

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// positions are jobfeed's positions beside the jobs.
type positions struct{ p *Postgres }

// Positions are where the feed goes on after a restart.
func (p *Postgres) Positions() jobfeed.Positions { return positions{p: p} }

// Load returns all positions.
func (s positions) Load(ctx context.Context) (jobfeed.Position, error) {
	at := jobfeed.Position{Versions: map[string]int64{}}
	err := s.p.inTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(tx *sqlx.Tx) error {
		var mark []byte
		switch err := tx.GetContext(ctx, &mark, "SELECT mark FROM jobboard.mark"); {
		case err == nil:
			if err := json.Unmarshal(mark, &at.Mark); err != nil {
				return err
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		var rows []struct {
			Key     string `db:"key"`
			Version int64  `db:"version"`
		}
		if err := tx.SelectContext(ctx, &rows, "SELECT key, version FROM jobboard.positions"); err != nil {
			return err
		}
		for _, r := range rows {
			at.Versions[r.Key] = r.Version
		}
		return nil
	})
	if err != nil {
		return jobfeed.Position{}, fmt.Errorf("reading the positions: %w", err)
	}
	return at, nil
}

// Handled stores that a version was handled. Of a job, Apply has done so before, and nothing is written.
func (s positions) Handled(ctx context.Context, key string, version int64) error {
	if err := handled(ctx, s.p.db, key, version); err != nil {
		return fmt.Errorf("storing a position: %w", err)
	}
	return nil
}

// handled stores a version, in a transaction or on its own.
func handled(ctx context.Context, db sqlx.ExtContext, key string, version int64) error {
	_, err := db.ExecContext(ctx, `
		INSERT INTO jobboard.positions AS old (key, version) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET version = EXCLUDED.version WHERE old.version < EXCLUDED.version`, key, version)
	return err
}

// Reached stores a place in the stream.
func (s positions) Reached(ctx context.Context, m jobfeed.Mark) error {
	if err := reached(ctx, s.p.db, m); err != nil {
		return fmt.Errorf("storing a place in the stream: %w", err)
	}
	return nil
}

func reached(ctx context.Context, db sqlx.ExtContext, m jobfeed.Mark) error {
	doc, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `
		INSERT INTO jobboard.mark (mark) VALUES ($1) ON CONFLICT (the_one) DO UPDATE SET mark = EXCLUDED.mark`, string(doc))
	return err
}

// Reset forgets all versions. The jobs keep theirs, so that a replay changes only what differs.
func (s positions) Reset(ctx context.Context, m jobfeed.Mark) error {
	err := s.p.inTx(ctx, nil, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM jobboard.positions"); err != nil {
			return err
		}
		return reached(ctx, tx, m)
	})
	if err != nil {
		return fmt.Errorf("forgetting the positions: %w", err)
	}
	return nil
}
