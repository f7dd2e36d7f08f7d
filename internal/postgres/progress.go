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
		SELECT next_poll_at, next_records_at, poll_started_at, poll_finished_at, first_synced_at, last_verified_at,
			reread_until, progress_done, progress_total, last_error
		FROM sync_state
		WHERE connection_id = $1`, connection); err != nil {
		return mirror.SyncState{}, wrap(ctx, "reading the state of a synchronisation", err)
	}
	return row.state(), nil
}

// StartPoll notes the beginning of a poll, puts the next claim off by claim, and returns what the poll is started by: the
// registration until one was complete, a request if there was one since the last began, else the schedule. Errors are
// those of mayWrite.
func (s Syncer) StartPoll(ctx context.Context, m mirror.Mandate, claim time.Duration) (mirror.Trigger, error) {
	var trigger mirror.Trigger
	err := s.db.inTx(ctx, "starting a poll", func(tx *sqlx.Tx) error {
		if err := mayWrite(ctx, tx, m); err != nil {
			return err
		}
		return tx.GetContext(ctx, &trigger, `
			UPDATE sync_state s
			SET poll_started_at = clock_timestamp(), progress_done = 0, progress_total = 0, poll_requested_at = NULL,
				next_poll_at = clock_timestamp() + make_interval(secs => $2)
			FROM (
				SELECT connection_id, first_synced_at, poll_requested_at
				FROM sync_state
				WHERE connection_id = $1
				FOR UPDATE
			) b
			WHERE s.connection_id = b.connection_id
			RETURNING CASE
				WHEN b.first_synced_at IS NULL THEN 'registration'
				WHEN b.poll_requested_at IS NOT NULL THEN 'request'
				ELSE 'schedule'
			END`, m.Connection, claim.Seconds())
	})
	if err != nil {
		return "", err
	}
	return trigger, nil
}

// Advance notes progress within a poll and puts the next claim off by claim. Errors are those of mayWrite.
func (s Syncer) Advance(ctx context.Context, m mirror.Mandate, done, total int, claim time.Duration) error {
	return s.note(ctx, "noting the progress of a poll", m, `
		UPDATE sync_state
		SET progress_done = $2, progress_total = $3, next_poll_at = clock_timestamp() + make_interval(secs => $4)
		WHERE connection_id = $1`, done, total, claim.Seconds())
}

// FailPoll notes a poll that did not complete, and why, and sets the next try. Errors are those of mayWrite.
func (s Syncer) FailPoll(ctx context.Context, m mirror.Mandate, reason string, next time.Duration) error {
	return s.note(ctx, "noting a failed poll", m, `
		UPDATE sync_state
		SET poll_finished_at = clock_timestamp(), last_error = $2, failures = failures + 1,
			next_poll_at = clock_timestamp() + make_interval(secs => $3)
		WHERE connection_id = $1`, reason, next.Seconds())
}

// StartRecords puts the next claim of the connection's records off by claim. Errors are those of mayWrite.
func (s Syncer) StartRecords(ctx context.Context, m mirror.Mandate, claim time.Duration) error {
	return s.note(ctx, "starting a slice of records", m, `
		UPDATE sync_state
		SET next_records_at = clock_timestamp() + make_interval(secs => $2)
		WHERE connection_id = $1`, claim.Seconds())
}

// FinishRecords has the next slice of records due after next, unless one was made due meanwhile. Errors are those of
// mayWrite.
func (s Syncer) FinishRecords(ctx context.Context, m mirror.Mandate, next time.Duration) error {
	return s.note(ctx, "finishing a slice of records", m, `
		UPDATE sync_state
		SET next_records_at = CASE
				WHEN next_records_at <= clock_timestamp() THEN next_records_at
				ELSE clock_timestamp() + make_interval(secs => $2)
			END
		WHERE connection_id = $1`, next.Seconds())
}

// note runs an update of the connection's row, which is its first parameter, if the mandate allows it.
func (s Syncer) note(ctx context.Context, doing string, m mirror.Mandate, update string, args ...any) error {
	return s.db.inTx(ctx, doing, func(tx *sqlx.Tx) error {
		if err := mayWrite(ctx, tx, m); err != nil {
			return err
		}
		return mustFind(tx.ExecContext(ctx, update, append([]any{m.Connection}, args...)...))
	})
}

// FinishPoll notes a complete poll and sets the next one, which is due at once if it was asked for meanwhile. Postings that
// the poll did not find unreadable again leave quarantine. On the first complete poll it also commits the event
// connection.synced. It returns true if it committed an event. Errors are those of mayWrite.
func (s Syncer) FinishPoll(ctx context.Context, m mirror.Mandate, p mirror.CompletePoll) (bool, error) {
	var first bool
	err := s.db.inTx(ctx, "finishing a poll", func(tx *sqlx.Tx) error {
		first = false
		if err := mayWrite(ctx, tx, m); err != nil {
			return err
		}
		if now, err := lockConnection(ctx, tx, m.Connection); err != nil {
			return err
		} else if now.Status == mirror.StatusPaused {
			return mirror.ErrPaused
		}
		if err := tx.GetContext(ctx, &first, `
			SELECT first_synced_at IS NULL FROM sync_state WHERE connection_id = $1 FOR UPDATE`, m.Connection); err != nil {
			return err
		}
		// GREATEST leaves nulls out. A poll that began before the last complete one verifies nothing new.
		if err := mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE sync_state
			SET poll_finished_at = clock_timestamp(), progress_done = progress_total, last_verified_at = GREATEST(last_verified_at, $2),
				first_synced_at = COALESCE(first_synced_at, clock_timestamp()), postings_at_ashby = $3,
				last_error = $4, failures = 0, reread_until = COALESCE($6, reread_until),
				-- The interval may have been shortened while the poll ran; a tenth is the schedule's jitter.
				next_poll_at = CASE WHEN poll_requested_at IS NOT NULL THEN clock_timestamp() ELSE
					clock_timestamp() + make_interval(secs => LEAST($5, (
						SELECT 1.1 * poll_interval_s FROM connections WHERE id = $1)))
				END
			WHERE connection_id = $1`, m.Connection, p.Started, p.AtAshby, p.Unread, p.Next.Seconds(),
			known(p.RereadUntil))); err != nil {
			return err
		}
		if err := releasePostings(ctx, tx, m.Connection, p.Started); err != nil {
			return err
		}
		if !first {
			return nil
		}
		counts, err := countsOf(ctx, tx, m.Connection)
		if err != nil {
			return err
		}
		return appendConnectionEvent(ctx, tx, m.Connection, events.ConnectionSynced, connectionFacts{counts: counts})
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
			COALESCE((SELECT cardinality(h.posting_ids) FROM holds h
				WHERE h.connection_id = $1 AND h.state IN ('open', 'approved')), 0) AS held
		FROM sync_state s
		WHERE s.connection_id = $1`, connection); err != nil {
		return nil, err
	}
	counts := events.Counts(row)
	return &counts, nil
}
