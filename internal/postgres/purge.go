package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// purgeKinds deletes all that is kept of kinds whose module was taken away: records and how far their reading is. The
// stream RECORDS is told to forget them too.
func (d *DB) purgeKinds(ctx context.Context, tx *sqlx.Tx, connection string, kinds []string) error {
	for _, kind := range kinds {
		if err := deleteRecords(ctx, tx, connection, kind); err != nil {
			return fmt.Errorf("records of kind %s: %w", kind, err)
		}
	}
	if err := forgetReading(ctx, tx, connection, kinds); err != nil {
		return err
	}
	if !d.opts.RecordEvents {
		return nil
	}
	return askPurges(ctx, tx, connection, kinds)
}

// purgeConnection deletes what only a live connection may have: every kind of which something is sealed, and how far each
// reading is. Unsealed kinds stay, as the jobs do that were made of them.
func (d *DB) purgeConnection(ctx context.Context, tx *sqlx.Tx, connection string) error {
	var kinds []string
	if err := tx.SelectContext(ctx, &kinds, `
		SELECT DISTINCT kind FROM records WHERE connection_id = $1 AND sealed IS NOT NULL ORDER BY kind`,
		connection); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := deleteRecords(ctx, tx, connection, kind); err != nil {
			return fmt.Errorf("records of kind %s: %w", kind, err)
		}
	}
	return nil
}

// deleteRecords deletes the records of a kind, some at a time, so that no statement runs for long. It goes on from the
// last id instead of from the start, where the rows lie that it has just deleted. The caller keeps Applies out, so that no
// row moves between the look at its place and the deletion.
func deleteRecords(ctx context.Context, tx *sqlx.Tx, connection, kind string) error {
	after := ""
	for {
		var last string
		err := tx.GetContext(ctx, &last, `
			WITH batch AS (
				SELECT id, ctid
				FROM records
				WHERE connection_id = $1 AND kind = $2 AND id > $3
				ORDER BY id
				LIMIT $4
			), deleted AS (
				DELETE FROM records
				WHERE ctid = ANY(ARRAY(SELECT ctid FROM batch))
			)
			SELECT id FROM batch ORDER BY id DESC LIMIT 1`, connection, kind, after, purgeBatch)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		after = last
	}
}

// forgetReading deletes how far the readings of kinds are; nil stands for all kinds.
func forgetReading(ctx context.Context, tx *sqlx.Tx, connection string, kinds []string) error {
	var of any
	if kinds != nil {
		of = pq.StringArray(kinds)
	}
	for _, forget := range []string{
		`DELETE FROM sync_tokens WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
		`DELETE FROM passes WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
		`DELETE FROM pass_pages WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
		`DELETE FROM sweeps WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
		`DELETE FROM quarantine WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
		`DELETE FROM stale_parents WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
		`DELETE FROM record_outbox WHERE connection_id = $1 AND (CAST($2 AS text[]) IS NULL OR kind = ANY($2))`,
	} {
		if _, err := affected(tx.ExecContext(ctx, forget, connection, of)); err != nil {
			return err
		}
	}
	return nil
}

// askPurges has the notifier take the kinds' records from the stream RECORDS; an empty kind stands for all.
func askPurges(ctx context.Context, tx *sqlx.Tx, connection string, kinds []string) error {
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO record_purges (connection_id, kind, asked_at)
		SELECT DISTINCT $1, n.kind, clock_timestamp()
		FROM unnest(CAST($2 AS text[])) AS n (kind)
		ORDER BY n.kind
		ON CONFLICT (connection_id, kind) DO UPDATE SET asked_at = EXCLUDED.asked_at`, connection, textArray(kinds)))
	return err
}

// fence gives the connection's partition a new epoch, so that whoever holds it loses the lease and takes it anew. Units
// that were read before, under modules that are no longer asked for, are then refused.
//
// It comes last in its transaction: the row is what renewals wait for. They in turn wait for nothing that the transaction
// holds, so the order of locks does no harm here.
func fence(ctx context.Context, tx *sqlx.Tx, connection string) error {
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE partitions SET epoch = epoch + 1 WHERE part = $1`, mirror.Part(connection)))
}
