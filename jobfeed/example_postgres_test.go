package jobfeed_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// boardTables are the board's jobs, and what the feed has to remember.
const boardTables = `
CREATE TABLE jobs (key text PRIMARY KEY, title text NOT NULL, description_html text NOT NULL);
CREATE TABLE feed_versions (key text PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE feed_mark (one boolean PRIMARY KEY DEFAULT true CHECK (one), mark jsonb NOT NULL);`

// Board keeps jobs in Postgres. It implements jobfeed.Positions.
type Board struct{ DB *sql.DB }

// Handle takes an event: the job and its version are stored in one transaction, so that each event takes effect once.
func (b Board) Handle(ctx context.Context, e jobfeed.Event) error {
	tx, err := b.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	switch {
	case e.Job == nil:
	case e.Type == events.JobClosed:
		_, err = tx.ExecContext(ctx, `DELETE FROM jobs WHERE key = $1`, e.Key())
	default:
		_, err = tx.ExecContext(ctx, `
			INSERT INTO jobs (key, title, description_html) VALUES ($1, $2, $3)
			ON CONFLICT (key) DO UPDATE SET title = EXCLUDED.title, description_html = EXCLUDED.description_html`,
			e.Key(), e.Job.Job.Title, e.Job.Job.DescriptionHTML)
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, storeVersion, e.Key(), e.Version); err != nil {
		return err
	}
	return tx.Commit()
}

const storeVersion = `
INSERT INTO feed_versions (key, version) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET version = EXCLUDED.version WHERE feed_versions.version < EXCLUDED.version`

const storeMark = `
INSERT INTO feed_mark (mark) VALUES ($1)
ON CONFLICT (one) DO UPDATE SET mark = EXCLUDED.mark`

// Handled changes nothing after Handle; it counts for events that were skipped.
func (b Board) Handled(ctx context.Context, key string, version int64) error {
	_, err := b.DB.ExecContext(ctx, storeVersion, key, version)
	return err
}

// Load returns where the board stopped.
func (b Board) Load(ctx context.Context) (jobfeed.Position, error) {
	at := jobfeed.Position{Versions: map[string]int64{}}
	var mark []byte
	err := b.DB.QueryRowContext(ctx, `SELECT mark FROM feed_mark`).Scan(&mark)
	if err == nil {
		err = json.Unmarshal(mark, &at.Mark)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, err
	}
	rows, err := b.DB.QueryContext(ctx, `SELECT key, version FROM feed_versions`)
	if err != nil {
		return at, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key string
		var version int64
		if err := rows.Scan(&key, &version); err != nil {
			return at, err
		}
		at.Versions[key] = version
	}
	return at, rows.Err()
}

// Reached stores a place in the stream.
func (b Board) Reached(ctx context.Context, m jobfeed.Mark) error {
	mark, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = b.DB.ExecContext(ctx, storeMark, mark)
	return err
}

// Reset forgets the versions; the jobs stay until their events come again.
func (b Board) Reset(ctx context.Context, m jobfeed.Mark) error {
	mark, err := json.Marshal(m)
	if err != nil {
		return err
	}
	tx, err := b.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `DELETE FROM feed_versions`); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, storeMark, mark); err != nil {
		return err
	}
	return tx.Commit()
}

// A board that keeps its jobs in Postgres, and the versions in the same transactions: each event takes effect exactly once,
// whatever crashes when.
func Example_postgres() {
	ctx := context.Background()
	db, err := sql.Open("postgres", "postgres://board@localhost/board")
	if err != nil {
		fmt.Println(err)
		return
	}
	board := Board{DB: db}
	feed, err := jobfeed.Open(ctx, jobfeed.Options{
		URL: "nats://ashbridge.example:4222", User: "sub_0198c0de-1", Password: "ash_sub_…", Positions: board,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = feed.Close() }()
	fmt.Println(feed.Subscribe(ctx, board.Handle))
}
