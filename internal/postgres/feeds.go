package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

type feedRow struct {
	ID         string         `db:"id"`
	Name       string         `db:"name"`
	Employers  pq.StringArray `db:"employers"`
	CreatedAt  time.Time      `db:"created_at"`
	RotatedAt  *time.Time     `db:"rotated_at"`
	LastReadAt *time.Time     `db:"last_read_at"`
}

func (r feedRow) feed() mirror.Feed {
	return mirror.Feed{
		ID: r.ID, Name: r.Name, Employers: r.Employers, CreatedAt: r.CreatedAt.UTC(), RotatedAt: utc(r.RotatedAt),
		LastReadAt: utc(r.LastReadAt),
	}
}

// CreateFeed stores a feed and returns it. mirror.UnknownConnections.
func (g Gateway) CreateFeed(ctx context.Context, f mirror.NewFeed) (mirror.Feed, error) {
	var row feedRow
	err := g.db.inTx(ctx, "creating a feed", func(tx *sqlx.Tx) error {
		if err := checkConnections(ctx, tx, f.Employers); err != nil {
			return err
		}
		return tx.GetContext(ctx, &row, `
			INSERT INTO feeds (id, name, employers, token_hash)
			VALUES ($1, $2, $3, $4)
			RETURNING id, name, employers, created_at, rotated_at, last_read_at`,
			f.ID, f.Name, employersParam(f.Employers), f.TokenHash)
	})
	return row.feed(), err
}

