package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// snapshotPage is how many jobs one statement queues.
	snapshotPage = 2000
	// maxReplayed is how many events a replay from a time queues at most. It is one transaction, so that no event of a job
	// leaves before an older one is queued, and what the sender writes may wait for it.
	maxReplayed = 100_000
)

// Replay queues events for a receiver again and returns how many. A snapshot takes the place of what older versions wait;
// one that breaks off has queued a part, and may be repeated. mirror.ErrNotFound, mirror.ErrNotActive, mirror.ErrTooMany.
func (g Gateway) Replay(ctx context.Context, id string, what mirror.Replay) (mirror.Replayed, error) {
	const doing = "replaying to an endpoint"
	r, err := g.Receiver(ctx, id)
	if err != nil {
		return mirror.Replayed{}, fmt.Errorf("%s: %w", doing, err)
	}
	if r.Status != mirror.ReceiverActive {
		return mirror.Replayed{}, fmt.Errorf("%s: %w", doing, mirror.ErrNotActive)
	}
	switch {
	case what.Snapshot:
		if what.OpenOnly {
			return g.replaySnapshot(ctx, r.Receiver, 0)
		}
		return g.replaySnapshot(ctx, r.Receiver, mirror.ClosedKept)
	case what.Failed:
		n, err := affected(g.db.x.ExecContext(ctx, `
			UPDATE deliveries
			SET state = 'pending', tries = 0, first_tried_at = NULL, next_at = clock_timestamp(), finished_at = NULL
			WHERE endpoint_id = $1 AND state = 'failed'`, id))
		return mirror.Replayed{Queued: n}, wrap(ctx, doing, err)
	}
	var n int
	err = g.db.inTx(ctx, doing, func(tx *sqlx.Tx) error {
		n, err = replaySince(ctx, tx, r.Receiver, what.Since)
		return err
	})
	return mirror.Replayed{Queued: n}, err
}

// replaySince leaves out what the relay has not published yet: its own turn comes.
func replaySince(ctx context.Context, tx *sqlx.Tx, r mirror.Receiver, since time.Time) (int, error) {
	var count int
	if err := tx.GetContext(ctx, &count, `
		SELECT count(*)
		FROM (
			SELECT
			FROM events
			WHERE created_at >= $1 AND (CAST($2 AS text[]) IS NULL OR connection_id = ANY($2))
			LIMIT $3
		) e`, since, employersParam(r.Employers), maxReplayed+1); err != nil {
		return 0, err
	}
	if count > maxReplayed {
		return 0, mirror.ErrTooMany
	}
	return affected(tx.ExecContext(ctx, `
		INSERT INTO deliveries AS d (endpoint_id, connection_id, posting_id, version, event_id, event_created_at, type,
			published_at)
		SELECT $1, e.connection_id, e.posting_id, e.version, e.id, e.created_at, e.type, clock_timestamp()
		FROM events e
		WHERE e.created_at >= $2 AND (CAST($3 AS text[]) IS NULL OR e.connection_id = ANY($3))
			AND NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = e.id)
		ORDER BY e.created_at, e.connection_id, e.posting_id, e.version
		ON CONFLICT (endpoint_id, connection_id, posting_id, version) DO UPDATE
		SET state = 'pending', tries = 0, first_tried_at = NULL, next_at = clock_timestamp(), finished_at = NULL`,
		r.ID, since, employersParam(r.Employers)))
}

// replaySnapshot goes through the listings, with those that were closed within an age, and then the connections, a page a
// statement.
func (g Gateway) replaySnapshot(
	ctx context.Context, r mirror.Receiver, closed time.Duration,
) (mirror.Replayed, error) {
	var total mirror.Replayed
	for _, page := range []string{snapshotOfJobs, snapshotOfConnections} {
		after := snapshotRow{}
		for {
			var row snapshotRow
			if err := g.db.x.GetContext(ctx, &row, page, r.ID, after.Connection, after.Posting,
				employersParam(r.Employers), snapshotPage, closed.Seconds()); err != nil {
				return total, wrap(ctx, "queueing a snapshot for an endpoint", err)
			}
			total.Queued += row.Queued
			total.Superseded += row.Superseded
			if row.Seen < snapshotPage {
				break
			}
			after = row
		}
	}
	return total, nil
}

// snapshotRow is what came of a page, and its last object.
type snapshotRow struct {
	Seen       int    `db:"seen"`
	Queued     int    `db:"queued"`
	Superseded int    `db:"superseded"`
	Connection string `db:"connection_id"`
	Posting    string `db:"posting_id"`
}

