package postgres

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// DuePolls claims the polls that are due in the partitions: their next poll is put off by claim, so that a crash repeats
// them soon. At most limit. Paused connections are never due; unauthorized ones are, which is how they are probed.
func (s Syncer) DuePolls(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error) {
	var connections []string
	if err := s.db.x.SelectContext(ctx, &connections, `
		WITH due AS (
			SELECT s.connection_id
			FROM sync_state s
			JOIN connections c ON c.id = s.connection_id
			WHERE s.next_poll_at <= clock_timestamp()
				AND c.part = ANY($1)
				AND c.status IN ('active', 'degraded', 'unauthorized')
			ORDER BY s.next_poll_at
			LIMIT $3
			FOR UPDATE OF s SKIP LOCKED
		)
		UPDATE sync_state s
		SET next_poll_at = clock_timestamp() + make_interval(secs => $2)
		FROM due d
		WHERE s.connection_id = d.connection_id
		RETURNING s.connection_id`, intArray(parts), claim.Seconds(), limit); err != nil {
		return nil, wrap(ctx, "claiming due polls", err)
	}
	return hintsOf(mirror.HintPoll, connections), nil
}

func hintsOf(kind mirror.HintKind, connections []string) []mirror.Hint {
	hints := make([]mirror.Hint, 0, len(connections))
	for _, c := range connections {
		hints = append(hints, mirror.Hint{Connection: c, Kind: kind})
	}
	return hints
}

// DueRecords claims the slices of records that are due in the partitions, as DuePolls does the polls. Connections are
// left out until their first synchronisation is complete, since jobs come first, and while Ashby refuses the key.
func (s Syncer) DueRecords(ctx context.Context, parts []int, claim time.Duration, limit int) ([]mirror.Hint, error) {
	var connections []string
	if err := s.db.x.SelectContext(ctx, &connections, `
		WITH due AS (
			SELECT s.connection_id
			FROM sync_state s
			JOIN connections c ON c.id = s.connection_id
			WHERE s.next_records_at <= clock_timestamp()
				AND s.first_synced_at IS NOT NULL
				AND c.part = ANY($1)
				AND c.status IN ('active', 'degraded')
			ORDER BY s.next_records_at
			LIMIT $3
			FOR UPDATE OF s SKIP LOCKED
		)
		UPDATE sync_state s
		SET next_records_at = clock_timestamp() + make_interval(secs => $2)
		FROM due d
		WHERE s.connection_id = d.connection_id
		RETURNING s.connection_id`, intArray(parts), claim.Seconds(), limit); err != nil {
		return nil, wrap(ctx, "claiming due records", err)
	}
	return hintsOf(mirror.HintRecords, connections), nil
}

// SpreadPolls has a poll due for each connection that is neither paused nor removed, at a random time within over but
// never later than it is due already. It returns for how many.
func (s Syncer) SpreadPolls(ctx context.Context, over time.Duration) (int, error) {
	return s.db.spreadPolls(ctx, over)
}

// SpreadPolls has a poll due for each connection that is neither paused nor removed, at a random time within over but
// never later than it is due already. It returns for how many.
func (g Gateway) SpreadPolls(ctx context.Context, over time.Duration) (int, error) {
	return g.db.spreadPolls(ctx, over)
}

func (d *DB) spreadPolls(ctx context.Context, over time.Duration) (int, error) {
	var spread int
	err := retry(ctx, "spreading polls", func() error {
		var err error
		spread, err = affected(d.x.ExecContext(ctx, `
			UPDATE sync_state s
			SET next_poll_at = LEAST(s.next_poll_at, clock_timestamp() + random() * make_interval(secs => $1))
			FROM connections c
			WHERE c.id = s.connection_id AND c.status IN ('active', 'degraded', 'unauthorized')`, over.Seconds()))
		return err
	})
	return spread, err
}

// OverdueInbox returns a hint for each object with an inbox row older than the sweep's age that is not processed: what
// public jobs are made of first, then the oldest of each connection, then the second of each, within the sweep's limits,
// so that neither the burst of one employer nor candidates that cannot be read now take the places of postings. Connections that cannot be read now (paused, unauthorized) are left out until they
// can.
func (s Syncer) OverdueInbox(ctx context.Context, sweep mirror.Sweep) ([]mirror.Hint, error) {
	var rows []struct {
		Connection string          `db:"connection_id"`
		Kind       mirror.HintKind `db:"kind"`
		Object     string          `db:"object_id"`
	}
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT connection_id, kind, object_id
		FROM (
			SELECT i.connection_id, i.kind, i.object_id, min(i.id) AS oldest,
				i.kind NOT IN ('poll', 'all', 'posting', 'job') AS later,
				row_number() OVER (
					PARTITION BY i.connection_id, i.kind NOT IN ('poll', 'all', 'posting', 'job') ORDER BY min(i.id)
				) AS place
			FROM webhook_inbox i
			JOIN connections c ON c.id = i.connection_id
			WHERE i.processed_at IS NULL
				AND i.received_at < clock_timestamp() - make_interval(secs => $2)
				AND i.part = ANY($1)
				AND c.status IN ('active', 'degraded')
			GROUP BY i.connection_id, i.kind, i.object_id
		) overdue
		WHERE place <= $4
		ORDER BY later, place, oldest
		LIMIT $3`, intArray(sweep.Parts), sweep.Age.Seconds(), sweep.Limit, sweep.PerConnection); err != nil {
		return nil, wrap(ctx, "reading the overdue inbox", err)
	}
	hints := make([]mirror.Hint, 0, len(rows))
	for _, r := range rows {
		hints = append(hints, mirror.Hint{Connection: r.Connection, Kind: r.Kind, ID: r.Object})
	}
	return hints, nil
}
