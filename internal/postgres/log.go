package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// logCursor is a position in the log as Logged orders it.
type logCursor struct {
	Connection string `json:"c"`
	Posting    string `json:"p"`
	Version    int64  `json:"v"`
}

// loggedRow is an event of the log, or a listing whose latest event left it.
type loggedRow struct {
	outgoingRow
	FromListing bool          `db:"from_listing"`
	Reason      events.Reason `db:"reason"`
	ChangedAt   *time.Time    `db:"changed_at"`
	ObservedAt  *time.Time    `db:"observed_at"`
	VerifiedAt  *time.Time    `db:"verified_at"`
	VerifiedBy  events.Proof  `db:"verified_by"`
}

// Logged returns the events of the log that are not in the outbox, job and connection events alike, by connection,
// posting and version: the latest keep versions of each object. It pages by a cursor, empty at first; next is empty at
// the end. A listing whose latest event has left the log is returned as an event made from the listing, with the same id
// and version: job.closed where it is closed, else job.published. What is in the outbox counts among the latest versions
// though it is not returned, since the relay publishes it after. Listings that were closed longer than mirror.ClosedKept
// ago are left out, with all their events, until they open again.
func (n Notifier) Logged(
	ctx context.Context, cursor string, keep, limit int,
) (out []mirror.Outgoing, next string, err error) {
	const doing = "reading the event log"
	var after logCursor
	if cursor != "" {
		if err := json.Unmarshal([]byte(cursor), &after); err != nil {
			return nil, "", fmt.Errorf("%s: cursor: %w", doing, err)
		}
	}
	if keep < 1 || limit < 1 {
		return nil, "", fmt.Errorf("%s: %w", doing, errors.New("keep and limit must be positive"))
	}
	rows, err := n.logged(ctx, after, keep, limit)
	if err != nil {
		return nil, "", wrap(ctx, doing, err)
	}
	out = make([]mirror.Outgoing, 0, len(rows))
	for _, r := range rows {
		event, err := r.event()
		if err != nil {
			return nil, "", wrap(ctx, doing, err)
		}
		out = append(out, event)
	}
	if len(out) < limit {
		return out, "", nil
	}
	last := out[len(out)-1]
	text, err := json.Marshal(logCursor{Connection: last.Connection, Posting: last.Posting, Version: last.Version})
	return out, string(text), err
}

// logged reads one page. Each half is ordered and limited by itself, so that an index answers it.
func (n Notifier) logged(ctx context.Context, after logCursor, keep, limit int) ([]loggedRow, error) {
	var rows []loggedRow
	err := n.db.x.SelectContext(ctx, &rows, `
		(
			SELECT 0 AS outbox_id, e.id AS event_id, e.created_at, e.connection_id, e.posting_id, e.version, e.type,
				e.data, FALSE AS from_listing, '' AS reason, NULL AS changed_at, NULL AS observed_at,
				NULL AS verified_at, '' AS verified_by
			FROM events e
			JOIN connections c ON c.id = e.connection_id
			LEFT JOIN listings l ON l.connection_id = e.connection_id AND l.posting_id = e.posting_id
			WHERE (e.connection_id, e.posting_id, e.version) > ($1, $2, $3)
				AND e.version > COALESCE(l.version, c.event_version) - $4
				AND (l.state IS DISTINCT FROM 'closed' OR l.updated_at >= now() - make_interval(secs => $6))
				AND NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = e.id)
			ORDER BY e.connection_id, e.posting_id, e.version
			LIMIT $5
		)
		UNION ALL
		(
			SELECT 0, l.event_id, l.event_created_at, l.connection_id, l.posting_id, l.version,
				CASE WHEN l.state = 'closed' THEN 'job.closed' ELSE 'job.published' END,
				l.job, TRUE, l.reason, l.changed_at, l.observed_at, l.verified_at, l.verified_by
			FROM listings l
			WHERE (l.connection_id, l.posting_id, l.version) > ($1, $2, $3)
				AND (l.state <> 'closed' OR l.updated_at >= now() - make_interval(secs => $6))
				AND NOT EXISTS (
					SELECT FROM events e WHERE e.created_at = l.event_created_at AND e.id = l.event_id
				)
			ORDER BY l.connection_id, l.posting_id, l.version
			LIMIT $5
		)
		ORDER BY connection_id, posting_id, version
		LIMIT $5`, after.Connection, after.Posting, after.Version, keep, limit,
		mirror.ClosedKept.Seconds())
	return rows, err
}

// event gives a listing's event the data that the log no longer has.
func (r loggedRow) event() (mirror.Outgoing, error) {
	if !r.FromListing {
		return r.outgoing(), nil
	}
	data := struct {
		events.JobData
		// Job stands in for that of JobData, so that the stored job passes through unread.
		Job json.RawMessage `json:"job"`
	}{
		JobData: events.JobData{
			Version: r.Version, Origin: events.OriginRepair, Changed: []string{},
			ChangedAt: r.ChangedAt.UTC(), ObservedAt: r.ObservedAt.UTC(),
			VerifiedAt: r.VerifiedAt.UTC(), VerifiedBy: r.VerifiedBy,
		},
		Job: r.Data,
	}
	if r.Type == events.JobClosed {
		data.Reason = &r.Reason
	}
	text, err := json.Marshal(data)
	if err != nil {
		return mirror.Outgoing{}, fmt.Errorf("making an event of posting %s: %w", r.Posting, err)
	}
	r.Data = text
	return r.outgoing(), nil
}
