package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// parked is how long a parcel is put off at most that waits behind another of its job. The end of that one makes it due;
	// this is for the rare case that a person's replay and the sender changed the same job at the same moment.
	parked = 5 * time.Minute
	// dueRounds is how often Due looks further, where all that it read is behind others.
	dueRounds = 20
	// loggedAttempts is how many attempts of a parcel are kept.
	loggedAttempts = 20
)

// ActiveReceivers returns the receivers that something may be sent to.
func (n Notifier) ActiveReceivers(ctx context.Context) ([]mirror.Receiver, error) {
	var rows []receiverRow
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT id, url, description, employers, secret, previous, previous_until, status, status_code, status_reason,
			status_since, revision, failing_since, failures, retry_at, last_success_at, last_failure_at, created_at
		FROM endpoints
		WHERE status = 'active'
		ORDER BY id`); err != nil {
		return nil, wrap(ctx, "reading active endpoints", err)
	}
	receivers := make([]mirror.Receiver, 0, len(rows))
	for _, r := range rows {
		receivers = append(receivers, r.receiver())
	}
	return receivers, nil
}

// dueRow is a parcel that is due, with its event where that can be made.
type dueRow struct {
	ID           int64      `db:"id"`
	Receiver     string     `db:"endpoint_id"`
	PublishedAt  time.Time  `db:"published_at"`
	Tries        int        `db:"tries"`
	FirstTriedAt *time.Time `db:"first_tried_at"`
	IsBehind     bool       `db:"is_behind"`
	HadBefore    bool       `db:"had_before"`
	loggedRow
}

// Due returns the parcels that are due, of each receiver the oldest up to its limit and of each job the first alone;
// those in hand are left out. What is behind another of its job is put off until that one is done.
func (n Notifier) Due(ctx context.Context, rooms []mirror.Room, inHand []int64) ([]mirror.Parcel, error) {
	const doing = "reading what is due to endpoints"
	for round := 0; len(rooms) > 0; round++ {
		rows, err := n.due(ctx, rooms, inHand)
		if err != nil {
			return nil, wrap(ctx, doing, err)
		}
		parcels := make([]mirror.Parcel, 0, len(rows))
		var behind []dueRow
		for _, r := range rows {
			if r.IsBehind {
				behind = append(behind, r)
				continue
			}
			p, err := r.parcel()
			if err != nil {
				return nil, wrap(ctx, doing, err)
			}
			parcels = append(parcels, p)
		}
		if err := n.park(ctx, behind); err != nil {
			return nil, wrap(ctx, "putting deliveries off", err)
		}
		// Where all that was read is behind others, what can be sent lies further on.
		if len(parcels) > 0 || len(behind) == 0 || round == dueRounds {
			return parcels, nil
		}
	}
	return nil, nil
}

func (r dueRow) parcel() (p mirror.Parcel, err error) {
	p = mirror.Parcel{
		ID: r.ID, Receiver: r.Receiver, PublishedAt: r.PublishedAt.UTC(), Tries: r.Tries, FirstTriedAt: utc(r.FirstTriedAt),
		HadBefore: r.HadBefore, Event: r.outgoing(),
	}
	if r.FromListing {
		p.Event, err = r.event()
	}
	return p, err
}

// due reads the rows. An event that left the log is made from its listing if that still has the version.
func (n Notifier) due(ctx context.Context, rooms []mirror.Room, inHand []int64) ([]dueRow, error) {
	var receivers []string
	var limits []int
	for _, r := range rooms {
		receivers = append(receivers, r.Receiver)
		limits = append(limits, r.Limit)
	}
	var rows []dueRow
	err := n.db.x.SelectContext(ctx, &rows, `
		SELECT d.id, d.endpoint_id, d.published_at, d.tries, d.first_tried_at, d.is_behind, d.had_before, 0 AS outbox_id, d.event_id,
			d.event_created_at AS created_at, d.connection_id, d.posting_id, d.version, d.type,
			COALESCE(e.data, l.job, CAST('null' AS json)) AS data,
			e.data IS NULL AND l.job IS NOT NULL AS from_listing,
			COALESCE(l.reason, '') AS reason, l.changed_at, l.observed_at, l.verified_at,
			COALESCE(l.verified_by, '') AS verified_by
		FROM unnest(CAST($1 AS text[]), CAST($2 AS integer[])) AS a (receiver, room)
		CROSS JOIN LATERAL (
			SELECT p.endpoint_id, p.id, p.connection_id, p.posting_id, p.version, p.event_id, p.event_created_at, p.type,
				p.published_at, p.tries, p.first_tried_at, p.next_at, p.log @> '[{"error": ""}]' AS had_before,
				EXISTS (
					SELECT
					FROM deliveries o
					WHERE o.endpoint_id = p.endpoint_id AND o.connection_id = p.connection_id
						AND o.posting_id = p.posting_id AND o.version < p.version AND o.state = 'pending'
				) AS is_behind
			FROM deliveries p
			WHERE p.endpoint_id = a.receiver AND p.state = 'pending' AND p.next_at <= now() AND p.id <> ALL($3)
			ORDER BY p.next_at, p.id
			LIMIT a.room
		) d
		LEFT JOIN LATERAL (
			SELECT data
			FROM events
			WHERE created_at = d.event_created_at AND id = d.event_id AND NOT d.is_behind
			LIMIT 1
		) e ON TRUE
		LEFT JOIN LATERAL (
			SELECT job, reason, changed_at, observed_at, verified_at, verified_by
			FROM listings
			WHERE connection_id = d.connection_id AND posting_id = d.posting_id AND event_id = d.event_id
				AND e.data IS NULL AND NOT d.is_behind
		) l ON TRUE
		ORDER BY d.next_at, d.id`, textArray(receivers), intArray(limits), idArray(inHand))
	return rows, err
}

// park keeps what is behind another from being looked at again and again.
func (n Notifier) park(ctx context.Context, behind []dueRow) error {
	if len(behind) == 0 {
		return nil
	}
	var receivers []string
	var ids []int64
	for _, r := range behind {
		receivers = append(receivers, r.Receiver)
		ids = append(ids, r.ID)
	}
	_, err := affected(n.db.x.ExecContext(ctx, `
		UPDATE deliveries d
		SET next_at = clock_timestamp() + make_interval(secs => $3)
		FROM unnest(CAST($1 AS text[]), CAST($2 AS bigint[])) AS b (receiver, id)
		WHERE d.endpoint_id = b.receiver AND d.id = b.id AND d.state = 'pending'`,
		textArray(receivers), idArray(ids), parked.Seconds()))
	return err
}

// NoteParcels writes what came of attempts and what was seen of receivers, in one transaction. What is not pending any more,
// and a receiver that a person changed meanwhile, are left as they are. A delivery that is done makes the next of its job
// due, and one that was delivered supersedes the older ones of its job: those that were given up before, and those that a
// replay queued while it was on its way. Each event has the whole job, and the last that a receiver hears must be the newest.
func (n Notifier) NoteParcels(
	ctx context.Context, outcomes []mirror.ParcelOutcome, changes []mirror.ReceiverChange,
) error {
	return n.db.inTx(ctx, "noting deliveries", func(tx *sqlx.Tx) error {
		if len(outcomes) > 0 {
			done, err := noteOutcomes(ctx, tx, outcomes)
			if err != nil {
				return err
			}
			if err := followUp(ctx, tx, done); err != nil {
				return err
			}
		}
		return noteReceivers(ctx, tx, changes)
	})
}

// doneRow is a parcel that is pending no longer.
type doneRow struct {
	Receiver   string `db:"endpoint_id"`
	Connection string `db:"connection_id"`
	Posting    string `db:"posting_id"`
	Version    int64  `db:"version"`
	State      string `db:"state"`
}

func noteOutcomes(ctx context.Context, tx *sqlx.Tx, outcomes []mirror.ParcelOutcome) ([]doneRow, error) {
	var (
		receivers, states, entries []string
		ids                        []int64
		tries, millis              []int
		at                         []*time.Time
	)
	for _, o := range outcomes {
		o.Attempt.Detail, o.Attempt.Answer = legible(o.Attempt.Detail), legible(o.Attempt.Answer)
		entry, err := json.Marshal(o.Attempt)
		if err != nil {
			return nil, fmt.Errorf("writing an attempt: %w", err)
		}
		receivers = append(receivers, o.Receiver)
		ids = append(ids, o.ID)
		states = append(states, o.State)
		tries = append(tries, o.Tries)
		millis = append(millis, int(o.Retry.Milliseconds()))
		at = append(at, &o.Attempt.At)
		entries = append(entries, string(entry))
	}
	var done []doneRow
	err := tx.SelectContext(ctx, &done, `
		WITH noted AS (
			UPDATE deliveries d
			SET state = o.state, tries = o.tries, first_tried_at = COALESCE(d.first_tried_at, o.at),
				next_at = CASE
					WHEN o.state = 'pending' THEN clock_timestamp() + o.retry * INTERVAL '1 millisecond'
					ELSE d.next_at
				END,
				finished_at = CASE WHEN o.state <> 'pending' THEN clock_timestamp() END,
				log = CASE WHEN jsonb_array_length(d.log) >= $8 THEN d.log - 0 ELSE d.log END || CAST(o.entry AS jsonb)
			FROM unnest(CAST($1 AS text[]), CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS integer[]),
				CAST($5 AS bigint[]), CAST($6 AS timestamptz[]), CAST($7 AS text[]))
				AS o (receiver, id, state, tries, retry, at, entry)
			WHERE d.endpoint_id = o.receiver AND d.id = o.id AND d.state = 'pending'
			RETURNING d.endpoint_id, d.connection_id, d.posting_id, d.version, d.state
		)
		SELECT endpoint_id, connection_id, posting_id, version, state
		FROM noted
		WHERE state <> 'pending'`,
		textArray(receivers), idArray(ids), textArray(states), intArray(tries), intArray(millis), timeArray(at),
		textArray(entries), loggedAttempts)
	return done, err
}

// followUp is a statement of its own, since it must see what was noted. A replay may be making one pending again that was
// given up: whatever this statement waits for is looked at once more with both states, so that it is found either way.
func followUp(ctx context.Context, tx *sqlx.Tx, done []doneRow) error {
	if len(done) == 0 {
		return nil
	}
	var receivers, connections, postings []string
	var delivered []int64
	for _, d := range done {
		receivers = append(receivers, d.Receiver)
		connections = append(connections, d.Connection)
		postings = append(postings, d.Posting)
		if d.State != mirror.ParcelDelivered {
			d.Version = 0 // supersedes nothing
		}
		delivered = append(delivered, d.Version)
	}
	_, err := affected(tx.ExecContext(ctx, `
		WITH done AS (
			SELECT receiver, connection, posting, max(delivered) AS delivered
			FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]))
				AS o (receiver, connection, posting, delivered)
			GROUP BY receiver, connection, posting
		), superseded AS (
			UPDATE deliveries d
			SET state = 'superseded', finished_at = COALESCE(d.finished_at, clock_timestamp())
			FROM (
				SELECT p.endpoint_id, p.id
				FROM done o
				CROSS JOIN LATERAL (
					SELECT f.endpoint_id, f.id
					FROM deliveries f
					WHERE f.endpoint_id = o.receiver AND f.connection_id = o.connection AND f.posting_id = o.posting
						AND f.state = 'failed' AND f.version < o.delivered
					UNION ALL
					SELECT w.endpoint_id, w.id
					FROM deliveries w
					WHERE w.endpoint_id = o.receiver AND w.connection_id = o.connection AND w.posting_id = o.posting
						AND w.state = 'pending' AND w.version < o.delivered
				) p
			) older
			WHERE d.endpoint_id = older.endpoint_id AND d.id = older.id AND d.state IN ('failed', 'pending')
		)
		UPDATE deliveries d
		SET next_at = clock_timestamp()
		FROM (
			SELECT n.endpoint_id, n.id
			FROM done o
			CROSS JOIN LATERAL (
				SELECT p.endpoint_id, p.id
				FROM deliveries p
				WHERE p.endpoint_id = o.receiver AND p.connection_id = o.connection AND p.posting_id = o.posting
					AND p.state = 'pending' AND p.version > o.delivered
				ORDER BY p.version
				LIMIT 1
			) n
		) next
		WHERE d.endpoint_id = next.endpoint_id AND d.id = next.id AND d.next_at > clock_timestamp()`,
		textArray(receivers), textArray(connections), textArray(postings), idArray(delivered)))
	return err
}

func noteReceivers(ctx context.Context, tx *sqlx.Tx, changes []mirror.ReceiverChange) error {
	for _, c := range changes {
		if _, err := affected(tx.ExecContext(ctx, `
			UPDATE endpoints
			SET failing_since = $3, failures = $4, retry_at = $5, last_success_at = $6, last_failure_at = $7,
				status = COALESCE(NULLIF($8, ''), status),
				status_code = CASE WHEN $8 = '' THEN status_code ELSE $9 END,
				status_reason = CASE WHEN $8 = '' THEN status_reason ELSE $10 END,
				status_since = CASE WHEN $8 = '' THEN status_since ELSE clock_timestamp() END
			WHERE id = $1 AND revision = $2 AND status = 'active'`,
			c.ID, c.Revision, c.Health.FailingSince, c.Health.Failures, c.Health.RetryAt, c.Health.LastSuccessAt,
			c.Health.LastFailureAt, c.Status, c.StatusCode, legible(c.StatusReason))); err != nil {
			return err
		}
	}
	return nil
}

// Backlog counts what waits for active receivers, and the receivers.
func (n Notifier) Backlog(ctx context.Context) (mirror.Backlog, error) {
	const doing = "counting what waits for endpoints"
	b := mirror.Backlog{Receivers: map[string]int{}}
	var rows []struct {
		Status   string     `db:"status"`
		Count    int        `db:"count"`
		Waiting  int        `db:"waiting"`
		OldestAt *time.Time `db:"oldest_at"`
	}
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT r.status, count(*) AS count, sum(w.waiting) AS waiting, min(w.oldest_at) AS oldest_at
		FROM endpoints r
		CROSS JOIN LATERAL (
			SELECT count(*) AS waiting, min(d.published_at) AS oldest_at
			FROM deliveries d
			WHERE d.endpoint_id = r.id AND d.state = 'pending' AND r.status = 'active'
		) w
		WHERE r.status <> 'deleted'
		GROUP BY r.status`); err != nil {
		return mirror.Backlog{}, wrap(ctx, doing, err)
	}
	for _, r := range rows {
		b.Receivers[r.Status] = r.Count
		if r.Status == mirror.ReceiverActive {
			b.Waiting, b.OldestAt = r.Waiting, utc(r.OldestAt)
		}
	}
	return b, nil
}
