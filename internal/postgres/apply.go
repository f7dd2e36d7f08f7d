package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Apply does one unit of work in one transaction: it checks the lease and that the connection is neither paused nor
// removed, writes records, decides each listing's next version, and writes event, history and outbox rows with it, and
// then all else that the unit says: inbox rows, token, hold, pass, quarantine, parents. An empty unit does nothing at
// all, without looking at the lease. mirror.ErrLeaseLost, mirror.ErrPaused, mirror.ErrRemoved: nothing was written.
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
		if done.Records, err = s.db.applyRecords(ctx, tx, u); err != nil {
			return fmt.Errorf("records: %w", err)
		}
		if done.Made, err = applyListings(ctx, tx, u.Connection, u.Listings, u.Origin); err != nil {
			return fmt.Errorf("listings: %w", err)
		}
		done.Events = len(done.Made)
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

func (d *DB) applyRecords(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) (int, error) {
	written, err := upsertRecords(ctx, tx, u.Connection, u.Upserts)
	if err != nil {
		return 0, err
	}
	gone, err := markGone(ctx, tx, u.Connection, u.Gone)
	if err != nil {
		return 0, err
	}
	written = append(written, gone...)
	if d.opts.RecordEvents {
		if err := queueRecords(ctx, tx, u.Connection, written); err != nil {
			return 0, fmt.Errorf("queue: %w", err)
		}
	}
	return len(written), nil
}

// applyRest does what is neither record nor listing, always in the same order, since that is the order of locks.
func applyRest(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if err := finishInbox(ctx, tx, u.Connection, u.InboxDone); err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	for _, part := range []struct {
		name  string
		apply func(context.Context, *sqlx.Tx, mirror.Unit) error
	}{
		{"token", applyToken},
		{"hold", applyHold},
		{"pass", applyPass},
		{"quarantine", applyQuarantine},
		{"parents", applyParents},
	} {
		if err := part.apply(ctx, tx, u); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}
