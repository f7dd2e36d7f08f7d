package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// latestCursor is a position in the order of Latest: jobs first, then connections.
type latestCursor struct {
	// Jobs says that all jobs were returned.
	Jobs       bool   `json:"jobs"`
	Connection string `json:"c"`
	Posting    string `json:"p"`
}

// latestRow is the last event of an object.
type latestRow struct {
	Connection string `db:"connection_id"`
	Posting    string `db:"posting_id"`
	Version    int64  `db:"version"`
	EventID    string `db:"event_id"`
	Hash       []byte `db:"hash"`
	// Waiting says that it is still in the outbox.
	Waiting bool `db:"waiting"`
}

func (r latestRow) latest() mirror.Latest {
	return mirror.Latest{
		Place:   mirror.Place{Connection: r.Connection, Posting: r.Posting, Version: r.Version},
		EventID: r.EventID, Hash: r.Hash,
	}
}

// Latest returns, of every job and connection, the last event that is not in the outbox: what the stream must hold last.
// It pages by a cursor, empty at first; next is empty at the end. A page reads limit objects and may return fewer, since
// some have none. Jobs that were closed longer than mirror.ClosedKept ago are left out.
func (n Notifier) Latest(ctx context.Context, cursor string, limit int) (_ []mirror.Latest, next string, err error) {
	const doing = "reading what the stream must hold"
	var after latestCursor
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &after); err != nil {
			return nil, "", fmt.Errorf("%s: cursor: %w", doing, err)
		}
	}
	page, read := n.latestJobs, 0
	if after.Jobs {
		page = n.latestConnections
	}
	rows, err := page(ctx, &after, limit, &read)
	if err != nil {
		return nil, "", wrap(ctx, doing, err)
	}
	out := make([]mirror.Latest, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.latest())
	}
	if read < limit {
		if after.Jobs {
			return out, "", nil
		}
		after = latestCursor{Jobs: true}
	}
	text, err := json.Marshal(after)
	return out, string(text), err
}

// latestJobs reads a page and moves the cursor behind it.
func (n Notifier) latestJobs(ctx context.Context, after *latestCursor, limit int, read *int) ([]latestRow, error) {
	var rows []latestRow
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT l.connection_id, l.posting_id, l.version, l.event_id, l.hash,
			o.event_id IS NOT NULL AS waiting
		FROM listings l
		LEFT JOIN outbox o ON o.event_id = l.event_id
		WHERE (l.connection_id, l.posting_id) > ($1, $2)
			AND (l.state <> 'closed' OR l.updated_at >= now() - make_interval(secs => $4))
		ORDER BY l.connection_id, l.posting_id
		LIMIT $3`, after.Connection, after.Posting, limit, mirror.ClosedKept.Seconds()); err != nil {
		return nil, err
	}
	if *read = len(rows); *read == 0 {
		return nil, nil
	}
	last := rows[len(rows)-1]
	after.Connection, after.Posting = last.Connection, last.Posting
	return n.orEarlier(ctx, rows)
}

// orEarlier puts, in the place of events that wait in the outbox, the last ones before them that do not.
func (n Notifier) orEarlier(ctx context.Context, rows []latestRow) ([]latestRow, error) {
	var there []latestRow
	var connections, postings []string
	for _, r := range rows {
		switch {
		case !r.Waiting:
			there = append(there, r)
		case r.Version > 1:
			connections, postings = append(connections, r.Connection), append(postings, r.Posting)
		}
	}
	if len(connections) == 0 {
		return there, nil
	}
	earlier, err := n.lastPublished(ctx, connections, postings)
	return append(there, earlier...), err
}

// latestConnections reads a page and moves the cursor behind it.
func (n Notifier) latestConnections(ctx context.Context, after *latestCursor, limit int, read *int) ([]latestRow, error) {
	var ids []string
	if err := n.db.x.SelectContext(ctx, &ids, `
		SELECT id FROM connections WHERE id > $1 ORDER BY id LIMIT $2`, after.Connection, limit); err != nil {
		return nil, err
	}
	if *read = len(ids); *read == 0 {
		return nil, nil
	}
	after.Connection = ids[len(ids)-1]
	var rows []latestRow
	err := n.db.x.SelectContext(ctx, &rows, `
		SELECT k.connection_id, '' AS posting_id, k.version, k.event_id, NULL AS hash,
			o.event_id IS NOT NULL AS waiting
		FROM `+connectionStates+` k
		LEFT JOIN outbox o ON o.event_id = k.event_id
		WHERE k.connection_id = ANY ($1)
		ORDER BY k.connection_id`, textArray(ids))
	if err != nil {
		return nil, err
	}
	return n.orEarlier(ctx, rows)
}

// lastPublished returns the last events in the log that are not in the outbox.
func (n Notifier) lastPublished(ctx context.Context, connections, postings []string) ([]latestRow, error) {
	var rows []latestRow
	err := n.db.x.SelectContext(ctx, &rows, `
		SELECT DISTINCT ON (e.connection_id, e.posting_id) e.connection_id, e.posting_id, e.version, e.id AS event_id,
			NULL AS hash, FALSE AS waiting
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS n (connection, posting)
		JOIN events e ON e.connection_id = n.connection AND e.posting_id = n.posting
		WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = e.id)
		ORDER BY e.connection_id, e.posting_id, e.version DESC`, textArray(connections), textArray(postings))
	return rows, err
}

// Unknown returns those places whose job or connection the database has never had.
func (n Notifier) Unknown(ctx context.Context, places []mirror.Place) ([]mirror.Place, error) {
	connections, postings, _ := columns(places)
	var rows []struct {
		Connection string `db:"connection"`
		Posting    string `db:"posting"`
	}
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT n.connection, n.posting
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS n (connection, posting)
		WHERE CASE WHEN n.posting = ''
			THEN NOT EXISTS (SELECT FROM connections c WHERE c.id = n.connection)
			ELSE NOT EXISTS (SELECT FROM listings l WHERE l.connection_id = n.connection AND l.posting_id = n.posting)
		END`, textArray(connections), textArray(postings)); err != nil {
		return nil, wrap(ctx, "looking for jobs that nobody knows", err)
	}
	unknown := make([]mirror.Place, 0, len(rows))
	for _, r := range rows {
		unknown = append(unknown, mirror.Place{Connection: r.Connection, Posting: r.Posting})
	}
	return unknown, nil
}

// OutboxDepth tells how many events are in the outbox, and since when the oldest is; nil where none is.
func (n Notifier) OutboxDepth(ctx context.Context) (rows int64, oldest *time.Time, err error) {
	var row struct {
		Rows   int64      `db:"rows"`
		Oldest *time.Time `db:"oldest"`
	}
	if err := n.db.x.GetContext(ctx, &row, `
		SELECT count(*) AS rows, min(event_created_at) AS oldest FROM outbox`); err != nil {
		return 0, nil, wrap(ctx, "counting the outbox", err)
	}
	return row.Rows, utc(row.Oldest), nil
}
