package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// upsertRecords writes records, in the order in which rows are locked, and returns the keys of those it wrote. A row that
// is equal already is not written.
func upsertRecords(
	ctx context.Context, tx *sqlx.Tx, connection string, records []mirror.Record,
) ([]mirror.RecordKey, error) {
	byKey := make(map[mirror.RecordKey]mirror.Record, len(records))
	for _, r := range records {
		byKey[mirror.RecordKey{Kind: r.Kind, ID: r.ID}] = r
	}
	unique := make([]mirror.Record, 0, len(byKey))
	for _, r := range byKey {
		unique = append(unique, r)
	}
	slices.SortFunc(unique, func(a, b mirror.Record) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	var written []mirror.RecordKey
	for some := range slices.Chunk(unique, chunk) {
		keys, err := upsertSome(ctx, tx, connection, some)
		if err != nil {
			return nil, err
		}
		written = append(written, keys...)
	}
	return written, nil
}

// keyRow is the key of a record that was written.
type keyRow struct {
	Kind string `db:"kind"`
	ID   string `db:"id"`
}

func keysOf(rows []keyRow) []mirror.RecordKey {
	keys := make([]mirror.RecordKey, 0, len(rows))
	for _, r := range rows {
		keys = append(keys, mirror.RecordKey(r))
	}
	return keys
}

// upsertSome keeps the parent and the variant of a record that comes without: a read of one object does not show which
// listing it stands in.
func upsertSome(
	ctx context.Context, tx *sqlx.Tx, connection string, records []mirror.Record,
) ([]mirror.RecordKey, error) {
	var (
		kinds, ids, parents, variants, docs []string
		sealed, hashes, listHashes          [][]byte
		updated, fetched                    []*time.Time
	)
	for _, r := range records {
		kinds = append(kinds, r.Kind)
		ids = append(ids, r.ID)
		parents = append(parents, r.Parent)
		variants = append(variants, r.Variant)
		docs = append(docs, string(storable(r.Doc)))
		sealed = append(sealed, r.Sealed)
		hashes = append(hashes, r.Hash)
		listHashes = append(listHashes, r.ListHash)
		updated = append(updated, r.UpdatedAt)
		fetched = append(fetched, &r.FetchedAt)
	}
	contents, starts, lengths := packed(sealed)
	var rows []keyRow
	err := tx.SelectContext(ctx, &rows, `
		INSERT INTO records AS r (connection_id, kind, id, parent_id, variant, doc, sealed, hash, list_hash,
			ashby_updated_at, fetched_at, changed_at)
		SELECT $1, n.kind, n.id, n.parent, n.variant, CAST(NULLIF(n.doc, '') AS jsonb),
			NULLIF(substr(CAST($13 AS bytea), n.start, n.length), ''), n.hash, NULLIF(n.list_hash, ''), n.updated_at,
			n.fetched_at, clock_timestamp()
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS text[]), CAST($6 AS text[]),
			CAST($7 AS bytea[]), CAST($8 AS bytea[]), CAST($9 AS timestamptz[]), CAST($10 AS timestamptz[]),
			CAST($11 AS integer[]), CAST($12 AS integer[]))
			AS n (kind, id, parent, variant, doc, hash, list_hash, updated_at, fetched_at, start, length)
		ORDER BY n.kind, n.id
		ON CONFLICT (connection_id, kind, id) DO UPDATE
		SET doc = EXCLUDED.doc, sealed = EXCLUDED.sealed, hash = EXCLUDED.hash, list_hash = EXCLUDED.list_hash,
			parent_id = COALESCE(NULLIF(EXCLUDED.parent_id, ''), r.parent_id),
			variant = COALESCE(NULLIF(EXCLUDED.variant, ''), r.variant),
			ashby_updated_at = EXCLUDED.ashby_updated_at, fetched_at = EXCLUDED.fetched_at, gone_at = NULL,
			version = r.version + 1, changed_at = clock_timestamp()
		WHERE r.gone_at IS NOT NULL
			OR (r.hash, r.list_hash, r.ashby_updated_at)
				IS DISTINCT FROM (EXCLUDED.hash, EXCLUDED.list_hash, EXCLUDED.ashby_updated_at)
			OR EXCLUDED.parent_id NOT IN ('', r.parent_id)
			OR EXCLUDED.variant NOT IN ('', r.variant)
		RETURNING r.kind, r.id`,
		connection, textArray(kinds), textArray(ids), textArray(parents), textArray(variants), textArray(docs),
		bytesArray(hashes), bytesArray(listHashes), timeArray(updated), timeArray(fetched), intArray(starts),
		intArray(lengths), contents)
	return keysOf(rows), err
}

// markGone notes that records are no longer at Ashby and returns those it wrote. They are kept, but a sealed one keeps
// no content: what Ashby deletes of a person is deleted here too.
func markGone(
	ctx context.Context, tx *sqlx.Tx, connection string, keys []mirror.RecordKey,
) ([]mirror.RecordKey, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	kinds, ids := keyColumns(keys)
	var rows []keyRow
	err := tx.SelectContext(ctx, &rows, `
		WITH leaving AS (
			SELECT r.kind, r.id
			FROM records r
			JOIN unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS n (kind, id) ON n.kind = r.kind AND n.id = r.id
			WHERE r.connection_id = $1 AND r.gone_at IS NULL
			ORDER BY r.kind, r.id
			FOR UPDATE OF r
		)
		UPDATE records r
		SET gone_at = clock_timestamp(), sealed = CASE WHEN r.sealed IS NOT NULL THEN CAST('' AS bytea) END,
			version = r.version + 1, changed_at = clock_timestamp()
		FROM leaving l
		WHERE r.connection_id = $1 AND r.kind = l.kind AND r.id = l.id
		RETURNING r.kind, r.id`,
		connection, textArray(kinds), textArray(ids))
	return keysOf(rows), err
}

// queueRecords puts records that were written into the queue of the stream RECORDS. One that waits there already gets
// another id: what was read of it before is not its present state.
func queueRecords(ctx context.Context, tx *sqlx.Tx, connection string, keys []mirror.RecordKey) error {
	if len(keys) == 0 {
		return nil
	}
	kinds, ids := keyColumns(keys)
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO record_outbox (connection_id, kind, record_id)
		SELECT DISTINCT $1, n.kind, n.id
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS n (kind, id)
		ORDER BY n.kind, n.id
		ON CONFLICT (connection_id, kind, record_id) DO UPDATE SET id = DEFAULT`,
		connection, textArray(kinds), textArray(ids)))
	return err
}
