package postgres

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// headSize is how much of what is sealed tells it from everything else that ever was: the key's id and the nonce.
const headSize = 5 + 12

type sealedRow struct {
	A      string `db:"a"`
	B      string `db:"b"`
	C      string `db:"c"`
	Sealed []byte `db:"sealed"`
}

// SealedPage returns what is sealed in a place, at most limit rows behind after, in a fixed order; the page is the last one
// where it returns no row. Rows that hold nothing come with nothing, and of those that begin with except, which has the five
// bytes that name a key, no more comes than these.
func (k Keyset) SealedPage(
	ctx context.Context, place mirror.SealedPlace, after mirror.SealedKey, except []byte, limit int,
) ([]mirror.SealedRow, error) {
	doing := "reading what is sealed in " + string(place)
	var rows []sealedRow
	var err error
	switch place {
	case mirror.SealedSecrets:
		err = k.db.x.SelectContext(ctx, &rows, `
			SELECT connection_id AS a, kind AS b, '' AS c,
				CASE WHEN substr(sealed, 1, 5) = CAST($3 AS bytea) THEN substr(sealed, 1, 5) ELSE sealed END AS sealed
			FROM secrets
			WHERE (connection_id, kind) > ($1, $2)
			ORDER BY connection_id, kind
			LIMIT $4`, after[0], after[1], except, limit)
	case mirror.SealedEndpoints:
		err = k.db.x.SelectContext(ctx, &rows, `
			SELECT e.id AS a, v.name AS b, '' AS c,
				CASE WHEN substr(v.sealed, 1, 5) = CAST($3 AS bytea) THEN substr(v.sealed, 1, 5) ELSE v.sealed END AS sealed
			FROM endpoints e, LATERAL (VALUES ('previous', e.previous), ('secret', e.secret)) AS v (name, sealed)
			WHERE e.id >= $1 AND (e.id, v.name) > ($1, $2)
			ORDER BY e.id, v.name
			LIMIT $4`, after[0], after[1], except, limit)
	case mirror.SealedRecords:
		// Rows that are not sealed are counted too, so that no statement looks at more than limit of them.
		err = k.db.x.SelectContext(ctx, &rows, `
			SELECT connection_id AS a, kind AS b, id AS c,
				CASE WHEN substr(sealed, 1, 5) = CAST($4 AS bytea) THEN substr(sealed, 1, 5) ELSE sealed END AS sealed
			FROM records
			WHERE (connection_id, kind, id) > ($1, $2, $3)
			ORDER BY connection_id, kind, id
			LIMIT $5`, after[0], after[1], after[2], except, limit)
	default:
		err = fmt.Errorf("nothing is sealed there")
	}
	if err != nil {
		return nil, wrap(ctx, doing, err)
	}
	out := make([]mirror.SealedRow, 0, len(rows))
	for _, r := range rows {
		out = append(out, mirror.SealedRow{Key: mirror.SealedKey{r.A, r.B, r.C}, Sealed: r.Sealed})
	}
	return out, nil
}

// Reseal puts next[i] in the place of old[i], where that is still there, and returns for how many it was. It waits for no
// other writer, so that it never is one half of a deadlock: a row that is locked stays as it is.
func (k Keyset) Reseal(
	ctx context.Context, place mirror.SealedPlace, old []mirror.SealedRow, next []mirror.Sealed,
) (int, error) {
	var n int
	err := k.db.inTx(ctx, "sealing anew in "+string(place), func(tx *sqlx.Tx) error {
		var err error
		n, err = reseal(ctx, tx, place, old, next)
		return err
	})
	return n, err
}

func reseal(
	ctx context.Context, tx *sqlx.Tx, place mirror.SealedPlace, old []mirror.SealedRow, next []mirror.Sealed,
) (int, error) {
	if place == mirror.SealedEndpoints {
		return resealEndpoints(ctx, tx, old, next)
	}
	var as, bs, cs []string
	var heads, contents [][]byte
	for i, r := range old {
		as, bs, cs = append(as, r.Key[0]), append(bs, r.Key[1]), append(cs, r.Key[2])
		heads, contents = append(heads, head(r.Sealed)), append(contents, next[i])
	}
	all, starts, lengths := packed(contents)
	if place == mirror.SealedSecrets {
		return affected(tx.ExecContext(ctx, `
			WITH n AS (
				SELECT a, b, head, substr(CAST($6 AS bytea), start, length) AS sealed
				FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS bytea[]), CAST($4 AS integer[]), CAST($5 AS integer[]))
					AS n (a, b, head, start, length)
			), free AS (
				SELECT s.connection_id, s.kind
				FROM secrets s
				JOIN n ON n.a = s.connection_id AND n.b = s.kind
				FOR NO KEY UPDATE OF s SKIP LOCKED
			)
			UPDATE secrets s
			SET sealed = n.sealed
			FROM n
			JOIN free f ON f.connection_id = n.a AND f.kind = n.b
			WHERE s.connection_id = n.a AND s.kind = n.b AND substr(s.sealed, 1, CAST($7 AS integer)) = n.head`,
			textArray(as), textArray(bs), bytesArray(heads), intArray(starts), intArray(lengths), all, headSize))
	}
	return affected(tx.ExecContext(ctx, `
		WITH n AS (
			SELECT a, b, c, head, substr(CAST($7 AS bytea), start, length) AS sealed
			FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bytea[]), CAST($5 AS integer[]),
				CAST($6 AS integer[])) AS n (a, b, c, head, start, length)
		), free AS (
			SELECT r.connection_id, r.kind, r.id
			FROM records r
			JOIN n ON n.a = r.connection_id AND n.b = r.kind AND n.c = r.id
			FOR NO KEY UPDATE OF r SKIP LOCKED
		)
		UPDATE records r
		SET sealed = n.sealed
		FROM n
		JOIN free f ON f.connection_id = n.a AND f.kind = n.b AND f.id = n.c
		WHERE r.connection_id = n.a AND r.kind = n.b AND r.id = n.c AND substr(r.sealed, 1, CAST($8 AS integer)) = n.head`,
		textArray(as), textArray(bs), textArray(cs), bytesArray(heads), intArray(starts), intArray(lengths), all, headSize))
}

// resealEndpoints seals one by one: endpoints are few, and two columns of one row may be among them.
func resealEndpoints(ctx context.Context, tx *sqlx.Tx, old []mirror.SealedRow, next []mirror.Sealed) (int, error) {
	sum := 0
	for i, r := range old {
		n, err := affected(tx.ExecContext(ctx, `
			UPDATE endpoints e
			SET secret = CASE WHEN $2 = 'secret' THEN CAST($4 AS bytea) ELSE e.secret END,
				previous = CASE WHEN $2 = 'previous' THEN CAST($4 AS bytea) ELSE e.previous END
			FROM (SELECT id FROM endpoints WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED) free
			WHERE e.id = free.id AND substr(CASE WHEN $2 = 'secret' THEN e.secret ELSE e.previous END, 1, CAST($5 AS integer)) = CAST($3 AS bytea)`,
			r.Key[0], r.Key[1], head(r.Sealed), []byte(next[i]), headSize))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func head(sealed mirror.Sealed) []byte { return sealed[:min(len(sealed), headSize)] }
