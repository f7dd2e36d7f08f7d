package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// Beat notes that a service is at work and returns for how long no replica of it was, 0 at the first time ever.
func (g Gateway) Beat(ctx context.Context, service string) (time.Duration, error) {
	return g.db.beat(ctx, service)
}

// Beat notes that a service is at work and returns for how long no replica of it was, 0 at the first time ever.
func (s Syncer) Beat(ctx context.Context, service string) (time.Duration, error) {
	return s.db.beat(ctx, service)
}

// beat locks the row before it looks at the time: of several replicas that come back at once, the first alone learns of
// the silence.
func (d *DB) beat(ctx context.Context, service string) (time.Duration, error) {
	var silent float64
	err := d.inTx(ctx, "noting a heartbeat", func(tx *sqlx.Tx) error {
		silent = 0
		first, err := affected(tx.ExecContext(ctx, `
			INSERT INTO heartbeats (service, at) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING`, service))
		if err != nil || first > 0 {
			return err
		}
		return tx.GetContext(ctx, &silent, `
			UPDATE heartbeats h
			SET at = GREATEST(b.at, clock_timestamp())
			FROM (SELECT service, at FROM heartbeats WHERE service = $1 FOR UPDATE) b
			WHERE h.service = b.service
			RETURNING CAST(extract(epoch FROM h.at - b.at) AS float8)`, service)
	})
	if err != nil {
		return 0, err
	}
	return time.Duration(silent * float64(time.Second)), nil
}
