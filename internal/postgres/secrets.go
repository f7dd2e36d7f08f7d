package postgres

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// The kinds of secrets.
const (
	secretKey     = "api_key"
	secretWebhook = "webhook_secret"
)

// SealedKey returns a connection's API key as it is stored. mirror.ErrNotFound, mirror.ErrRemoved.
func (g Gateway) SealedKey(ctx context.Context, id string) (mirror.Sealed, error) {
	const doing = "reading an API key"
	var row struct {
		Status mirror.Status `db:"status"`
		Sealed []byte        `db:"sealed"`
	}
	if err := g.db.x.GetContext(ctx, &row, `
		SELECT c.status, k.sealed
		FROM connections c
		LEFT JOIN secrets k ON k.connection_id = c.id AND k.kind = 'api_key'
		WHERE c.id = $1`, id); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	if row.Status == mirror.StatusRemoved {
		return nil, fmt.Errorf("%s: %w", doing, mirror.ErrRemoved)
	}
	return row.Sealed, nil
}

// putSecret stores a sealed secret in place of the one before it.
func putSecret(ctx context.Context, tx *sqlx.Tx, connection, kind string, sealed mirror.Sealed) error {
	return mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO secrets (connection_id, kind, sealed)
		VALUES ($1, $2, $3)
		ON CONFLICT (connection_id, kind) DO UPDATE
		SET sealed = EXCLUDED.sealed, created_at = clock_timestamp()`, connection, kind, []byte(sealed)))
}

// rotateWebhookSecret keeps the current secret as the previous one.
func rotateWebhookSecret(ctx context.Context, tx *sqlx.Tx, connection string, sealed mirror.Sealed) error {
	if _, err := affected(tx.ExecContext(ctx, `
		INSERT INTO secrets (connection_id, kind, sealed, created_at)
		SELECT connection_id, 'webhook_secret_previous', sealed, created_at
		FROM secrets
		WHERE connection_id = $1 AND kind = 'webhook_secret'
		ON CONFLICT (connection_id, kind) DO UPDATE
		SET sealed = EXCLUDED.sealed, created_at = EXCLUDED.created_at`, connection)); err != nil {
		return err
	}
	if err := putSecret(ctx, tx, connection, secretWebhook, sealed); err != nil {
		return err
	}
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections SET secret_changed_at = clock_timestamp() WHERE id = $1`, connection))
}

func deleteSecrets(ctx context.Context, tx *sqlx.Tx, connection string) error {
	_, err := affected(tx.ExecContext(ctx, `DELETE FROM secrets WHERE connection_id = $1`, connection))
	return err
}
