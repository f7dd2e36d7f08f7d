package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Heads returns what is stored of a kind, by id, for comparison.
func (s Syncer) Heads(ctx context.Context, connection, kind string) (map[string]mirror.Head, error) {
	var rows []struct {
		ID       string `db:"id"`
		Hash     []byte `db:"hash"`
		ListHash []byte `db:"list_hash"`
		Gone     bool   `db:"gone"`
	}
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT id, hash, list_hash, gone_at IS NOT NULL AS gone
		FROM records
		WHERE connection_id = $1 AND kind = $2`, connection, kind); err != nil {
		return nil, wrap(ctx, "reading heads", err)
	}
	heads := make(map[string]mirror.Head, len(rows))
	for _, r := range rows {
		heads[r.ID] = mirror.Head{Hash: r.Hash, ListHash: r.ListHash, Gone: r.Gone}
	}
	return heads, nil
}

// Records returns the stored records of a kind that are not gone, of the ids given, by id; unknown ids are left out. The
// documents have their values as they came, but Postgres orders their fields anew.
func (s Syncer) Records(ctx context.Context, connection, kind string, ids []string) ([]mirror.Record, error) {
	var rows []struct {
		ID        string          `db:"id"`
		Doc       json.RawMessage `db:"doc"`
		Hash      []byte          `db:"hash"`
		ListHash  []byte          `db:"list_hash"`
		UpdatedAt *time.Time      `db:"ashby_updated_at"`
		FetchedAt time.Time       `db:"fetched_at"`
	}
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT id, doc, hash, list_hash, ashby_updated_at, fetched_at
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND id = ANY($3) AND gone_at IS NULL
		ORDER BY id`, connection, kind, textArray(ids)); err != nil {
		return nil, wrap(ctx, "reading records", err)
	}
	records := make([]mirror.Record, 0, len(rows))
	for _, r := range rows {
		records = append(records, mirror.Record{
			Kind: kind, ID: r.ID, Doc: r.Doc, Hash: r.Hash, ListHash: r.ListHash,
			UpdatedAt: utc(r.UpdatedAt), FetchedAt: r.FetchedAt.UTC(),
		})
	}
	return records, nil
}

// PostingsOf returns the ids of the mirrored postings (not gone) that belong to one of the jobs or lie at one of the
// locations, in order.
func (s Syncer) PostingsOf(ctx context.Context, connection string, jobs, locations []string) ([]string, error) {
	places, err := placesOf(locations)
	if err != nil {
		return nil, wrap(ctx, "finding postings", err)
	}
	var ids []string
	if err := s.db.x.SelectContext(ctx, &ids, `
		SELECT id
		FROM records
		WHERE connection_id = $1 AND kind = 'posting' AND gone_at IS NULL AND doc ->> 'jobId' = ANY($2)
		UNION
		SELECT id
		FROM records
		WHERE connection_id = $1 AND kind = 'posting' AND gone_at IS NULL
			AND doc -> 'locationIds' @> ANY(CAST($3 AS jsonb[]))
		ORDER BY id`, connection, textArray(jobs), textArray(places)); err != nil {
		return nil, wrap(ctx, "finding postings", err)
	}
	return notNil(ids), nil
}

// placesOf returns what a posting's locationIds contain where it lies at one of the locations.
func placesOf(locations []string) ([]string, error) {
	places := make([]string, 0, 2*len(locations))
	for _, location := range locations {
		for _, place := range []map[string]any{
			{"primaryLocationId": location},
			{"secondaryLocationIds": []string{location}},
		} {
			text, err := json.Marshal(place)
			if err != nil {
				return nil, err
			}
			places = append(places, string(text))
		}
	}
	return places, nil
}

