package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Apply does one unit of work in one transaction: it checks the lease and that the connection is neither paused nor
// removed, writes records, decides each listing's next version, and writes event and outbox rows with it. An empty unit
// does nothing at all, without looking at the lease. mirror.ErrLeaseLost, mirror.ErrPaused, mirror.ErrRemoved: nothing
// was written.
func (s Syncer) Apply(ctx context.Context, u mirror.Unit) (mirror.Applied, error) {
	if u.Empty() {
		return mirror.Applied{}, nil
	}
	var done mirror.Applied
	err := s.db.inTx(ctx, "applying a unit of work", func(tx *sqlx.Tx) error {
		done = mirror.Applied{}
		if err := mayWrite(ctx, tx, mirror.Mandate{Lease: u.Lease, Connection: u.Connection}); err != nil {
			return err
		}
		var err error
		if done.Records, err = applyRecords(ctx, tx, u); err != nil {
			return fmt.Errorf("records: %w", err)
		}
		if done.Events, err = applyListings(ctx, tx, u.Connection, u.Listings, u.Origin); err != nil {
			return fmt.Errorf("listings: %w", err)
		}
		return applyRest(ctx, tx, u)
	})
	if err != nil {
		return mirror.Applied{}, err
	}
	return done, nil
}

// mayWrite returns mirror.ErrLeaseLost unless the lease is held and not expired, and mirror.ErrRemoved, mirror.ErrPaused
// or mirror.ErrNotFound unless the connection is there and at work. Until the transaction ends, the partition is not
// taken by another owner and the connection is not removed; it may be paused, since a pause waits for nobody.
func mayWrite(ctx context.Context, tx *sqlx.Tx, m mirror.Mandate) error {
	// Waits for a removal that is under way, so it must come before the statement that looks at the status.
	if _, err := tx.ExecContext(ctx, `
		SELECT pg_advisory_xact_lock_shared($1, hashtext($2))`, lockRemoval, m.Connection); err != nil {
		return err
	}
	var statuses []sql.Null[mirror.Status]
	if err := tx.SelectContext(ctx, &statuses, `
		SELECT c.status
		FROM partitions p
		LEFT JOIN connections c ON c.id = $5
		WHERE p.part = $1 AND p.owner = $2 AND p.epoch = $3 AND p.part = $4 AND p.expires_at > clock_timestamp()
		FOR KEY SHARE OF p`, m.Lease.Part, m.Lease.Owner, m.Lease.Epoch, mirror.Part(m.Connection), m.Connection); err != nil {
		return err
	}
	switch {
	case len(statuses) == 0:
		return mirror.ErrLeaseLost
	case !statuses[0].Valid:
		return mirror.ErrNotFound
	case statuses[0].V == mirror.StatusRemoved:
		return mirror.ErrRemoved
	case statuses[0].V == mirror.StatusPaused:
		return mirror.ErrPaused
	}
	return nil
}

func applyRecords(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) (int, error) {
	written, err := upsertRecords(ctx, tx, u.Connection, u.Upserts)
	if err != nil {
		return 0, err
	}
	gone, err := markGone(ctx, tx, u.Connection, u.Gone)
	return written + gone, err
}

func applyRest(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if err := finishInbox(ctx, tx, u.Connection, u.InboxDone); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	if u.Token != nil {
		if err := putToken(ctx, tx, u.Connection, *u.Token); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	}
	if u.EndHold != "" {
		if err := clearHold(ctx, tx, u.Connection); err != nil {
			return fmt.Errorf("hold: %w", err)
		}
	}
	if u.SetHold != nil {
		if err := putHold(ctx, tx, u.Connection, *u.SetHold); err != nil {
			return fmt.Errorf("hold: %w", err)
		}
	}
	return nil
}
