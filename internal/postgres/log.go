package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

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

// History returns the events of jobs and connections that are not in the outbox, by connection, posting and version: the
// latest keep versions of each. The log goes back 30 days; the latest event of a connection is kept beside it, and a listing
// whose latest event has left the log is returned as an event made from the listing, with the same id and version:
// job.closed where it is closed, else job.published. What is in the outbox counts among the latest versions though it is
// not returned, since the relay publishes it after. Listings that were closed longer than mirror.ClosedKept ago are left
// out, with all their events, until they open again.
func (n Notifier) History(ctx context.Context, of []mirror.Place, keep int) ([]mirror.Outgoing, error) {
	const doing = "reading the event log"
	connections, postings, _ := columns(of)
	var rows []loggedRow
	if err := n.db.x.SelectContext(ctx, &rows, `
		WITH object AS MATERIALIZED (
			SELECT n.connection, n.posting, COALESCE(l.version, c.event_version) AS version
			FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) AS n (connection, posting)
			JOIN connections c ON c.id = n.connection
			LEFT JOIN listings l ON l.connection_id = n.connection AND l.posting_id = n.posting
			WHERE l.state IS DISTINCT FROM 'closed' OR l.updated_at >= now() - make_interval(secs => $4)
		)
		SELECT 0 AS outbox_id, e.id AS event_id, e.created_at, e.connection_id, e.posting_id, e.version, e.type,
			e.data, FALSE AS from_listing, '' AS reason, NULL AS changed_at, NULL AS observed_at, NULL AS verified_at,
			'' AS verified_by
		FROM object o
		JOIN events e ON e.connection_id = o.connection AND e.posting_id = o.posting AND e.version > o.version - $3
		WHERE NOT EXISTS (SELECT FROM outbox w WHERE w.event_id = e.id)
		UNION ALL
		SELECT 0, l.event_id, l.event_created_at, l.connection_id, l.posting_id, l.version,
			CASE WHEN l.state = 'closed' THEN 'job.closed' ELSE 'job.published' END,
			l.job, TRUE, l.reason, l.changed_at, l.observed_at, l.verified_at, l.verified_by
		FROM object o
		JOIN listings l ON l.connection_id = o.connection AND l.posting_id = o.posting
		WHERE NOT EXISTS (SELECT FROM events e WHERE e.created_at = l.event_created_at AND e.id = l.event_id)
		UNION ALL
		SELECT 0, k.event_id, k.created_at, k.connection_id, '', k.version, k.type, k.data, FALSE, '', NULL, NULL,
			NULL, ''
		FROM object o
		JOIN `+connectionStates+` k ON k.connection_id = o.connection AND o.posting = ''
		WHERE NOT EXISTS (SELECT FROM events e WHERE e.created_at = k.created_at AND e.id = k.event_id)
		ORDER BY connection_id, posting_id, version`,
		textArray(connections), textArray(postings), keep, mirror.ClosedKept.Seconds()); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	history := make([]mirror.Outgoing, 0, len(rows))
	for _, r := range rows {
		event, err := r.event()
		if err != nil {
			return nil, wrap(ctx, doing, err)
		}
		history = append(history, event)
	}
	return history, nil
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
