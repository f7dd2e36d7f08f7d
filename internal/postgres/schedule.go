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

// OverdueInbox returns a hint for each object with an inbox row older than age that is not processed, the oldest first.
// At most limit. Connections that cannot be read now (paused, unauthorized) are left out until they can.
func (s Syncer) OverdueInbox(ctx context.Context, parts []int, age time.Duration, limit int) ([]mirror.Hint, error) {
	var rows []struct {
		Connection string          `db:"connection_id"`
		Kind       mirror.HintKind `db:"kind"`
		Object     string          `db:"object_id"`
	}
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT i.connection_id, i.kind, i.object_id
		FROM webhook_inbox i
		JOIN connections c ON c.id = i.connection_id
		WHERE i.processed_at IS NULL
			AND i.received_at < clock_timestamp() - make_interval(secs => $2)
			AND i.part = ANY($1)
			AND c.status IN ('active', 'degraded')
		GROUP BY i.connection_id, i.kind, i.object_id
		ORDER BY min(i.id)
		LIMIT $3`, intArray(parts), age.Seconds(), limit); err != nil {
		return nil, wrap(ctx, "reading the overdue inbox", err)
	}
	hints := make([]mirror.Hint, 0, len(rows))
	for _, r := range rows {
		hints = append(hints, mirror.Hint{Connection: r.Connection, Kind: r.Kind, ID: r.Object})
	}
	return hints, nil
}
