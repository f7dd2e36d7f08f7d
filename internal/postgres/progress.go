package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// SyncState returns how far the connection's copy is. mirror.ErrNotFound.
func (s Syncer) SyncState(ctx context.Context, connection string) (mirror.SyncState, error) {
	var row syncRow
	if err := s.db.x.GetContext(ctx, &row, `
		SELECT next_poll_at, poll_started_at, poll_finished_at, first_synced_at, last_verified_at, progress_done,
			progress_total, last_error
		FROM sync_state
		WHERE connection_id = $1`, connection); err != nil {
		return mirror.SyncState{}, wrap(ctx, "reading the state of a synchronisation", err)
	}
	return row.state(), nil
}

// StartPoll notes the beginning of a poll and puts the next claim off by claim. mirror.ErrNotFound.
func (s Syncer) StartPoll(ctx context.Context, connection string, claim time.Duration) error {
	return wrap(ctx, "starting a poll", mustFind(s.db.x.ExecContext(ctx, `
		UPDATE sync_state
		SET poll_started_at = clock_timestamp(), progress_done = 0, progress_total = 0,
			next_poll_at = clock_timestamp() + make_interval(secs => $2)
		WHERE connection_id = $1`, connection, claim.Seconds())))
}

// Advance notes progress within a poll and puts the next claim off by claim. mirror.ErrNotFound.
func (s Syncer) Advance(ctx context.Context, connection string, done, total int, claim time.Duration) error {
	return wrap(ctx, "noting the progress of a poll", mustFind(s.db.x.ExecContext(ctx, `
		UPDATE sync_state
		SET progress_done = $2, progress_total = $3, next_poll_at = clock_timestamp() + make_interval(secs => $4)
		WHERE connection_id = $1`, connection, done, total, claim.Seconds())))
}

// FailPoll notes a poll that did not complete, and why, and sets the next try. mirror.ErrNotFound.
func (s Syncer) FailPoll(ctx context.Context, connection, reason string, next time.Duration) error {
	return wrap(ctx, "noting a failed poll", mustFind(s.db.x.ExecContext(ctx, `
		UPDATE sync_state
		SET poll_finished_at = clock_timestamp(), last_error = $2, failures = failures + 1,
			next_poll_at = clock_timestamp() + make_interval(secs => $3)
		WHERE connection_id = $1`, connection, reason, next.Seconds())))
}

// FinishPoll notes a complete poll that began at started and sets the next one. On the first complete poll it also
// commits the event connection.synced. It returns true if it committed an event. mirror.ErrNotFound, mirror.ErrRemoved.
func (s Syncer) FinishPoll(
	ctx context.Context, connection string, started time.Time, atAshby int, next time.Duration,
) (bool, error) {
	var first bool
	err := s.db.inTx(ctx, "finishing a poll", func(tx *sqlx.Tx) error {
		first = false
		if _, err := lockConnection(ctx, tx, connection); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &first, `
			SELECT first_synced_at IS NULL FROM sync_state WHERE connection_id = $1 FOR UPDATE`, connection); err != nil {
			return err
		}
		if err := mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE sync_state
			SET poll_finished_at = clock_timestamp(), last_verified_at = $2,
				first_synced_at = COALESCE(first_synced_at, clock_timestamp()), postings_at_ashby = $3,
				last_error = '', failures = 0, next_poll_at = clock_timestamp() + make_interval(secs => $4)
			WHERE connection_id = $1`, connection, started, atAshby, next.Seconds())); err != nil {
			return err
		}
		if !first {
			return nil
		}
		counts, err := countsOf(ctx, tx, connection)
		if err != nil {
			return err
		}
		return appendConnectionEvent(ctx, tx, connection, events.ConnectionSynced, connectionFacts{counts: counts})
	})
	return first && err == nil, err
}

func countsOf(ctx context.Context, q sqlx.QueryerContext, connection string) (*events.Counts, error) {
	var row countsRow
	if err := sqlx.GetContext(ctx, q, &row, `
		SELECT s.postings_at_ashby AS at_ashby,
			(SELECT count(*) FROM records r
				WHERE r.connection_id = $1 AND r.kind = 'posting' AND r.gone_at IS NULL) AS mirrored,
			(SELECT count(*) FROM listings l WHERE l.connection_id = $1 AND l.state = 'open') AS public,
			COALESCE((SELECT cardinality(h.posting_ids) FROM holds h WHERE h.connection_id = $1), 0) AS held
		FROM sync_state s
		WHERE s.connection_id = $1`, connection); err != nil {
		return nil, err
	}
	counts := events.Counts(row)
	return &counts, nil
}