// snapshotOfJobs takes jobs that were closed not too long ago too: who was told of one must hear that it is closed.
const snapshotOfJobs = `
	WITH page AS (
		SELECT l.connection_id, l.posting_id, l.version, l.event_id, l.event_created_at,
			COALESCE(e.type, CASE WHEN l.state = 'closed' THEN 'job.closed' ELSE 'job.published' END) AS type
		FROM listings l
		LEFT JOIN LATERAL (
			SELECT type
			FROM events
			WHERE created_at = l.event_created_at AND id = l.event_id
			LIMIT 1
		) e ON TRUE
		WHERE (l.connection_id, l.posting_id) > ($2, $3)
			AND (CAST($4 AS text[]) IS NULL OR l.connection_id = ANY($4))
			AND (l.state = 'open' OR l.updated_at >= now() - make_interval(secs => $6))
		ORDER BY l.connection_id, l.posting_id
		LIMIT $5
	)` + queuePage

// snapshotOfConnections takes the latest event of each connection, where the log still has it.
const snapshotOfConnections = `
	WITH page AS (
		SELECT c.id AS connection_id, '' AS posting_id, e.version, e.id AS event_id, e.created_at AS event_created_at,
			e.type
		FROM connections c
		LEFT JOIN events e ON e.connection_id = c.id AND e.posting_id = '' AND e.version = c.event_version
		WHERE c.id > $2 AND CAST($3 AS text) = '' AND CAST($6 AS double precision) >= 0
			AND (CAST($4 AS text[]) IS NULL OR c.id = ANY($4))
		ORDER BY c.id
		LIMIT $5
	)` + queuePage

// queuePage queues a page. What older versions of its objects wait, or were given up, is not wanted any more.
const queuePage = `, superseded AS (
		UPDATE deliveries d
		SET state = 'superseded', finished_at = COALESCE(d.finished_at, clock_timestamp())
		FROM page p
		WHERE d.endpoint_id = $1 AND d.connection_id = p.connection_id AND d.posting_id = p.posting_id
			AND d.version < p.version AND d.state IN ('pending', 'failed')
		RETURNING d.id
	), queued AS (
		INSERT INTO deliveries (endpoint_id, connection_id, posting_id, version, event_id, event_created_at, type,
			published_at)
		SELECT $1, p.connection_id, p.posting_id, p.version, p.event_id, p.event_created_at, p.type, clock_timestamp()
		FROM page p
		WHERE p.event_id IS NOT NULL
		ORDER BY p.connection_id, p.posting_id
		ON CONFLICT (endpoint_id, connection_id, posting_id, version) DO UPDATE
		SET state = 'pending', tries = 0, first_tried_at = NULL, next_at = clock_timestamp(), finished_at = NULL
		RETURNING id
	)
	SELECT (SELECT count(*) FROM page) AS seen, (SELECT count(*) FROM queued) AS queued,
		(SELECT count(*) FROM superseded) AS superseded,
		COALESCE((SELECT max(connection_id) FROM page), '') AS connection_id,
		COALESCE((SELECT posting_id FROM page ORDER BY connection_id DESC, posting_id DESC LIMIT 1), '') AS posting_id`

// parcelRow is a delivery as the API shows it.
type parcelRow struct {
	ID          int64      `db:"id"`
	EventID     string     `db:"event_id"`
	Type        string     `db:"type"`
	Connection  string     `db:"connection_id"`
	Posting     string     `db:"posting_id"`
	Version     int64      `db:"version"`
	State       string     `db:"state"`
	PublishedAt time.Time  `db:"published_at"`
	Tries       int        `db:"tries"`
	NextAt      time.Time  `db:"next_at"`
	FinishedAt  *time.Time `db:"finished_at"`
	Log         []byte     `db:"log"`
}

func (r parcelRow) view() (mirror.ParcelView, error) {
	v := mirror.ParcelView{
		ID: r.ID, EventID: r.EventID, Type: r.Type, Connection: r.Connection, Posting: r.Posting, Version: r.Version,
		State: r.State, PublishedAt: r.PublishedAt.UTC(), Tries: r.Tries, NextAt: r.NextAt.UTC(), FinishedAt: utc(r.FinishedAt),
	}
	if err := json.Unmarshal(r.Log, &v.Attempts); err != nil {
		return v, fmt.Errorf("reading the attempts of a delivery: %w", err)
	}
	return v, nil
}

// Parcels returns the parcels of a receiver, the newest first. mirror.ErrNotFound.
func (g Gateway) Parcels(ctx context.Context, q mirror.ParcelQuery) ([]mirror.ParcelView, error) {
	const doing = "listing deliveries"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := g.Receiver(ctx, q.Receiver); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []parcelRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT id, event_id, type, connection_id, posting_id, version, state, published_at, tries, next_at, finished_at, log
		FROM deliveries
		WHERE endpoint_id = $1 AND (CAST($2 AS text) = '' OR state = $2) AND (CAST($3 AS bigint) = 0 OR id < $3)
		ORDER BY id DESC
		LIMIT $4`, q.Receiver, q.State, q.Before, q.Limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	views := make([]mirror.ParcelView, 0, len(rows))
	for _, r := range rows {
		v, err := r.view()
		if err != nil {
			return nil, wrap(ctx, doing, err)
		}
		views = append(views, v)
	}
	return views, nil
}
