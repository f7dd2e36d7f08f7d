package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Raise gives each object a version above that of its place: somebody else wrote that version into the stream, or this
// database was set back to an older copy, and boards that have seen it would pass over ours. Each gets an event of its new
// version with its present state. What waits in the outbox of it is dropped in that event's favour. Objects that are not
// there are left out. Each connection's are raised in a transaction of their own; after an error, those of some may be
// raised already, and raising them again does no harm.
func (n Notifier) Raise(ctx context.Context, places []mirror.Place) error {
	of := map[string][]mirror.Place{}
	for _, p := range places {
		of[p.Connection] = append(of[p.Connection], p)
	}
	for _, connection := range slices.Sorted(maps.Keys(of)) {
		// Rows are locked in the order in which Apply locks them.
		some := of[connection]
		slices.SortFunc(some, func(a, b mirror.Place) int { return strings.Compare(a.Posting, b.Posting) })
		if err := n.db.inTx(ctx, "raising versions", func(tx *sqlx.Tx) error { return raise(ctx, tx, some) }); err != nil {
			return err
		}
	}
	return nil
}

func raise(ctx context.Context, tx *sqlx.Tx, places []mirror.Place) error {
	for _, p := range places {
		one := raiseListing
		if p.Posting == "" {
			one = raiseConnection
		}
		if err := one(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

func raiseConnection(ctx context.Context, tx *sqlx.Tx, p mirror.Place) error {
	// Whatever refers to the connection goes on being written. The state is read once the row is locked: what is joined to a
	// row that had to be waited for is as old as the statement.
	if _, err := affected(tx.ExecContext(ctx, `
		SELECT FROM connections WHERE id = $1 FOR NO KEY UPDATE`, p.Connection)); err != nil {
		return err
	}
	var rows []struct {
		Version int64       `db:"event_version"`
		Type    events.Type `db:"type"`
		Data    []byte      `db:"data"`
	}
	if err := tx.SelectContext(ctx, &rows, `
		SELECT c.event_version, k.type, k.data
		FROM connections c
		JOIN `+connectionStates+` k ON k.connection_id = c.id
		WHERE c.id = $1`, p.Connection); err != nil || len(rows) == 0 {
		return err
	}
	if err := dropWaiting(ctx, tx, p); err != nil {
		return err
	}
	var data events.ConnectionData
	if err := json.Unmarshal(rows[0].Data, &data); err != nil {
		return fmt.Errorf("reading the latest event of %s: %w", p.Connection, err)
	}
	data.Version = max(rows[0].Version, p.Version) + 1
	e, err := newEntry("", data.Version, rows[0].Type, data)
	if err != nil {
		return err
	}
	at, err := now(ctx, tx)
	if err != nil {
		return err
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections SET event_version = $2 WHERE id = $1`, p.Connection, data.Version)); err != nil {
		return err
	}
	return appendToConnection(ctx, tx, p.Connection, at, e)
}

func raiseListing(ctx context.Context, tx *sqlx.Tx, p mirror.Place) error {
	var rows []loggedRow
	if err := tx.SelectContext(ctx, &rows, `
		SELECT event_id, connection_id, posting_id, version,
			CASE WHEN state = 'closed' THEN 'job.closed' ELSE 'job.published' END AS type,
			job AS data, TRUE AS from_listing, reason, changed_at, observed_at, verified_at, verified_by
		FROM listings
		WHERE connection_id = $1 AND posting_id = $2
		FOR NO KEY UPDATE`, p.Connection, p.Posting); err != nil || len(rows) == 0 {
		return err
	}
	if err := dropWaiting(ctx, tx, p); err != nil {
		return err
	}
	row := rows[0]
	row.Version = max(row.Version, p.Version) + 1
	event, err := row.event()
	if err != nil {
		return err
	}
	e, err := newEntry(p.Posting, row.Version, event.Type, event.Data)
	if err != nil {
		return err
	}
	at, err := now(ctx, tx)
	if err != nil {
		return err
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE listings
		SET version = $3, event_id = CAST($4 AS uuid), event_created_at = $5, updated_at = $5
		WHERE connection_id = $1 AND posting_id = $2`, p.Connection, p.Posting, row.Version, e.id, at)); err != nil {
		return err
	}
	// The job's history tells why it has this version.
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO job_history (connection_id, posting_id, version, event_id, type, origin, reason, changes, changed_at,
			observed_at, recorded_at)
		SELECT connection_id, posting_id, version, event_id, $3, $4, reason, '[]', changed_at, observed_at, $5
		FROM listings
		WHERE connection_id = $1 AND posting_id = $2`,
		p.Connection, p.Posting, string(e.typ), string(events.OriginRepair), at)); err != nil {
		return err
	}
	return appendEntries(ctx, tx, p.Connection, at, []entry{e})
}

// dropWaiting takes an object's events out of the outbox, and out of the log, since nobody has seen them.
func dropWaiting(ctx context.Context, tx *sqlx.Tx, p mirror.Place) error {
	var waiting []struct {
		ID        string    `db:"event_id"`
		CreatedAt time.Time `db:"event_created_at"`
	}
	if err := tx.SelectContext(ctx, &waiting, `
		DELETE FROM outbox o
		USING events e
		WHERE e.created_at = o.event_created_at AND e.id = o.event_id AND e.connection_id = $1 AND e.posting_id = $2
		RETURNING o.event_id, o.event_created_at`, p.Connection, p.Posting); err != nil {
		return err
	}
	for _, w := range waiting {
		if _, err := affected(tx.ExecContext(ctx, `
			DELETE FROM events WHERE created_at = $1 AND id = CAST($2 AS uuid)`, w.CreatedAt, w.ID)); err != nil {
			return err
		}
	}
	return nil
}
