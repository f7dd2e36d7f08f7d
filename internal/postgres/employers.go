package postgres

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// employersParam is a choice of employers as a statement takes it: NULL for all.
func employersParam(employers []string) any {
	if employers == nil {
		return nil
	}
	return textArray(employers)
}

// checkConnections returns mirror.UnknownConnections where a choice of employers names one that never was. Removed ones
// count as there, since their jobs may have stayed.
func checkConnections(ctx context.Context, tx *sqlx.Tx, ids []string) error {
	var unknown []string
	if err := tx.SelectContext(ctx, &unknown, `
		SELECT asked.id
		FROM unnest(CAST($1 AS text[])) AS asked (id)
		WHERE NOT EXISTS (SELECT FROM connections c WHERE c.id = asked.id)
		ORDER BY asked.id`, textArray(ids)); err != nil {
		return err
	}
	if len(unknown) > 0 {
		return mirror.UnknownConnections(unknown)
	}
	return nil
}
