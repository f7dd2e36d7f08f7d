package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Renew registers the replica as alive for ttl, renews its partitions, lets go of those above its fair share and takes
// free or expired ones up to it. It returns all that it holds now, by partition.
//
// A partition is taken with a lock that Apply's own conflicts with, and skipped while an Apply of its last owner still runs,
// so no write of that owner can follow. Renewing one's own takes a weaker lock and never waits for an Apply.
func (s Syncer) Renew(ctx context.Context, owner string, ttl time.Duration) ([]mirror.Lease, error) {
	var held []mirror.Lease
	err := s.db.inTx(ctx, "renewing partitions", func(tx *sqlx.Tx) error {
		share, err := fairShare(ctx, tx, owner, ttl)
		if err != nil {
			return err
		}
		if held, err = renewOwn(ctx, tx, owner, ttl); err != nil {
			return err
		}
		if len(held) > share {
			surplus := held[share:]
			held = held[:share]
			return letGo(ctx, tx, surplus)
		}
		taken, err := takeFree(ctx, tx, owner, ttl, share-len(held))
		if err != nil {
			return err
		}
		held = append(held, taken...)
		sortLeases(held)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// fairShare notes that the replica is alive and returns how many partitions each live one may hold.
func fairShare(ctx context.Context, tx *sqlx.Tx, owner string, ttl time.Duration) (int, error) {
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO replicas (owner, expires_at)
		VALUES ($1, clock_timestamp() + make_interval(secs => $2))
		ON CONFLICT (owner) DO UPDATE SET expires_at = EXCLUDED.expires_at`, owner, ttl.Seconds())); err != nil {
		return 0, err
	}
	var live int
	if err := tx.GetContext(ctx, &live, `
		SELECT count(*) FROM replicas WHERE expires_at > clock_timestamp() OR owner = $1`, owner); err != nil {
		return 0, err
	}
	return (mirror.Partitions + live - 1) / live, nil
}

// lease is a row of partitions as its new holder sees it.
type lease struct {
	Part  int   `db:"part"`
	Epoch int64 `db:"epoch"`
}

func leasesOf(owner string, rows []lease) []mirror.Lease {
	leases := make([]mirror.Lease, 0, len(rows))
	for _, r := range rows {
		leases = append(leases, mirror.Lease{Part: r.Part, Owner: owner, Epoch: r.Epoch})
	}
	sortLeases(leases)
	return leases
}

func sortLeases(leases []mirror.Lease) {
	slices.SortFunc(leases, func(a, b mirror.Lease) int { return a.Part - b.Part })
}

func renewOwn(ctx context.Context, tx *sqlx.Tx, owner string, ttl time.Duration) ([]mirror.Lease, error) {
	var rows []lease
	if err := tx.SelectContext(ctx, &rows, `
		UPDATE partitions
		SET expires_at = clock_timestamp() + make_interval(secs => $2)
		WHERE owner = $1 AND expires_at > clock_timestamp()
		RETURNING part, epoch`, owner, ttl.Seconds()); err != nil {
		return nil, err
	}
	return leasesOf(owner, rows), nil
}

func letGo(ctx context.Context, tx *sqlx.Tx, surplus []mirror.Lease) error {
	parts := make([]int, 0, len(surplus))
	for _, l := range surplus {
		parts = append(parts, l.Part)
	}
	return mustAffect(len(parts))(tx.ExecContext(ctx, `
		UPDATE partitions
		SET owner = '', expires_at = '-infinity'
		WHERE part = ANY($1)`, intArray(parts)))
}

// takeFree takes at most n partitions. Each gets a new epoch, also where its last holder takes it again: that one may
// have been away long enough for its reads to be stale.
func takeFree(ctx context.Context, tx *sqlx.Tx, owner string, ttl time.Duration, n int) ([]mirror.Lease, error) {
	if n == 0 {
		return nil, nil
	}
	var rows []lease
	if err := tx.SelectContext(ctx, &rows, `
		WITH free AS (
			SELECT part
			FROM partitions
			WHERE expires_at <= clock_timestamp()
			ORDER BY part
			LIMIT $3
			FOR UPDATE SKIP LOCKED
		)
		UPDATE partitions p
		SET owner = $1, epoch = p.epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $2)
		FROM free
		WHERE p.part = free.part
		RETURNING p.part, p.epoch`, owner, ttl.Seconds(), n); err != nil {
		return nil, err
	}
	return leasesOf(owner, rows), nil
}

// Vacant says whether a partition waits for an owner. It writes nothing, so that it may be asked often.
func (s Syncer) Vacant(ctx context.Context) (bool, error) {
	var vacant bool
	err := s.db.x.GetContext(ctx, &vacant, `
		SELECT EXISTS (SELECT 1 FROM partitions WHERE expires_at <= clock_timestamp())`)
	return vacant, wrap(ctx, "looking for vacant partitions", err)
}

// Release gives all partitions of the replica up and forgets the replica.
func (s Syncer) Release(ctx context.Context, owner string) error {
	return s.db.inTx(ctx, "releasing partitions", func(tx *sqlx.Tx) error {
		if _, err := affected(tx.ExecContext(ctx, `DELETE FROM replicas WHERE owner = $1`, owner)); err != nil {
			return err
		}
		_, err := affected(tx.ExecContext(ctx, `
			UPDATE partitions
			SET owner = '', expires_at = '-infinity'
			WHERE owner = $1`, owner))
		return err
	})
}
