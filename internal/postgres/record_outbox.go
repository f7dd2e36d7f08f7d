package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// requeueChunk is how many records one transaction of RequeueRecords puts into the outbox.
const requeueChunk = 5000

// PendingRecords returns the present state of the records whose change is not yet told, in the order of their latest
// changes, at most limit. What is sealed stays where it is: such a record comes without its content. A row whose record
// is not there any more, or whose connection was removed, is returned as gone, with version 0.
func (n Notifier) PendingRecords(ctx context.Context, limit int) ([]mirror.OutgoingRecord, error) {
	var rows []struct {
		OutboxID   int64      `db:"outbox_id"`
		Connection string     `db:"connection_id"`
		Kind       string     `db:"kind"`
		ID         string     `db:"id"`
		Parent     string     `db:"parent_id"`
		Variant    string     `db:"variant"`
		Doc        []byte     `db:"doc"`
		UpdatedAt  *time.Time `db:"ashby_updated_at"`
		FetchedAt  time.Time  `db:"fetched_at"`
		Version    int64      `db:"version"`
		ChangedAt  time.Time  `db:"changed_at"`
		Gone       bool       `db:"gone"`
	}
	// The limit within o keeps the planner to one look-up a row, however many records there are. One statement sees the
	// row and its record at one moment.
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT o.id AS outbox_id, o.connection_id, o.kind, o.record_id AS id, COALESCE(r.parent_id, '') AS parent_id,
			COALESCE(r.variant, '') AS variant, r.doc, r.ashby_updated_at, COALESCE(r.fetched_at, now()) AS fetched_at,
			COALESCE(r.version, 0) AS version, COALESCE(r.changed_at, now()) AS changed_at,
			r.id IS NULL OR r.gone_at IS NOT NULL AS gone
		FROM (
			SELECT id, connection_id, kind, record_id
			FROM record_outbox
			ORDER BY id
			LIMIT $1
		) o
		LEFT JOIN LATERAL (
			SELECT r.id, parent_id, variant, doc, ashby_updated_at, fetched_at, version, changed_at, gone_at
			FROM records r
			JOIN connections c ON c.id = r.connection_id
			WHERE r.connection_id = o.connection_id AND r.kind = o.kind AND r.id = o.record_id AND c.status <> 'removed'
			LIMIT 1
		) r ON TRUE
		ORDER BY o.id`, limit); err != nil {
		return nil, wrap(ctx, "reading the outbox of records", err)
	}
	pending := make([]mirror.OutgoingRecord, 0, len(rows))
	for _, r := range rows {
		pending = append(pending, mirror.OutgoingRecord{
			OutboxID: r.OutboxID, Connection: r.Connection,
			RecordState: mirror.RecordState{
				Record: mirror.Record{
					Kind: r.Kind, ID: r.ID, Parent: r.Parent, Variant: r.Variant, Doc: r.Doc,
					UpdatedAt: utc(r.UpdatedAt), FetchedAt: r.FetchedAt.UTC(),
				},
				Version: r.Version, ChangedAt: r.ChangedAt.UTC(), Gone: r.Gone,
			},
		})
	}
	return pending, nil
}

// RecordsPublished deletes the rows of what was published. A record that changed meanwhile has another mark, and stays.
// It may be repeated.
func (n Notifier) RecordsPublished(ctx context.Context, records []mirror.OutgoingRecord) error {
	ids := make([]int64, 0, len(records))
	for _, r := range records {
		ids = append(ids, r.OutboxID)
	}
	return n.db.inTx(ctx, "noting which records were published", func(tx *sqlx.Tx) error {
		// Rows are locked in the order in which Apply locks them.
		_, err := affected(tx.ExecContext(ctx, `
			WITH told AS (
				SELECT id
				FROM record_outbox
				WHERE id = ANY($1)
				ORDER BY connection_id, kind, record_id
				FOR UPDATE
			)
			DELETE FROM record_outbox o
			USING told
			WHERE o.id = told.id`, idArray(ids)))
		return err
	})
}

// RecordPurges returns whose records the stream must forget, oldest first, at most limit.
func (n Notifier) RecordPurges(ctx context.Context, limit int) ([]mirror.RecordPurge, error) {
	var rows []struct {
		Connection string    `db:"connection_id"`
		Kind       string    `db:"kind"`
		AskedAt    time.Time `db:"asked_at"`
	}
	if err := n.db.x.SelectContext(ctx, &rows, `
		SELECT connection_id, kind, asked_at
		FROM record_purges
		ORDER BY asked_at, connection_id, kind
		LIMIT $1`, limit); err != nil {
		return nil, wrap(ctx, "reading which records to forget", err)
	}
	purges := make([]mirror.RecordPurge, 0, len(rows))
	for _, r := range rows {
		purges = append(purges, mirror.RecordPurge{Connection: r.Connection, Kind: r.Kind, AskedAt: r.AskedAt.UTC()})
	}
	return purges, nil
}

// RecordsPurged notes that the stream has forgotten them. A purge that was asked for again meanwhile stays. It may be
// repeated.
func (n Notifier) RecordsPurged(ctx context.Context, p mirror.RecordPurge) error {
	_, err := affected(n.db.x.ExecContext(ctx, `
		DELETE FROM record_purges
		WHERE connection_id = $1 AND kind = $2 AND asked_at = $3`, p.Connection, p.Kind, p.AskedAt))
	return wrap(ctx, "noting which records were forgotten", err)
}

// recordKey is a position in the order of all records.
type recordKey struct {
	Connection string `db:"connection_id"`
	Kind       string `db:"kind"`
	ID         string `db:"id"`
}

// RequeueRecords puts every record of every connection that is not removed into the outbox, since the stream was lost,
// and returns how many. Those that are gone are among them: who reads the stream may have missed that. It works in
// several transactions; should it fail halfway, do it again.
func (n Notifier) RequeueRecords(ctx context.Context) (int, error) {
	total := 0
	var after recordKey
	for {
		queued, last, err := n.requeueSome(ctx, after)
		if err != nil {
			return total, err
		}
		total += queued
		if last == (recordKey{}) {
			return total, nil
		}
		after = last
	}
}

// requeueSome queues the records that follow a position, and returns the last of them, or nothing at the end. A row that
// waits already gets a new mark, so that whoever published it to the lost stream does not take it away.
func (n Notifier) requeueSome(ctx context.Context, after recordKey) (queued int, last recordKey, err error) {
	err = n.db.inTx(ctx, "queueing all records", func(tx *sqlx.Tx) error {
		var ends []recordKey
		if err := tx.SelectContext(ctx, &ends, `
			SELECT connection_id, kind, id
			FROM records
			WHERE (connection_id, kind, id) > ($1, $2, $3)
			ORDER BY connection_id, kind, id
			OFFSET $4
			LIMIT 1`, after.Connection, after.Kind, after.ID, requeueChunk-1); err != nil {
			return err
		}
		last = recordKey{}
		if len(ends) > 0 {
			last = ends[0]
		}
		// Rows are written in the order in which Apply writes them.
		queued, err = affected(tx.ExecContext(ctx, `
			INSERT INTO record_outbox (connection_id, kind, record_id)
			SELECT r.connection_id, r.kind, r.id
			FROM records r
			JOIN connections c ON c.id = r.connection_id
			WHERE c.status <> 'removed'
				AND (r.connection_id, r.kind, r.id) > ($1, $2, $3)
				AND ($4 = '' OR (r.connection_id, r.kind, r.id) <= ($4, $5, $6))
			ORDER BY r.connection_id, r.kind, r.id
			ON CONFLICT (connection_id, kind, record_id) DO UPDATE
			SET id = DEFAULT`,
			after.Connection, after.Kind, after.ID, last.Connection, last.Kind, last.ID))
		return err
	})
	return queued, last, err
}

// StreamStateOf returns what was last noted of a stream, mirror.ErrNotFound if nothing ever was.
func (n Notifier) StreamStateOf(ctx context.Context, stream string) (mirror.StreamState, error) {
	var row struct {
		CreatedAt time.Time `db:"created_at"`
		LastSeq   int64     `db:"last_seq"`
	}
	if err := n.db.x.GetContext(ctx, &row, `
		SELECT created_at, last_seq FROM stream_state WHERE stream = $1`, stream); err != nil {
		return mirror.StreamState{}, wrap(ctx, "reading the state of a stream", err)
	}
	return mirror.StreamState{CreatedAt: row.CreatedAt.UTC(), LastSeq: uint64(row.LastSeq)}, nil
}

// PutStreamState notes the state of a stream.
func (n Notifier) PutStreamState(ctx context.Context, stream string, s mirror.StreamState) error {
	return wrap(ctx, "noting the state of a stream", mustAffect(1)(n.db.x.ExecContext(ctx, `
		INSERT INTO stream_state (stream, created_at, last_seq, updated_at)
		VALUES ($1, $2, $3, clock_timestamp())
		ON CONFLICT (stream) DO UPDATE
		SET created_at = EXCLUDED.created_at, last_seq = EXCLUDED.last_seq, updated_at = EXCLUDED.updated_at`,
		stream, s.CreatedAt, int64(s.LastSeq))))
}
