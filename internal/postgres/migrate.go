package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/pressly/goose/v3"

	"github.com/bebitcoiner/ashbridge/schema/migrations"
)

// What CheckSchema finds wrong.
var (
	// ErrSchemaBehind: the database lacks migrations that this program needs.
	ErrSchemaBehind = errors.New("database schema is behind this program")
	// ErrSchemaAhead: the database was migrated by a newer program, and this one cannot work with it any more.
	ErrSchemaAhead = errors.New("database schema is ahead of this program")
)

// Migrate brings the schema up to date and makes the first event partitions, so that events can be written at once.
// Starts at the same time wait for one another, and those that come second find nothing to do. It needs a connection
// without a pooler, since it uses one of its own without a statement timeout.
func (d *DB) Migrate(ctx context.Context) error {
	o := d.opts
	o.MaxConns = 2
	o.StatementTimeout, o.IdleInTransactionTimeout, o.IOTimeout = -1, -1, 15*time.Minute
	pool, err := openPool(o)
	if err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	err = migrate(ctx, sqlx.NewDb(pool, "postgres"))
	return errors.Join(wrap(ctx, "migrating the database", err), pool.Close())
}

// migrate holds a lock on one connection while goose works on the other.
func migrate(ctx context.Context, x *sqlx.DB) error {
	tx, err := x.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	// The transaction exists for its lock alone, so it may as well be rolled back.
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lockMigrate); err != nil {
		return err
	}
	provider, err := newProvider(x.DB)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	other := &DB{x: x}
	return other.inTx(ctx, "making event partitions", func(tx *sqlx.Tx) error {
		return makeEventPartitions(ctx, tx)
	})
}

func newProvider(pool *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectPostgres, pool, migrations.FS, goose.WithDisableGlobalRegistry(true))
}

// CheckSchema returns ErrSchemaBehind or ErrSchemaAhead unless this program can work with the schema: the one it was built
// for, or a newer one whose migrations say that they left what this program needs.
func (d *DB) CheckSchema(ctx context.Context) error {
	provider, err := newProvider(d.x.DB)
	if err != nil {
		return fmt.Errorf("checking the schema: %w", err)
	}
	var want int64
	for _, source := range provider.ListSources() {
		want = max(want, source.Version)
	}
	// Goose's own question would create its table, which a check must not.
	var have int64
	err = d.x.GetContext(ctx, &have, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied`)
	if err != nil && pq.As(err, pqerror.UndefinedTable) == nil {
		return wrap(ctx, "checking the schema", err)
	}
	switch {
	case have < want:
		return fmt.Errorf("%w: it is at version %d and version %d is needed; run \"ashbridge migrate\"",
			ErrSchemaBehind, have, want)
	case have > want:
		return d.checkFloor(ctx, have, want)
	}
	return nil
}

// checkFloor asks a newer schema whether a program that knows no more than want can work with it.
func (d *DB) checkFloor(ctx context.Context, have, want int64) error {
	var floor int64
	if err := d.x.GetContext(ctx, &floor, `SELECT version FROM schema_floor`); err != nil {
		return wrap(ctx, "asking the schema for the oldest program", err)
	}
	if want < floor {
		return fmt.Errorf("%w: it is at version %d and needs a program that knows version %d, and this one knows %d; "+
			"run a newer ashbridge", ErrSchemaAhead, have, floor, want)
	}
	d.opts.Logger.InfoContext(ctx, "the tables are those of a newer program, which lets this one work with them",
		"version", have, "known", want)
	return nil
}