// Feeds returns feeds by id, after the id given, at most limit.
func (g Gateway) Feeds(ctx context.Context, after string, limit int) ([]mirror.Feed, error) {
	const doing = "reading feeds"
	if err := checkLimit(limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []feedRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT id, name, employers, created_at, rotated_at, last_read_at
		FROM feeds
		WHERE id > $1
		ORDER BY id
		LIMIT $2`, after, limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	feeds := make([]mirror.Feed, 0, len(rows))
	for _, r := range rows {
		feeds = append(feeds, r.feed())
	}
	return feeds, nil
}

// RotateFeed gives a feed another token; the one before it is unknown from then on. mirror.ErrNotFound.
func (g Gateway) RotateFeed(ctx context.Context, id string, tokenHash []byte) (mirror.Feed, error) {
	var row feedRow
	err := g.db.x.GetContext(ctx, &row, `
		UPDATE feeds
		SET token_hash = $2, rotated_at = clock_timestamp()
		WHERE id = $1
		RETURNING id, name, employers, created_at, rotated_at, last_read_at`, id, tokenHash)
	return row.feed(), wrap(ctx, "rotating a feed's token", err)
}

// RemoveFeed deletes a feed. mirror.ErrNotFound.
func (g Gateway) RemoveFeed(ctx context.Context, id string) error {
	return wrap(ctx, "removing a feed", mustFind(g.db.x.ExecContext(ctx, `DELETE FROM feeds WHERE id = $1`, id)))
}

// FeedOf returns the feed with a token of this hash. mirror.ErrNotFound.
func (g Gateway) FeedOf(ctx context.Context, tokenHash []byte) (mirror.Feed, error) {
	var row feedRow
	err := g.db.x.GetContext(ctx, &row, `
		SELECT id, name, employers, created_at, rotated_at, last_read_at
		FROM feeds
		WHERE token_hash = $1`, tokenHash)
	return row.feed(), wrap(ctx, "looking up a feed", err)
}

// FeedRead notes that a feed was read now, unless that was noted within the last minute.
func (g Gateway) FeedRead(ctx context.Context, id string) error {
	_, err := affected(g.db.x.ExecContext(ctx, `
		UPDATE feeds
		SET last_read_at = clock_timestamp()
		WHERE id = $1 AND (last_read_at IS NULL OR last_read_at < clock_timestamp() - INTERVAL '1 minute')`, id))
	return wrap(ctx, "noting that a feed was read", err)
}

// FeedState returns what a feed of these employers, nil for all, has to show. It reads indexes alone. What an employer
// who was removed left open counts; when it was last verified does not.
func (g Gateway) FeedState(ctx context.Context, employers []string) (mirror.FeedState, error) {
	const doing = "reading the state of a feed"
	horizon, err := g.horizon(ctx)
	if err != nil {
		return mirror.FeedState{}, wrap(ctx, doing, err)
	}
	var row struct {
		Digest     string     `db:"digest"`
		ChangedAt  *time.Time `db:"changed_at"`
		VerifiedAt *time.Time `db:"verified_at"`
	}
	if err := g.db.x.GetContext(ctx, &row, feedStateQuery, employersParam(employers)); err != nil {
		return mirror.FeedState{}, wrap(ctx, doing, err)
	}
	state := mirror.FeedState{Digest: row.Digest, Horizon: horizon.UTC(), VerifiedAt: utc(row.VerifiedAt)}
	if row.ChangedAt != nil {
		state.ChangedAt = row.ChangedAt.UTC()
	}
	return state, nil
}

// feedStateQuery sums two hashes of each open job's name and version, 128 bits together. A sum needs no order: sorting
// 100,000 names took longer than all the rest.
const feedStateQuery = `
	SELECT
		(SELECT concat_ws('.', count(*),
				sum(hashtextextended(concat_ws('/', l.connection_id, l.posting_id, l.version), 0)),
				sum(hashtextextended(concat_ws('/', l.connection_id, l.posting_id, l.version), 1)))
			FROM listings l
			WHERE l.state = 'open' AND (CAST($1 AS text[]) IS NULL OR l.connection_id = ANY($1))) AS digest,
		CASE WHEN CAST($1 AS text[]) IS NULL THEN (SELECT max(l.updated_at) FROM listings l)
			ELSE (SELECT max(latest.updated_at)
				FROM unnest(CAST($1 AS text[])) AS e (id)
				CROSS JOIN LATERAL (SELECT max(l.updated_at) AS updated_at FROM listings l WHERE l.connection_id = e.id) AS latest)
		END AS changed_at,
		(SELECT CASE WHEN bool_and(s.last_verified_at IS NOT NULL) THEN min(s.last_verified_at) END
			FROM connections c
			JOIN sync_state s ON s.connection_id = c.id
			WHERE c.status <> 'removed' AND (CAST($1 AS text[]) IS NULL OR c.id = ANY($1))) AS verified_at`

// FeedPage returns at most q.Limit open jobs after q.After, in the order of mirror.FeedCursor, which lasts for one and
// the same q.Employers. Each page is read by itself, so that a slow reader keeps no snapshot alive. As a job's place never
// changes, whoever goes from page to page sees none twice and misses none that was open throughout; one that opens,
// closes or changes meanwhile is seen as it was before or after.
func (g Gateway) FeedPage(ctx context.Context, q mirror.FeedQuery) ([]mirror.FeedJob, error) {
	const doing = "reading the jobs of a feed"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if q.Employers == nil {
		jobs, err := feedJobs(ctx, g.db.x, feedPageQuery, q.After.Connection, q.After.Posting, q.Limit)
		return jobs, wrap(ctx, doing, err)
	}
	var page []mirror.FeedJob
	after := q.After.Posting
	for _, employer := range employersFrom(q.Employers, q.After.Connection) {
		if employer != q.After.Connection {
			after = ""
		}
		jobs, err := feedJobs(ctx, g.db.x, feedEmployerQuery, employer, after, q.Limit-len(page))
		if err != nil {
			return nil, wrap(ctx, doing, err)
		}
		if page = append(page, jobs...); len(page) == q.Limit {
			break
		}
	}
	return page, nil
}

const (
	feedPageQuery = `
	SELECT connection_id, posting_id, job, version, changed_at
	FROM listings
	WHERE state = 'open' AND (connection_id, posting_id) > ($1, $2)
	ORDER BY connection_id, posting_id
	LIMIT $3`
	feedEmployerQuery = `
	SELECT connection_id, posting_id, job, version, changed_at
	FROM listings
	WHERE state = 'open' AND connection_id = $1 AND posting_id > $2
	ORDER BY posting_id
	LIMIT $3`
)

// employersFrom returns the employers, in the order of the list, from the one given on; all of them where it is empty.
func employersFrom(employers []string, first string) []string {
	for i, e := range employers {
		if e == first {
			return employers[i:]
		}
	}
	return employers
}

func feedJobs(ctx context.Context, q sqlx.QueryerContext, query string, args ...any) ([]mirror.FeedJob, error) {
	var rows []struct {
		Connection string    `db:"connection_id"`
		Posting    string    `db:"posting_id"`
		Job        []byte    `db:"job"`
		Version    int64     `db:"version"`
		ChangedAt  time.Time `db:"changed_at"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, query, args...); err != nil {
		return nil, err
	}
	jobs := make([]mirror.FeedJob, 0, len(rows))
	for _, r := range rows {
		jobs = append(jobs, mirror.FeedJob{
			FeedCursor: mirror.FeedCursor{Connection: r.Connection, Posting: r.Posting}, Job: r.Job, Version: r.Version,
			ChangedAt: r.ChangedAt.UTC(),
		})
	}
	return jobs, nil
}
