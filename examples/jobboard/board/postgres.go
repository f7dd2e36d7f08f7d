package board

import (
	"context"
	"database/sql"
	_ "embed" // the tables
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

//go:embed schema.sql
var schema string

// schemaLock keeps two boards that start at the same time from making the tables at the same time. Any number will do.
const schemaLock = 7_306_083_101

// Postgres keeps jobs, and the positions with them, in a database. Use OpenPostgres.
type Postgres struct{ db *sqlx.DB }

// OpenPostgres connects to a database and makes the tables that are missing, in the schema "jobboard".
func OpenPostgres(ctx context.Context, url string) (*Postgres, error) {
	db, err := sqlx.Open("postgres", url)
	if err != nil {
		return nil, fmt.Errorf("connecting to the board's database: %w", err)
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to the board's database: %w", err), db.Close())
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	db.SetConnMaxIdleTime(5 * time.Minute)
	p := &Postgres{db: db}
	if err := p.inTx(ctx, nil, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, schema)
		return err
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("making the board's tables: %w", err), db.Close())
	}
	return p, nil
}

// Close ends the connections.
func (p *Postgres) Close() error { return p.db.Close() }

// Ping says whether the database answers.
func (p *Postgres) Ping(ctx context.Context) error { return p.db.PingContext(ctx) }

// Apply stores a job's state and its position in one transaction. A crash before the commit leaves neither, and the event
// comes again; after the commit the position says that it is done. So each event has its effect exactly once. The same
// version with other contents than ours, which only a replay brings, mends a row that was damaged here.
func (p *Postgres) Apply(ctx context.Context, j Job) (changed bool, err error) {
	doc, err := json.Marshal(j.Job)
	if err != nil {
		return false, fmt.Errorf("encoding a job: %w", err)
	}
	err = p.inTx(ctx, nil, func(tx *sqlx.Tx) error {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO jobboard.jobs AS old (
				connection, posting, version, is_open, reason, posted_at, employer, employer_name, department, locations,
				workplace_type, employment_type, search, job)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (connection, posting) DO UPDATE SET
				version = EXCLUDED.version, is_open = EXCLUDED.is_open, reason = EXCLUDED.reason,
				posted_at = CASE WHEN $15 THEN EXCLUDED.posted_at ELSE old.posted_at END,
				employer = EXCLUDED.employer, employer_name = EXCLUDED.employer_name, department = EXCLUDED.department,
				locations = EXCLUDED.locations, workplace_type = EXCLUDED.workplace_type,
				employment_type = EXCLUDED.employment_type, search = EXCLUDED.search, job = EXCLUDED.job
			WHERE old.version < EXCLUDED.version
				OR old.version = EXCLUDED.version AND (old.job, old.is_open) IS DISTINCT FROM (EXCLUDED.job, EXCLUDED.is_open)`,
			j.Connection, j.ID, j.Version, j.Open, j.Reason, j.PostedAt, j.EmployerRef, j.EmployerName, j.Department,
			pq.Array(locationNames(j)), j.WorkplaceType, j.EmploymentType, searchText(j), string(doc), j.IsPosting)
		if err != nil {
			return err
		}
		rows, err := result.RowsAffected()
		changed = rows > 0
		if err != nil {
			return err
		}
		return handled(ctx, tx, j.Key(), j.Version)
	})
	return changed, err
}

// row is a job as it is read back.
type row struct {
	Version  int64         `db:"version"`
	Open     bool          `db:"is_open"`
	Reason   events.Reason `db:"reason"`
	PostedAt time.Time     `db:"posted_at"`
	Doc      []byte        `db:"job"`
}

func (r row) job() (Job, error) {
	j := Job{Version: r.Version, Open: r.Open, Reason: r.Reason, PostedAt: r.PostedAt.UTC()}
	if err := json.Unmarshal(r.Doc, &j.Job); err != nil {
		return Job{}, fmt.Errorf("decoding a job: %w", err)
	}
	return j, nil
}

// Job returns a job.
func (p *Postgres) Job(ctx context.Context, connection, posting string) (Job, error) {
	var r row
	err := p.db.GetContext(ctx, &r, `
		SELECT version, is_open, reason, posted_at, job FROM jobboard.jobs WHERE connection = $1 AND posting = $2`,
		connection, posting)
	if errors.Is(err, sql.ErrNoRows) {
		return Job{}, ErrUnknown
	}
	if err != nil {
		return Job{}, fmt.Errorf("reading a job: %w", err)
	}
	return r.job()
}

// inTx runs work in a transaction, which is rolled back if it fails.
func (p *Postgres) inTx(ctx context.Context, o *sql.TxOptions, work func(*sqlx.Tx) error) (err error) {
	tx, err := p.db.BeginTxx(ctx, o)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the error that led here says more
		}
	}()
	if err = work(tx); err != nil {
		return err
	}
	if err = tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}
