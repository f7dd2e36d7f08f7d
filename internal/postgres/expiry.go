package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Expired returns at most limit listings that are closed, last changed longer than age ago, and have not left the stream.
func (n Notifier) Expired(ctx context.Context, age time.Duration, limit int) ([]mirror.Place, error) {
	var rows []struct {
		Connection string `db:"connection_id"`
		Posting    string `db:"posting_id"`
		Version    int64  `db:"version"`
	}
	// Other than clock_timestamp(), now() lets the index find the beginning. Backwards, because those that were
	// forgotten before, which can be many, lie behind the ones that are due.
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT connection_id, posting_id, version
		FROM listings
		WHERE state = 'closed' AND updated_at < now() - make_interval(secs => $1) AND left_version <> version
		ORDER BY updated_at DESC
		LIMIT $2`, age.Seconds(), limit); err != nil {
		return nil, wrap(ctx, "reading long closed jobs", err)
	}
	places := make([]mirror.Place, 0, len(rows))
	for _, r := range rows {
		places = append(places, mirror.Place{Connection: r.Connection, Posting: r.Posting, Version: r.Version})
	}
	return places, nil
}

// Forgotten notes that the listings have left the stream, where they are still closed with the same version; others are
// left as they are. It may be repeated.
func (n Notifier) Forgotten(ctx context.Context, places []mirror.Place) error {
	return n.db.inTx(ctx, "forgetting long closed jobs", func(tx *sqlx.Tx) error {
		connections, postings, versions := columns(places)
		// Rows are locked in the order in which Apply locks them.
		_, err := affected(tx.ExecContext(ctx, `
			WITH same AS (
				SELECT l.connection_id, l.posting_id
				FROM listings l
				JOIN unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bigint[]))
					AS n (connection, posting, version)
					ON n.connection = l.connection_id AND n.posting = l.posting_id AND n.version = l.version
				WHERE l.state = 'closed'
				ORDER BY l.connection_id, l.posting_id
				FOR NO KEY UPDATE OF l
			)
			UPDATE listings l
			SET left_version = l.version
			FROM same
			WHERE l.connection_id = same.connection_id AND l.posting_id = same.posting_id`,
			textArray(connections), textArray(postings), idArray(versions)))
		return err
	})
}

// Found takes it back that closed listings have left the stream.
func (n Notifier) Found(ctx context.Context, places []mirror.Place) error {
	return n.db.inTx(ctx, "noting what is in the stream", func(tx *sqlx.Tx) error {
		connections, postings, _ := columns(places)
		_, err := affected(tx.ExecContext(ctx, `
			WITH found AS (
				SELECT l.connection_id, l.posting_id
				FROM listings l
				JOIN unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS n (connection, posting)
					ON n.connection = l.connection_id AND n.posting = l.posting_id
				WHERE l.state = 'closed' AND l.left_version = l.version
				ORDER BY l.connection_id, l.posting_id
				FOR NO KEY UPDATE OF l
			)
			UPDATE listings l
			SET left_version = 0
			FROM found
			WHERE l.connection_id = found.connection_id AND l.posting_id = found.posting_id`,
			textArray(connections), textArray(postings)))
		return err
	})
}

// columns turns places into one list a column.
func columns(places []mirror.Place) (connections, postings []string, versions []int64) {
	for _, p := range places {
		connections = append(connections, p.Connection)
		postings = append(postings, p.Posting)
		versions = append(versions, p.Version)
	}
	return connections, postings, versions
}
