package postgres

import (
	"context"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// FirstConnections returns the ids of the connections that were registered first, of those that are not removed, at most
// limit.
func (d *DB) FirstConnections(ctx context.Context, limit int) ([]string, error) {
	var ids []string
	err := d.x.SelectContext(ctx, &ids, `
		SELECT id FROM connections WHERE status <> 'removed' ORDER BY created_at, id LIMIT $1`, limit)
	return ids, wrap(ctx, "reading the first connections", err)
}

// Fleet looks at all connections together, and names at most named of them. It is some statements at one moment after the
// other: figures need no snapshot, and a long one would hold back the cleaning of the queues.
func (n Notifier) Fleet(ctx context.Context, named int) (mirror.Fleet, error) {
	f := mirror.Fleet{Connections: map[mirror.Status]int{}, Quarantined: map[string]int{}}
	for _, read := range []func(context.Context, *mirror.Fleet) error{
		n.fleetStatus, n.fleetWorst,
		func(ctx context.Context, f *mirror.Fleet) error { return n.fleetNamed(ctx, f, named) },
		n.fleetQueues, n.fleetQuarantine,
	} {
		if err := read(ctx, &f); err != nil {
			return mirror.Fleet{}, wrap(ctx, "looking at the fleet", err)
		}
	}
	return f, nil
}

// PublicJobs counts the jobs that are public. With 170,000 of them it costs more than all of Fleet.
func (n Notifier) PublicJobs(ctx context.Context) (int, error) {
	var count int
	err := n.db.x.GetContext(ctx, &count, `SELECT count(*) FROM listings WHERE state = 'open'`)
	return count, wrap(ctx, "counting public jobs", err)
}

// fleetOf are all connections with what makes them fresh: what was verified before due is not. $1 is FreshByPoll, $2
// FreshGrace, in seconds.
const fleetOf = `
	SELECT c.id, c.employer_ref, c.status, d.due, COALESCE(s.last_verified_at, c.created_at) AS verified_at,
		c.status IN ('active', 'degraded') AND (s.first_synced_at IS NOT NULL OR c.created_at < d.due) AS watched
	FROM connections c
	JOIN sync_state s ON s.connection_id = c.id
	CROSS JOIN LATERAL (
		SELECT now() - make_interval(secs => GREATEST(CAST($1 AS float8), c.poll_interval_s) + CAST($2 AS float8)) AS due
	) d`

// fleetInbox are the connections whose webhooks wait. $3 is how many rows are looked at, the oldest first.
const fleetInbox = `
	SELECT connection_id, count(*) AS waiting, min(received_at) AS oldest
	FROM (
		SELECT connection_id, received_at
		FROM webhook_inbox
		WHERE processed_at IS NULL
		ORDER BY received_at
		LIMIT $3
	) w
	GROUP BY connection_id`

func (n Notifier) fleetStatus(ctx context.Context, f *mirror.Fleet) error {
	var rows []struct {
		Status    mirror.Status `db:"status"`
		Count     int           `db:"count"`
		Watched   int           `db:"watched"`
		ByPoll    int           `db:"by_poll"`
		ByWebhook int           `db:"by_webhook"`
		Oldest    float64       `db:"oldest"`
		Waiting   int           `db:"waiting"`
		Inbox     float64       `db:"inbox"`
	}
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT c.status, count(*) AS count,
			count(*) FILTER (WHERE c.watched) AS watched,
			count(*) FILTER (WHERE c.watched AND c.verified_at >= c.due) AS by_poll,
			count(*) FILTER (
				WHERE c.watched AND (w.oldest IS NULL OR w.oldest >= now() - make_interval(secs => $4))
			) AS by_webhook,
			COALESCE(extract(epoch FROM now() - min(c.verified_at) FILTER (WHERE c.watched)), 0) AS oldest,
			COALESCE(sum(w.waiting) FILTER (WHERE c.status IN ('active', 'degraded')), 0) AS waiting,
			COALESCE(extract(epoch FROM now() - min(w.oldest) FILTER (WHERE c.status IN ('active', 'degraded'))), 0) AS inbox
		FROM (`+fleetOf+`) c
		LEFT JOIN (`+fleetInbox+`) w ON w.connection_id = c.id
		GROUP BY c.status`,
		mirror.FreshByPoll.Seconds(), mirror.FreshGrace.Seconds(), mirror.FleetCounted, mirror.FreshByWebhook.Seconds()); err != nil {
		return err
	}
	for _, r := range rows {
		f.Connections[r.Status] = r.Count
		f.Watched += r.Watched
		f.FreshByPoll += r.ByPoll
		f.FreshByWebhook += r.ByWebhook
		f.OldestVerified = max(f.OldestVerified, age(r.Oldest))
		f.Inbox.Rows += r.Waiting
		f.Inbox.Oldest = max(f.Inbox.Oldest, age(r.Inbox))
	}
	return nil
}

type fleetRow struct {
	ID          string        `db:"id"`
	EmployerRef string        `db:"employer_ref"`
	Status      mirror.Status `db:"status"`
	Verified    float64       `db:"verified"`
	Overdue     float64       `db:"overdue"`
	Public      int           `db:"public"`
	Waiting     int           `db:"waiting"`
}

func fleetConnections(rows []fleetRow) []mirror.FleetConnection {
	cs := make([]mirror.FleetConnection, 0, len(rows))
	for _, r := range rows {
		cs = append(cs, mirror.FleetConnection{
			ID: r.ID, EmployerRef: r.EmployerRef, Status: r.Status, Verified: age(r.Verified),
			Overdue: time.Duration(r.Overdue * float64(time.Second)), PublicJobs: r.Public, InboxRows: r.Waiting,
		})
	}
	return cs
}

func (n Notifier) fleetWorst(ctx context.Context, f *mirror.Fleet) error {
	var rows []fleetRow
	err := n.db.x.SelectContext(ctx, &rows, `
		SELECT c.id, c.employer_ref, c.status, extract(epoch FROM now() - c.verified_at) AS verified,
			extract(epoch FROM c.due - c.verified_at) AS overdue
		FROM (`+fleetOf+`) c
		WHERE c.watched
		ORDER BY c.verified_at - c.due, c.id
		LIMIT $3`, mirror.FreshByPoll.Seconds(), mirror.FreshGrace.Seconds(), mirror.FleetWorst)
	f.Worst = fleetConnections(rows)
	return err
}

// fleetNamed reads the connections that have series of their own. Their jobs and webhooks are counted from partial indexes.
func (n Notifier) fleetNamed(ctx context.Context, f *mirror.Fleet, named int) error {
	var rows []fleetRow
	err := n.db.x.SelectContext(ctx, &rows, `
		SELECT c.id, c.employer_ref, c.status, extract(epoch FROM now() - COALESCE(s.last_verified_at, c.created_at)) AS verified,
			(SELECT count(*) FROM listings l WHERE l.connection_id = c.id AND l.state = 'open') AS public,
			(SELECT count(*) FROM (
				SELECT FROM webhook_inbox i WHERE i.connection_id = c.id AND i.processed_at IS NULL LIMIT $2
			) w) AS waiting
		FROM (
			SELECT id, employer_ref, status, created_at
			FROM connections
			WHERE status <> 'removed'
			ORDER BY created_at, id
			LIMIT $1
		) c
		JOIN sync_state s ON s.connection_id = c.id
		ORDER BY c.created_at, c.id`, named, mirror.FleetCounted)
	f.Named = fleetConnections(rows)
	return err
}

func (n Notifier) fleetQueues(ctx context.Context, f *mirror.Fleet) error {
	var row struct {
		Outbox       int     `db:"outbox"`
		OutboxOldest float64 `db:"outbox_oldest"`
		Holds        int     `db:"holds"`
		HoldsOldest  float64 `db:"holds_oldest"`
		Held         int     `db:"held"`
		Syncers      int     `db:"syncers"`
		Bytes        int64   `db:"bytes"`
	}
	if err := n.db.x.GetContext(ctx, &row, `
		SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) o) AS outbox,
			COALESCE((
				SELECT extract(epoch FROM now() - event_created_at) FROM outbox ORDER BY id LIMIT 1
			), 0) AS outbox_oldest,
			h.holds, h.holds_oldest,
			(SELECT count(*) FROM partitions WHERE owner <> '' AND expires_at > now()) AS held,
			(SELECT count(*) FROM replicas WHERE expires_at > now()) AS syncers,
			pg_database_size(current_database()) AS bytes
		FROM (
			SELECT count(*) AS holds, COALESCE(extract(epoch FROM now() - min(opened_at)), 0) AS holds_oldest
			FROM holds
			WHERE state <> 'ended' AND state = 'open'
		) h`, mirror.FleetCounted); err != nil {
		return err
	}
	f.Outbox = mirror.Waiting{Rows: row.Outbox, Oldest: age(row.OutboxOldest)}
	f.Holds = mirror.Waiting{Rows: row.Holds, Oldest: age(row.HoldsOldest)}
	f.PartitionsHeld, f.Syncers, f.DatabaseBytes = row.Held, row.Syncers, row.Bytes
	return nil
}

func (n Notifier) fleetQuarantine(ctx context.Context, f *mirror.Fleet) error {
	var rows []struct {
		Kind  string `db:"kind"`
		Count int    `db:"count"`
	}
	err := n.db.x.SelectContext(ctx, &rows, `
		SELECT kind, count(*) AS count
		FROM (SELECT kind FROM quarantine LIMIT $1) q
		GROUP BY kind`, mirror.FleetCounted)
	for _, r := range rows {
		f.Quarantined[r.Kind] = r.Count
	}
	return err
}

// age is a number of seconds by the database's clock; a row may be younger than the statement.
func age(seconds float64) time.Duration {
	return time.Duration(max(0, seconds) * float64(time.Second))
}
