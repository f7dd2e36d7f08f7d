package postgres

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Token returns the stored token of a kind, mirror.ErrNotFound if there is none.
func (s Syncer) Token(ctx context.Context, connection, kind string) (mirror.Token, error) {
	var row struct {
		ParamsHash []byte `db:"params_hash"`
		Token      string `db:"token"`
	}
	if err := s.db.x.GetContext(ctx, &row, `
		SELECT params_hash, token FROM sync_tokens WHERE connection_id = $1 AND kind = $2 AND variant = ''`, connection, kind); err != nil {
		return mirror.Token{}, wrap(ctx, "reading a sync token", err)
	}
	return mirror.Token{Kind: kind, ParamsHash: row.ParamsHash, Token: row.Token}, nil
}

// putToken stores a token where it differs, and forgets the stored one where it is empty.
func putToken(ctx context.Context, tx *sqlx.Tx, connection string, t mirror.Token) error {
	if t.Token == "" {
		_, err := affected(tx.ExecContext(ctx, `
			DELETE FROM sync_tokens WHERE connection_id = $1 AND kind = $2`, connection, t.Kind))
		return err
	}
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO sync_tokens AS s (connection_id, kind, params_hash, token)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (connection_id, kind, variant) DO UPDATE
		SET params_hash = EXCLUDED.params_hash, token = EXCLUDED.token, updated_at = clock_timestamp()
		WHERE (s.params_hash, s.token) IS DISTINCT FROM (EXCLUDED.params_hash, EXCLUDED.token)`,
		connection, t.Kind, t.ParamsHash, t.Token))
	return err
}
