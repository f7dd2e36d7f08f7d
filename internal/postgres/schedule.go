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
	hints := make([]mirror.Hint, 0, len(connections))
	for _, c := range connections {
		hints = append(hints, mirror.Hint{Connection: c, Kind: mirror.HintPoll})
	}
	return hints, nil
}

// OverdueInbox returns a hint for each object with an inbox row older than the sweep's age that is not processed: the
// oldest of each connection first, then the second of each, within the sweep's limits, so that the burst of one employer
// does not take the places of others. Connections that cannot be read now (paused, unauthorized) are left out until they
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
				row_number() OVER (PARTITION BY i.connection_id ORDER BY min(i.id)) AS place
			FROM webhook_inbox i
			JOIN connections c ON c.id = i.connection_id
			WHERE i.processed_at IS NULL
				AND i.received_at < clock_timestamp() - make_interval(secs => $2)
				AND i.part = ANY($1)
				AND c.status IN ('active', 'degraded')
			GROUP BY i.connection_id, i.kind, i.object_id
		) overdue
		WHERE place <= $4
		ORDER BY place, oldest
		LIMIT $3`, intArray(sweep.Parts), sweep.Age.Seconds(), sweep.Limit, sweep.PerConnection); err != nil {
		return nil, wrap(ctx, "reading the overdue inbox", err)
	}
	hints := make([]mirror.Hint, 0, len(rows))
	for _, r := range rows {
		hints = append(hints, mirror.Hint{Connection: r.Connection, Kind: r.Kind, ID: r.Object})
	}
	return hints, nil
}
