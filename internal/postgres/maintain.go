package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	// partitionPrefix and partitionDay make the name of a day's partition of the event log.
	partitionPrefix = "events_"
	partitionDay    = "20060102"
	// daysAhead is for how many days after today partitions are made: how long Maintain may fail before writes do.
	daysAhead = 7
	// daysKept is how many days the event log goes back.
	daysKept = 30
	// purgeBatch bounds how many rows one statement deletes.
	purgeBatch = 5000
)

// Maintain makes the event partitions of the coming days, drops those older than 30 days, deletes inbox rows that were
// processed more than three days ago and what else has outlived its use (see retention.go), and forgets replicas that are
// gone. It is safe to run anywhere at any time, once an hour or so. What one part cannot do does not keep the others from
// being done.
func (d *DB) Maintain(ctx context.Context) error {
	return errors.Join(
		d.inTx(ctx, "making event partitions", func(tx *sqlx.Tx) error { return makeEventPartitions(ctx, tx) }),
		d.keepStates(ctx), // of what goes next
		d.dropEventPartitions(ctx),
		d.purgeInbox(ctx),
		d.purgeRuns(ctx),
		d.purgeHistory(ctx),
		d.purgeHolds(ctx),
		d.purgeQuarantine(ctx),
		d.purgeReplicas(ctx),
		d.purgeDeliveries(ctx),
		d.purgeEndpoints(ctx),
		d.purgeAudit(ctx),
		d.purgeTokens(ctx),
	)
}

// makeEventPartitions makes the partitions from yesterday to seven days ahead that do not exist.
func makeEventPartitions(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lockMaintain); err != nil {
		return err
	}
	existing, today, err := eventPartitions(ctx, tx)
	if err != nil {
		return err
	}
	for offset := -1; offset <= daysAhead; offset++ {
		day := today.AddDate(0, 0, offset)
		if existing[day] {
			continue
		}
		if err := makeEventPartition(ctx, tx, day); err != nil {
			return err
		}
	}
	return nil
}

// makeEventPartition attaches a table instead of creating a partition in one step, because only that lets writers of the
// log go on. Data definitions take no parameters; all that is put in here is a date.
func makeEventPartition(ctx context.Context, tx *sqlx.Tx, day time.Time) error {
	name := partitionPrefix + day.Format(partitionDay)
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`
		CREATE TABLE %s (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`, name)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		ALTER TABLE events ATTACH PARTITION %s FOR VALUES FROM ('%s 00:00:00+00') TO ('%s 00:00:00+00')`,
		name, day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly)))
	return err
}

// eventPartitions returns the days that have a partition, and the database's day; both are midnights in UTC.
func eventPartitions(ctx context.Context, q sqlx.QueryerContext) (map[time.Time]bool, time.Time, error) {
	var names []string
	if err := sqlx.SelectContext(ctx, q, &names, `
		SELECT c.relname
		FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = CAST('events' AS regclass)`); err != nil {
		return nil, time.Time{}, err
	}
	days := make(map[time.Time]bool, len(names))
	for _, name := range names {
		if day, err := time.Parse(partitionPrefix+partitionDay, name); err == nil {
			days[day] = true
		}
	}
	at, err := now(ctx, q)
	if err != nil {
		return nil, time.Time{}, err
	}
	return days, at.Truncate(24 * time.Hour), nil
}

// dropEventPartitions drops each old partition in a transaction of its own. It gives up quickly where readers are in the
// way, since writers queue behind it; the next run tries again.
func (d *DB) dropEventPartitions(ctx context.Context) error {
	existing, today, err := eventPartitions(ctx, d.x)
	if err != nil {
		return wrap(ctx, "listing event partitions", err)
	}
	oldest := today.AddDate(0, 0, -daysKept)
	for day := range existing {
		if !day.Before(oldest) {
			continue
		}
		err := d.inTx(ctx, "dropping an event partition", func(tx *sqlx.Tx) error {
			return dropEventPartition(ctx, tx, day)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropEventPartition keeps a partition that holds what is not published yet, however old it is.
func dropEventPartition(ctx context.Context, tx *sqlx.Tx, day time.Time) error {
	if _, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '1s'`); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lockMaintain); err != nil {
		return err
	}
	var awaited bool
	if err := tx.GetContext(ctx, &awaited, `
		SELECT EXISTS (SELECT FROM outbox WHERE event_created_at >= $1 AND event_created_at < $2)`,
		day, day.AddDate(0, 0, 1)); err != nil {
		return err
	}
	if awaited {
		return nil
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`DROP TABLE IF EXISTS %s`, partitionPrefix+day.Format(partitionDay)))
	return err
}

func (d *DB) purgeReplicas(ctx context.Context) error {
	_, err := affected(d.x.ExecContext(ctx, `DELETE FROM replicas WHERE expires_at < clock_timestamp()`))
	return wrap(ctx, "purging replicas", err)
}
