package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// recordRow is a row of records without where it stands.
type recordRow struct {
	Kind      string     `db:"kind"`
	ID        string     `db:"id"`
	Parent    string     `db:"parent_id"`
	Variant   string     `db:"variant"`
	Doc       []byte     `db:"doc"`
	Sealed    []byte     `db:"sealed"`
	Hash      []byte     `db:"hash"`
	ListHash  []byte     `db:"list_hash"`
	UpdatedAt *time.Time `db:"ashby_updated_at"`
	FetchedAt time.Time  `db:"fetched_at"`
}

// record leaves Doc nil where the row is sealed, and Sealed where it is not.
func (r recordRow) record() mirror.Record {
	return mirror.Record{
		Kind: r.Kind, ID: r.ID, Parent: r.Parent, Variant: r.Variant, Doc: r.Doc, Sealed: r.Sealed, Hash: r.Hash,
		ListHash: r.ListHash, UpdatedAt: utc(r.UpdatedAt), FetchedAt: r.FetchedAt.UTC(),
	}
}

// Records returns the stored records of a kind that are not gone, of the ids given, by id; unknown ids are left out. The
// documents have their values as they came, but Postgres orders their fields anew. Sealed records have no document.
func (s Syncer) Records(ctx context.Context, connection, kind string, ids []string) ([]mirror.Record, error) {
	var rows []recordRow
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT kind, id, parent_id, variant, doc, sealed, hash, list_hash, ashby_updated_at, fetched_at
		FROM records
		WHERE connection_id = $1 AND kind = $2 AND id = ANY($3) AND gone_at IS NULL
		ORDER BY id`, connection, kind, textArray(ids)); err != nil {
		return nil, wrap(ctx, "reading records", err)
	}
	records := make([]mirror.Record, 0, len(rows))
	for _, r := range rows {
		records = append(records, r.record())
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
