package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Options says which database to use and how patient to be with it.
type Options struct {
	// URL is a postgres:// URL or a keyword/value string. Where it names no sslmode, a local host is reached in plain
	// and any other with verify-full; a weaker mode for another host must stand in the URL itself.
	URL string
	// ApplicationName is what pg_stat_activity shows, "ashbridge" if empty.
	ApplicationName string
	// MaxConns is the size of the pool, 8 if zero. Migrate uses two more for as long as it runs.
	MaxConns int
	// StatementTimeout ends a statement on the server, 10 s if zero.
	StatementTimeout time.Duration
	// IOTimeout ends each wait for the network, five seconds above StatementTimeout if zero. It is what ends a call on a
	// connection that fell silent, where its context does not end sooner.
	IOTimeout time.Duration
	// ConnectTimeout bounds the opening of a connection, 5 s if zero.
	ConnectTimeout time.Duration
	// IdleInTransactionTimeout ends a transaction whose client went silent, 15 s if zero.
	IdleInTransactionTimeout time.Duration
	// RecordEvents has every change of a record put into the queue of the stream RECORDS. Nobody empties it otherwise.
	RecordEvents bool
	// AllowUnsafeDurability accepts a server that may lose commits in a power cut. It is meant for tests.
	AllowUnsafeDurability bool
	// Logger takes warnings about the set-up; nil discards them.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.URL == "" {
		return o, errors.New("database URL is empty")
	}
	if o.ApplicationName == "" {
		o.ApplicationName = "ashbridge"
	}
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.MaxConns < 1 {
		return o, fmt.Errorf("pool size %d is below 1", o.MaxConns)
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = 10 * time.Second
	}
	if o.IOTimeout == 0 {
		o.IOTimeout = o.StatementTimeout + 5*time.Second
	}
	if o.IOTimeout <= o.StatementTimeout {
		return o, fmt.Errorf("network timeout %s is not above the statement timeout %s", o.IOTimeout, o.StatementTimeout)
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 5 * time.Second
	}
	if o.IdleInTransactionTimeout == 0 {
		o.IdleInTransactionTimeout = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// DB is a pool of connections to Ashbridge's database.
type DB struct {
	x    *sqlx.DB
	opts Options
}

// Gateway is the database as the gateway sees it.
type Gateway struct{ db *DB }

// Syncer is the database as the syncer sees it.
type Syncer struct{ db *DB }

// Notifier is the database as the notifier sees it.
type Notifier struct{ db *DB }

// Gateway returns the handle that satisfies the gateway's store interfaces.
func (d *DB) Gateway() Gateway { return Gateway{db: d} }

// Syncer returns the handle that satisfies the syncer's store interfaces.
func (d *DB) Syncer() Syncer { return Syncer{db: d} }

// Notifier returns the handle that satisfies the notifier's store interface.
func (d *DB) Notifier() Notifier { return Notifier{db: d} }

// Open connects to the database and checks that what it commits survives a power cut. It returns mirror.ErrUnavailable
// when the database does not answer. It does not look at the schema; see CheckSchema and Migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	pool, err := openPool(o)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	d := &DB{x: sqlx.NewDb(pool, "postgres"), opts: o}
	if err := d.checkDurability(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openPool makes a pool without connecting.
func openPool(o Options) (*sql.DB, error) {
	cfg, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	if _, err := pq.NewConnectorConfig(cfg); err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector{cfg: cfg, timeout: o.IOTimeout})
	pool.SetMaxOpenConns(o.MaxConns)
	pool.SetMaxIdleConns(o.MaxConns)
	pool.SetConnMaxLifetime(30 * time.Minute)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return pool, nil
}

// Close closes the pool. Calls that still run get an error.
func (d *DB) Close() error {
	if err := d.x.Close(); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// Pool is the pool itself, for its statistics.
func (d *DB) Pool() *sql.DB { return d.x.DB }

// Ping returns mirror.ErrUnavailable unless the database answers.
func (d *DB) Ping(ctx context.Context) error {
	return wrap(ctx, "pinging the database", d.x.PingContext(ctx))
}

// checkDurability refuses a server whose commits a power cut can take back: a webhook answered 200 is one such commit.
func (d *DB) checkDurability(ctx context.Context) error {
	unsafe, err := d.unsafeSettings(ctx)
	if err != nil {
		return wrap(ctx, "connecting to the database", err)
	}
	if len(unsafe) == 0 {
		return nil
	}
	if !d.opts.AllowUnsafeDurability {
		return fmt.Errorf("the database may lose committed data: these settings are off and must be on: %v", unsafe)
	}
	d.opts.Logger.WarnContext(ctx, "the database may lose committed data", "settings_off", unsafe)
	return nil
}

// unsafeSettings are those that are off and must be on.
func (d *DB) unsafeSettings(ctx context.Context) (unsafe []string, err error) {
	err = d.x.SelectContext(ctx, &unsafe, `
		SELECT name
		FROM pg_settings
		WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
		ORDER BY name`)
	return unsafe, err
}
