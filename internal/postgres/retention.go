package postgres

import "context"

// purgeInbox deletes what was processed more than three days ago. A webhook that was committed at the moment its
// connection was removed is never processed, and goes at the same age.
func (d *DB) purgeInbox(ctx context.Context) error {
	return d.purge(ctx, "purging the inbox", `
		DELETE FROM webhook_inbox
		WHERE id IN (
			(
				SELECT id
				FROM webhook_inbox
				WHERE processed_at < clock_timestamp() - INTERVAL '3 days'
				ORDER BY processed_at
				LIMIT $1
			)
			UNION ALL
			(
				SELECT i.id
				FROM webhook_inbox i
				JOIN connections c ON c.id = i.connection_id
				WHERE i.processed_at IS NULL
					AND i.received_at < clock_timestamp() - INTERVAL '3 days'
					AND c.status = 'removed'
				LIMIT $1
			)
		)`)
}

// purgeRuns deletes runs that found nothing after three days, since nearly all are such, and others after 30.
func (d *DB) purgeRuns(ctx context.Context) error {
	return d.purge(ctx, "purging runs", `
		DELETE FROM runs
		WHERE id IN (
			SELECT id
			FROM runs
			WHERE finished_at < now() - INTERVAL '3 days'
				AND (outcome = 'ok' AND changed = 0 AND events = 0 OR finished_at < now() - INTERVAL '30 days')
			ORDER BY finished_at
			LIMIT $1
		)`)
}

// purgeHistory deletes what changed of jobs more than 400 days ago: a year can be looked back on, with time to spare.
func (d *DB) purgeHistory(ctx context.Context) error {
	return d.purge(ctx, "purging the history of jobs", `
		DELETE FROM job_history
		WHERE (connection_id, posting_id, version) IN (
			SELECT connection_id, posting_id, version
			FROM job_history
			WHERE recorded_at < now() - INTERVAL '400 days'
			ORDER BY recorded_at
			LIMIT $1
		)`)
}

// purgeQuarantine deletes rows that have not been seen for three days: those that show no id leave in no other way.
func (d *DB) purgeQuarantine(ctx context.Context) error {
	return d.purge(ctx, "purging the quarantine", `
		DELETE FROM quarantine
		WHERE (connection_id, kind, id) IN (
			SELECT connection_id, kind, id
			FROM quarantine
			WHERE last_seen_at < now() - INTERVAL '3 days'
			LIMIT $1
		)`)
}

// purgeHolds deletes holds that ended more than 90 days ago.
func (d *DB) purgeHolds(ctx context.Context) error {
	return d.purge(ctx, "purging holds", `
		DELETE FROM holds
		WHERE id IN (
			SELECT id
			FROM holds
			WHERE state = 'ended' AND ended_at < now() - INTERVAL '90 days'
			LIMIT $1
		)`)
}

// purgeDeliveries deletes what was delivered more than three days ago, and what was not after 14: it may be wanted again.
func (d *DB) purgeDeliveries(ctx context.Context) error {
	return d.purge(ctx, "purging deliveries", `
		DELETE FROM deliveries
		WHERE (endpoint_id, id) IN (
			SELECT endpoint_id, id
			FROM deliveries
			WHERE finished_at < now() - INTERVAL '3 days'
				AND (state = 'delivered' OR finished_at < now() - INTERVAL '14 days')
			ORDER BY finished_at
			LIMIT $1
		)`)
}

// purgeEndpoints deletes what is left of deleted endpoints: first their deliveries, then themselves, an hour after the
// deletion, when no relay can be making deliveries any more that read them before. Secrets that sign no longer go too.
func (d *DB) purgeEndpoints(ctx context.Context) error {
	if err := d.purge(ctx, "purging deliveries of deleted endpoints", `
		DELETE FROM deliveries
		WHERE (endpoint_id, id) IN (
			SELECT x.endpoint_id, x.id
			FROM endpoints r
			JOIN deliveries x ON x.endpoint_id = r.id
			WHERE r.status = 'deleted'
			LIMIT $1
		)`); err != nil {
		return err
	}
	if _, err := affected(d.x.ExecContext(ctx, `
		UPDATE endpoints
		SET previous = NULL, previous_until = NULL
		WHERE previous_until < now()`)); err != nil {
		return wrap(ctx, "purging secrets of endpoints", err)
	}
	_, err := affected(d.x.ExecContext(ctx, `
		DELETE FROM endpoints r
		WHERE r.status = 'deleted' AND r.status_since < now() - INTERVAL '1 hour'
			AND NOT EXISTS (SELECT FROM deliveries x WHERE x.endpoint_id = r.id)`))
	return wrap(ctx, "purging deleted endpoints", err)
}

// purgeAudit deletes what was done more than 400 days ago: a year can be looked back on, with time to spare.
func (d *DB) purgeAudit(ctx context.Context) error {
	return d.purge(ctx, "purging the audit log", `
		DELETE FROM audit_log
		WHERE id IN (
			SELECT id
			FROM audit_log
			WHERE at < now() - INTERVAL '400 days'
			ORDER BY at
			LIMIT $1
		)`)
}

// purgeTokens deletes tokens that have been of no use for as long as the audit log tells what was done with them.
func (d *DB) purgeTokens(ctx context.Context) error {
	return d.purge(ctx, "purging tokens", `
		DELETE FROM api_tokens
		WHERE id IN (
			SELECT id
			FROM api_tokens
			WHERE LEAST(revoked_at, expires_at) < now() - INTERVAL '400 days'
			LIMIT $1
		)`)
}

// purge runs a statement that deletes as many rows as its parameter says, until there are no more, in short statements,
// so that vacuum and writers get their turn.
func (d *DB) purge(ctx context.Context, doing, deletion string) error {
	for {
		n, err := affected(d.x.ExecContext(ctx, deletion, purgeBatch))
		if err != nil {
			return wrap(ctx, doing, err)
		}
		if n < purgeBatch {
			return nil
		}
	}
}