// KnownPostings returns how many postings the connection mirrors, and how many of the ids given are among them.
func (g Gateway) KnownPostings(ctx context.Context, id string, postings []string) (mirrored, known int, err error) {
	var row struct {
		Mirrored int `db:"mirrored"`
		Known    int `db:"known"`
	}
	err = g.db.x.GetContext(ctx, &row, `
		SELECT count(*) AS mirrored, count(*) FILTER (WHERE id = ANY($2)) AS known
		FROM records
		WHERE connection_id = $1 AND kind = 'posting' AND gone_at IS NULL`, id, textArray(postings))
	return row.Mirrored, row.Known, wrap(ctx, "counting known postings", err)
}

// upsertRecords writes records, in the order in which rows are locked. A row that is equal already is not written.
func upsertRecords(ctx context.Context, tx *sqlx.Tx, connection string, records []mirror.Record) (int, error) {
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
	written := 0
	for some := range slices.Chunk(unique, chunk) {
		n, err := upsertSome(ctx, tx, connection, some)
		if err != nil {
			return 0, err
		}
		written += n
	}
	return written, nil
}

func upsertSome(ctx context.Context, tx *sqlx.Tx, connection string, records []mirror.Record) (int, error) {
	var (
		kinds, ids, docs   []string
		hashes, listHashes [][]byte
		updated, fetched   []*time.Time
	)
	for _, r := range records {
		kinds = append(kinds, r.Kind)
		ids = append(ids, r.ID)
		docs = append(docs, string(storable(r.Doc)))
		hashes = append(hashes, r.Hash)
		listHashes = append(listHashes, r.ListHash)
		updated = append(updated, r.UpdatedAt)
		fetched = append(fetched, &r.FetchedAt)
	}
	return affected(tx.ExecContext(ctx, `
		INSERT INTO records AS r (connection_id, kind, id, doc, hash, list_hash, ashby_updated_at, fetched_at)
		SELECT $1, n.kind, n.id, CAST(n.doc AS jsonb), n.hash, NULLIF(n.list_hash, ''), n.updated_at, n.fetched_at
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS text[]), CAST($5 AS bytea[]),
			CAST($6 AS bytea[]), CAST($7 AS timestamptz[]), CAST($8 AS timestamptz[]))
			AS n (kind, id, doc, hash, list_hash, updated_at, fetched_at)
		ORDER BY n.kind, n.id
		ON CONFLICT (connection_id, kind, id) DO UPDATE
		SET doc = EXCLUDED.doc, hash = EXCLUDED.hash, list_hash = EXCLUDED.list_hash,
			ashby_updated_at = EXCLUDED.ashby_updated_at, fetched_at = EXCLUDED.fetched_at, gone_at = NULL
		WHERE r.gone_at IS NOT NULL
			OR (r.hash, r.list_hash, r.ashby_updated_at)
				IS DISTINCT FROM (EXCLUDED.hash, EXCLUDED.list_hash, EXCLUDED.ashby_updated_at)`,
		connection, textArray(kinds), textArray(ids), textArray(docs), bytesArray(hashes), bytesArray(listHashes),
		timeArray(updated), timeArray(fetched)))
}

// markGone notes that records are no longer at Ashby. They are kept.
func markGone(ctx context.Context, tx *sqlx.Tx, connection string, keys []mirror.RecordKey) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	var kinds, ids []string
	for _, k := range keys {
		kinds = append(kinds, k.Kind)
		ids = append(ids, k.ID)
	}
	return affected(tx.ExecContext(ctx, `
		WITH leaving AS (
			SELECT r.kind, r.id
			FROM records r
			JOIN unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS n (kind, id) ON n.kind = r.kind AND n.id = r.id
			WHERE r.connection_id = $1 AND r.gone_at IS NULL
			ORDER BY r.kind, r.id
			FOR UPDATE OF r
		)
		UPDATE records r
		SET gone_at = clock_timestamp()
		FROM leaving l
		WHERE r.connection_id = $1 AND r.kind = l.kind AND r.id = l.id`,
		connection, textArray(kinds), textArray(ids)))
}
