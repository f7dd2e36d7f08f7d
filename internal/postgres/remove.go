package postgres

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Remove deletes the connection's secrets and sealed records at once, closes its public jobs if asked to, and commits
// connection.removed.
// It returns how many events it committed. An Apply that runs already is waited for; one that comes later gets
// mirror.ErrRemoved. mirror.ErrNotFound, mirror.ErrRemoved.
func (g Gateway) Remove(ctx context.Context, id string, jobs mirror.Removal) (int, error) {
	var committed int
	err := g.db.inTx(ctx, "removing a connection", func(tx *sqlx.Tx) error {
		committed = 0
		if err := lockForRemoval(ctx, tx, id); err != nil {
			return err
		}
		if err := g.db.purgeConnection(ctx, tx, id); err != nil {
			return fmt.Errorf("purging: %w", err)
		}
		if jobs == mirror.CloseJobs {
			closed, err := closeListings(ctx, tx, id)
			if err != nil {
				return err
			}
			committed += closed
		}
		if err := g.db.forget(ctx, tx, id); err != nil {
			return err
		}
		committed++
		return appendConnectionEvent(ctx, tx, id, events.ConnectionRemoved, connectionFacts{jobs: string(jobs)})
	})
	if err != nil {
		return 0, err
	}
	return committed, nil
}

// lockForRemoval waits for the Applies that run, keeps further ones waiting, and locks the connection.
func lockForRemoval(ctx context.Context, tx *sqlx.Tx, id string) error {
	if err := lockApplies(ctx, tx, id); err != nil {
		return err
	}
	_, err := lockConnection(ctx, tx, id)
	return err
}

func lockApplies(ctx context.Context, tx *sqlx.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, lockRemoval, id)
	return err
}

// closeListings closes the open listings of a connection, some at a time since each carries its whole job.
func closeListings(ctx context.Context, tx *sqlx.Tx, connection string) (int, error) {
	at, err := now(ctx, tx)
	if err != nil {
		return 0, err
	}
	var postings []string
	if err := tx.SelectContext(ctx, &postings, `
		SELECT posting_id FROM listings WHERE connection_id = $1 AND state = 'open'`, connection); err != nil {
		return 0, err
	}
	wants := make([]mirror.Desired, 0, len(postings))
	for _, posting := range postings {
		wants = append(wants, mirror.Desired{
			Posting: posting, Reason: events.ReasonDisconnected, ObservedAt: at,
			VerifiedAt: at, VerifiedBy: events.ProofOperator,
		})
	}
	made, err := applyListings(ctx, tx, connection, wants, events.OriginRepair)
	return len(made), err
}

// forget deletes what only a live connection needs, and frees its key for another one.
func (d *DB) forget(ctx context.Context, tx *sqlx.Tx, connection string) error {
	if err := deleteSecrets(ctx, tx, connection); err != nil {
		return err
	}
	if _, err := affected(tx.ExecContext(ctx, `
		UPDATE webhook_inbox
		SET processed_at = clock_timestamp()
		WHERE connection_id = $1 AND processed_at IS NULL`, connection)); err != nil {
		return err
	}
	if err := endHold(ctx, tx, connection, mirror.HoldDisconnected); err != nil {
		return err
	}
	if err := forgetReading(ctx, tx, connection, nil); err != nil {
		return err
	}
	if _, err := affected(tx.ExecContext(ctx, `DELETE FROM module_state WHERE connection_id = $1`, connection)); err != nil {
		return err
	}
	if d.opts.RecordEvents {
		if err := askPurges(ctx, tx, connection, []string{""}); err != nil {
			return err
		}
	}
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections
		SET status = 'removed', status_code = '', status_reason = '', status_since = clock_timestamp(), removed_at = clock_timestamp(),
			key_fingerprint = NULL
		WHERE id = $1`, connection))
}
