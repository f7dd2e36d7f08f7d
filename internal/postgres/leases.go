package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Acquire takes or renews a lease by the database's clock. held is false while another owner has it. The epoch rises
// each time the lease is taken, also by an owner whose own lease had expired. Whoever stands by asks often: while another
// owner has the lease, nothing is written and no row is locked.
func (n Notifier) Acquire(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error) {
	err = n.db.x.GetContext(ctx, &epoch, `
		INSERT INTO leases AS l (name, owner, epoch, expires_at)
		SELECT $1, $2, 1, clock_timestamp() + make_interval(secs => $3)
		WHERE NOT EXISTS (
			SELECT 1 FROM leases WHERE name = $1 AND owner <> $2 AND expires_at > clock_timestamp()
		)
		ON CONFLICT (name) DO UPDATE
		SET owner = EXCLUDED.owner,
			epoch = CASE
				WHEN l.owner = EXCLUDED.owner AND l.expires_at > clock_timestamp() THEN l.epoch
				ELSE l.epoch + 1
			END,
			expires_at = EXCLUDED.expires_at
		WHERE l.owner = EXCLUDED.owner OR l.expires_at <= clock_timestamp()
		RETURNING epoch`, name, owner, ttl.Seconds())
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, wrap(ctx, "acquiring a lease", err)
	}
	return epoch, true, nil
}

// LeaseOwner returns who has a lease now, by the database's clock; "" where nobody has.
func (n Notifier) LeaseOwner(ctx context.Context, name string) (owner string, err error) {
	err = n.db.x.GetContext(ctx, &owner, `
		SELECT owner FROM leases WHERE name = $1 AND expires_at > clock_timestamp()`, name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return owner, wrap(ctx, "reading a lease", err)
}

// Release gives the lease up if owner has it.
func (n Notifier) Release(ctx context.Context, name, owner string) error {
	_, err := affected(n.db.x.ExecContext(ctx, `
		UPDATE leases
		SET expires_at = '-infinity'
		WHERE name = $1 AND owner = $2`, name, owner))
	return wrap(ctx, "releasing a lease", err)
}
