package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Advisory locks, held until the end of a transaction. The numbers are arbitrary; they must differ from each other.
const (
	lockMigrate  = 7217_0001
	lockMaintain = 7217_0002
	// lockRemoval goes with the hash of a connection's id. Applies share it; Remove and a change of modules have it alone. A
	// row lock would not do: new sharers of a row lock overtake who waits to have it alone, and under a busy synchronisation
	// that wait was seen not to end; advisory locks are granted in the order in which they are asked for.
	lockRemoval = 7217_0003
)

// attempts is how often a transaction is tried that keeps losing against others.
const attempts = 8

// chunk is how many rows one statement writes at most, which bounds memory where rows carry whole documents.
const chunk = 500

// inTx runs work in one transaction and commits it if work returns nil. Work that lost against another transaction is
// run again from the start, so it must set whatever it returns anew.
func (d *DB) inTx(ctx context.Context, doing string, work func(tx *sqlx.Tx) error) error {
	return retry(ctx, doing, func() error { return d.tryTx(ctx, work) })
}

// retry repeats what lost against another transaction, and wraps the error that is left.
func retry(ctx context.Context, doing string, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil {
			return nil
		}
		if attempt == attempts || !retryable(err) || !pause(ctx, attempt) {
			return wrap(ctx, doing, err)
		}
	}
}

func (d *DB) tryTx(ctx context.Context, work func(tx *sqlx.Tx) error) error {
	tx, err := d.x.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit this does nothing, and an error of a rollback adds nothing to the one that led to it.
	defer func() { _ = tx.Rollback() }()
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// pause waits a random while that grows with the attempt. It returns false if the context ended.
func pause(ctx context.Context, attempt int) bool {
	timer := time.NewTimer(time.Duration(1+rand.IntN(5*attempt)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// affected returns how many rows a statement changed.
func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// mustAffect returns a check that fails with errRaced unless a statement changed exactly want rows, which is what the
// locks held say it must.
func mustAffect(want int) func(sql.Result, error) error {
	return func(result sql.Result, err error) error {
		got, err := affected(result, err)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%d rows changed instead of %d: %w", got, want, errRaced)
		}
		return nil
	}
}

// now returns the database's clock.
func now(ctx context.Context, q sqlx.QueryerContext) (time.Time, error) {
	var at time.Time
	if err := sqlx.GetContext(ctx, q, &at, `SELECT clock_timestamp()`); err != nil {
		return time.Time{}, err
	}
	return at.UTC(), nil
}

// utc turns a time of the driver into one without the session's zone.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// mustFind returns mirror.ErrNotFound if a statement changed nothing.
func mustFind(result sql.Result, err error) error {
	n, err := affected(result, err)
	if err == nil && n == 0 {
		return mirror.ErrNotFound
	}
	return err
}
