package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// syncRow is a row of sync_state.
type syncRow struct {
	NextPollAt     time.Time  `db:"next_poll_at"`
	NextRecordsAt  time.Time  `db:"next_records_at"`
	PollStartedAt  *time.Time `db:"poll_started_at"`
	PollFinishedAt *time.Time `db:"poll_finished_at"`
	FirstSyncedAt  *time.Time `db:"first_synced_at"`
	LastVerifiedAt *time.Time `db:"last_verified_at"`
	RereadUntil    *time.Time `db:"reread_until"`
	Done           int        `db:"progress_done"`
	Total          int        `db:"progress_total"`
	LastError      string     `db:"last_error"`
}

func (r syncRow) state() mirror.SyncState {
	return mirror.SyncState{
		NextPollAt: r.NextPollAt.UTC(), NextRecordsAt: r.NextRecordsAt.UTC(),
		PollStartedAt: utc(r.PollStartedAt), PollFinishedAt: utc(r.PollFinishedAt),
		FirstSyncedAt: utc(r.FirstSyncedAt), LastVerifiedAt: utc(r.LastVerifiedAt), RereadUntil: utc(r.RereadUntil),
		Done: r.Done, Total: r.Total, LastError: r.LastError,
	}
}

// countsRow are the sizes of a connection's jobs.
type countsRow struct {
	AtAshby  int `db:"at_ashby"`
	Mirrored int `db:"mirrored"`
	Public   int `db:"public"`
	Held     int `db:"held"`
}

type viewRow struct {
	connectionRow
	syncRow
	countsRow
	Quarantined int `db:"quarantined"`
}

// View returns a connection, removed ones too. mirror.ErrNotFound.
func (g Gateway) View(ctx context.Context, id string) (mirror.View, error) {
	const doing = "viewing a connection"
	views, err := g.db.views(ctx, []string{id})
	if err != nil {
		return mirror.View{}, wrap(ctx, doing, err)
	}
	if len(views) == 0 {
		return mirror.View{}, wrap(ctx, doing, mirror.ErrNotFound)
	}
	return views[0], nil
}

// Views returns the connections that are not removed, by id, after the id given, at most limit.
func (g Gateway) Views(ctx context.Context, after string, limit int) ([]mirror.View, error) {
	const doing = "viewing connections"
	var ids []string
	if err := g.db.x.SelectContext(ctx, &ids, `
		SELECT id FROM connections WHERE status <> 'removed' AND id > $1 ORDER BY id LIMIT $2`, after, limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	views, err := g.db.views(ctx, ids)
	return views, wrap(ctx, doing, err)
}

// views returns what is known of the connections, by id. The counts are answered from partial indexes.
func (d *DB) views(ctx context.Context, ids []string) ([]mirror.View, error) {
	var rows []viewRow
	if err := d.x.SelectContext(ctx, &rows, `
		SELECT c.id, c.part, c.employer_ref, c.employer_name, c.status, c.status_code, c.status_reason, c.status_since, c.modules,
			c.poll_interval_s, c.key_last4, c.report, c.webhook_token, c.created_at,
			s.next_poll_at, s.next_records_at, s.poll_started_at, s.poll_finished_at, s.first_synced_at,
			s.last_verified_at, s.reread_until, s.progress_done, s.progress_total, s.last_error,
			s.postings_at_ashby AS at_ashby,
			(SELECT count(*) FROM records r
				WHERE r.connection_id = c.id AND r.kind = 'posting' AND r.gone_at IS NULL) AS mirrored,
			(SELECT count(*) FROM listings l WHERE l.connection_id = c.id AND l.state = 'open') AS public,
			COALESCE((SELECT cardinality(h.posting_ids) FROM holds h
				WHERE h.connection_id = c.id AND h.state IN ('open', 'approved')), 0) AS held,
			(SELECT count(*) FROM quarantine q WHERE q.connection_id = c.id) AS quarantined
		FROM connections c
		JOIN sync_state s ON s.connection_id = c.id
		WHERE c.id = ANY($1)
		ORDER BY c.id`, textArray(ids)); err != nil {
		return nil, err
	}
	seen, err := webhooksSeen(ctx, d.x, ids)
	if err != nil {
		return nil, err
	}
	coverage, err := coverageOf(ctx, d.x, ids)
	if err != nil {
		return nil, err
	}
	modules, err := moduleStates(ctx, d.x, ids)
	if err != nil {
		return nil, err
	}
	views := make([]mirror.View, 0, len(rows))
	for _, r := range rows {
		c, err := r.connection()
		if err != nil {
			return nil, fmt.Errorf("connection %s: %w", r.ID, err)
		}
		views = append(views, mirror.View{
			Connection: c, Sync: r.state(), Counts: mirror.Counts(r.countsRow), Webhooks: seen[r.ID],
			Coverage: coverage[r.ID], ModuleStates: modules[r.ID], Quarantined: r.Quarantined,
		})
	}
	return views, nil
}
