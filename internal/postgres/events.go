package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// entry is an event on its way into the log.
type entry struct {
	id      string
	posting string // empty for connection events
	version int64
	typ     events.Type
	data    string
}

// newEntry gives the event its id. The ids are UUIDs of version 7, which rise with time and so keep the log's index in
// order.
func newEntry(posting string, version int64, typ events.Type, data any) (entry, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return entry{}, fmt.Errorf("making an event id: %w", err)
	}
	body, err := json.Marshal(data)
	if err != nil {
		return entry{}, fmt.Errorf("writing the data of an event: %w", err)
	}
	return entry{id: id.String(), posting: posting, version: version, typ: typ, data: string(body)}, nil
}

// appendEntries writes events and, after them, their outbox rows in the order given. The caller holds the lock of each
// event's listing or connection; that makes the order of outbox ids the order of versions.
func appendEntries(ctx context.Context, tx *sqlx.Tx, connection string, at time.Time, entries []entry) error {
	var (
		ids, postings, data []string
		types               []events.Type
		versions            []int
	)
	for _, e := range entries {
		ids = append(ids, e.id)
		postings = append(postings, e.posting)
		versions = append(versions, int(e.version))
		types = append(types, e.typ)
		data = append(data, e.data)
	}
	if err := mustAffect(len(entries))(tx.ExecContext(ctx, `
		INSERT INTO events (id, created_at, connection_id, posting_id, version, type, data)
		SELECT CAST(e.id AS uuid), $2, $1, e.posting, e.version, e.type, CAST(e.data AS json)
		FROM unnest(CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS bigint[]), CAST($6 AS text[]),
			CAST($7 AS text[])) AS e (id, posting, version, type, data)`,
		connection, at, textArray(ids), textArray(postings), intArray(versions), textArray(types),
		textArray(data))); err != nil {
		return err
	}
	return mustAffect(len(entries))(tx.ExecContext(ctx, `
		INSERT INTO outbox (event_id, event_created_at)
		SELECT CAST(e.id AS uuid), $1
		FROM unnest(CAST($2 AS text[])) WITH ORDINALITY AS e (id, place)
		ORDER BY e.place`, at, textArray(ids)))
}

// connectionFacts is what an event of a connection says beside its row.
type connectionFacts struct {
	counts *events.Counts
	jobs   string
}

// appendConnectionEvent bumps the version of a locked connection and writes the event with it.
func appendConnectionEvent(
	ctx context.Context, tx *sqlx.Tx, connection string, typ events.Type, facts connectionFacts,
) error {
	var row struct {
		Version     int64         `db:"event_version"`
		EmployerRef string        `db:"employer_ref"`
		Status      mirror.Status `db:"status"`
		Reason      string        `db:"status_reason"`
	}
	if err := tx.GetContext(ctx, &row, `
		UPDATE connections
		SET event_version = event_version + 1
		WHERE id = $1
		RETURNING event_version, employer_ref, status, status_reason`, connection); err != nil {
		return err
	}
	e, err := newEntry("", row.Version, typ, events.ConnectionData{
		Version: row.Version, EmployerRef: row.EmployerRef, Status: string(row.Status), Reason: row.Reason,
		Counts: facts.counts, Jobs: facts.jobs,
	})
	if err != nil {
		return err
	}
	at, err := now(ctx, tx)
	if err != nil {
		return err
	}
	return appendToConnection(ctx, tx, connection, at, e)
}

// appendToConnection writes an event of a connection itself, and keeps it as its latest.
func appendToConnection(ctx context.Context, tx *sqlx.Tx, connection string, at time.Time, e entry) error {
	if err := appendEntries(ctx, tx, connection, at, []entry{e}); err != nil {
		return err
	}
	return mustAffect(1)(tx.ExecContext(ctx, `
		INSERT INTO connection_events (connection_id, event_id, created_at, version, type, data)
		VALUES ($1, CAST($2 AS uuid), $3, $4, $5, CAST($6 AS json))
		ON CONFLICT (connection_id) DO UPDATE
		SET event_id = EXCLUDED.event_id, created_at = EXCLUDED.created_at, version = EXCLUDED.version,
			type = EXCLUDED.type, data = EXCLUDED.data`, connection, e.id, at, e.version, string(e.typ), e.data))
}
