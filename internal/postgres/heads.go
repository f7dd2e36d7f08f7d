package postgres

import (
	"context"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// headRow is what a comparison needs of a record.
type headRow struct {
	ID       string `db:"id"`
	Hash     []byte `db:"hash"`
	ListHash []byte `db:"list_hash"`
	Gone     bool   `db:"gone"`
}

func headsOf(rows []headRow) map[string]mirror.Head {
	heads := make(map[string]mirror.Head, len(rows))
	for _, r := range rows {
		heads[r.ID] = mirror.Head{Hash: r.Hash, ListHash: r.ListHash, Gone: r.Gone}
	}
	return heads
}

// Heads returns what is stored of a kind, by id, for comparison.
func (s Syncer) Heads(ctx context.Context, connection, kind string) (map[string]mirror.Head, error) {
	var rows []headRow
	err := s.db.x.SelectContext(ctx, &rows, `
		SELECT id, hash, list_hash, gone_at IS NOT NULL AS gone
		FROM records
		WHERE connection_id = $1 AND kind = $2`, connection, kind)
	if err != nil {
		return nil, wrap(ctx, "reading heads", err)
	}
	return headsOf(rows), nil
}

// HeadsOf returns what is stored of a kind under the ids, those that are gone too; unknown ids are left out.
func (s Syncer) HeadsOf(
	ctx context.Context, connection, kind string, ids []string,
) (map[string]mirror.Head, error) {
	var rows []headRow
	err := s.db.x.SelectContext(ctx, &rows, `
		SELECT id, hash, list_hash, gone_at IS NOT NULL AS gone
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND id = ANY($3)`, connection, kind, textArray(ids))
	if err != nil {
		return nil, wrap(ctx, "reading heads by id", err)
	}
	return headsOf(rows), nil
}

// Children returns what is stored of a kind under a parent and is not gone, by id.
func (s Syncer) Children(ctx context.Context, connection, kind, parent string) (map[string]mirror.Head, error) {
	var rows []headRow
	// That the parent is not empty is what the index is for.
	err := s.db.x.SelectContext(ctx, &rows, `
		SELECT id, hash, list_hash, FALSE AS gone
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND parent_id = $3 AND parent_id <> '' AND gone_at IS NULL`,
		connection, kind, parent)
	if err != nil {
		return nil, wrap(ctx, "reading the heads of children", err)
	}
	return headsOf(rows), nil
}

// RecordIDs returns the ids of the records of a kind that are not gone, in order, after the id given, at most limit.
func (s Syncer) RecordIDs(ctx context.Context, connection, kind, after string, limit int) ([]string, error) {
	var ids []string
	if err := s.db.x.SelectContext(ctx, &ids, `
		SELECT id
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND id > $3 AND gone_at IS NULL
		ORDER BY id
		LIMIT $4`, connection, kind, after, limit); err != nil {
		return nil, wrap(ctx, "reading the ids of records", err)
	}
	return notNil(ids), nil
}
