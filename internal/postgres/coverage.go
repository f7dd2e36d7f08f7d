package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// NoteCoverage adds to the counts of how changes were found. A count above zero sets the time of the last one, by the
// database's clock; the times given are not looked at. What is of an unknown or removed connection is left out.
func (s Syncer) NoteCoverage(ctx context.Context, connection string, cs []mirror.Coverage) error {
	var actions []string
	var hooks, polls []int64
	for _, c := range cs {
		if c.ByWebhook > 0 || c.ByPoll > 0 {
			actions = append(actions, c.Action)
			hooks = append(hooks, c.ByWebhook)
			polls = append(polls, c.ByPoll)
		}
	}
	if len(actions) == 0 {
		return nil
	}
	return retry(ctx, "noting the coverage of webhooks", func() error {
		_, err := affected(s.db.x.ExecContext(ctx, `
			INSERT INTO webhook_coverage AS w (connection_id, action, by_webhook, by_poll, last_webhook_at, last_missed_at)
			SELECT c.id, n.action, sum(n.by_webhook), sum(n.by_poll),
				CASE WHEN sum(n.by_webhook) > 0 THEN clock_timestamp() END,
				CASE WHEN sum(n.by_poll) > 0 THEN clock_timestamp() END
			FROM unnest(CAST($2 AS text[]), CAST($3 AS bigint[]), CAST($4 AS bigint[])) AS n (action, by_webhook, by_poll)
			JOIN connections c ON c.id = $1 AND c.status <> 'removed'
			GROUP BY c.id, n.action
			ORDER BY n.action
			ON CONFLICT (connection_id, action) DO UPDATE
			SET by_webhook = w.by_webhook + EXCLUDED.by_webhook, by_poll = w.by_poll + EXCLUDED.by_poll,
				last_webhook_at = COALESCE(EXCLUDED.last_webhook_at, w.last_webhook_at),
				last_missed_at = COALESCE(EXCLUDED.last_missed_at, w.last_missed_at)`,
			connection, textArray(actions), idArray(hooks), idArray(polls)))
		return err
	})
}

// coverageOf returns the counts of connections, by connection and action.
func coverageOf(ctx context.Context, q sqlx.QueryerContext, ids []string) (map[string][]mirror.Coverage, error) {
	var rows []struct {
		Connection    string     `db:"connection_id"`
		Action        string     `db:"action"`
		ByWebhook     int64      `db:"by_webhook"`
		ByPoll        int64      `db:"by_poll"`
		LastWebhookAt *time.Time `db:"last_webhook_at"`
		LastMissedAt  *time.Time `db:"last_missed_at"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `
		SELECT connection_id, action, by_webhook, by_poll, last_webhook_at, last_missed_at
		FROM webhook_coverage
		WHERE connection_id = ANY($1)
		ORDER BY connection_id, action`, textArray(ids)); err != nil {
		return nil, err
	}
	coverage := map[string][]mirror.Coverage{}
	for _, r := range rows {
		coverage[r.Connection] = append(coverage[r.Connection], mirror.Coverage{
			Action: r.Action, ByWebhook: r.ByWebhook, ByPoll: r.ByPoll,
			LastWebhookAt: utc(r.LastWebhookAt), LastMissedAt: utc(r.LastMissedAt),
		})
	}
	return coverage, nil
}
