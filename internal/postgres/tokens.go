package postgres

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Token returns the stored token of a kind's listing, mirror.ErrNotFound if there is none. Variant is empty where the kind
// has one listing.
func (s Syncer) Token(ctx context.Context, connection, kind, variant string) (mirror.Token, error) {
	var row struct {
		ParamsHash []byte `db:"params_hash"`
		Token      string `db:"token"`
	}
	if err := s.db.x.GetContext(ctx, &row, `
		SELECT params_hash, token
		FROM sync_tokens
		WHERE connection_id = $1 AND kind = $2 AND variant = $3`, connection, kind, variant); err != nil {
		return mirror.Token{}, wrap(ctx, "reading a sync token", err)
	}
	return mirror.Token{Kind: kind, Variant: variant, ParamsHash: row.ParamsHash, Token: row.Token}, nil
}

// applyToken stores the unit's token where it differs, and forgets the stored one where it is empty.
func applyToken(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if u.Token == nil {
		return nil
	}
	t := *u.Token
	if t.Token == "" {
		_, err := affected(tx.ExecContext(ctx, `
			DELETE FROM sync_tokens WHERE connection_id = $1 AND kind = $2 AND variant = $3`,
			u.Connection, t.Kind, t.Variant))
		return err
	}
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO sync_tokens AS s (connection_id, kind, variant, params_hash, token)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (connection_id, kind, variant) DO UPDATE
		SET params_hash = EXCLUDED.params_hash, token = EXCLUDED.token, updated_at = clock_timestamp()
		WHERE (s.params_hash, s.token) IS DISTINCT FROM (EXCLUDED.params_hash, EXCLUDED.token)`,
		u.Connection, t.Kind, t.Variant, t.ParamsHash, t.Token))
	return err
}
