package postgres

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// StaleParents returns the parents whose children of the kinds are to be read, the longest waiting first, at most limit.
func (s Syncer) StaleParents(
	ctx context.Context, connection string, kinds []string, limit int,
) ([]mirror.StaleParent, error) {
	var rows []struct {
		Kind   string `db:"kind"`
		Parent string `db:"parent_id"`
		Mark   int64  `db:"mark"`
	}
	if err := s.db.x.SelectContext(ctx, &rows, `
		SELECT kind, parent_id, mark
		FROM stale_parents
		WHERE connection_id = $1 AND kind = ANY($2)
		ORDER BY mark
		LIMIT $3`, connection, textArray(kinds), limit); err != nil {
		return nil, wrap(ctx, "reading stale parents", err)
	}
	stale := make([]mirror.StaleParent, 0, len(rows))
	for _, r := range rows {
		stale = append(stale, mirror.StaleParent(r))
	}
	return stale, nil
}

// applyParents takes the marks of parents whose children were read and that did not change again since, then marks those
// that changed: a parent that the unit has in both lists stays stale.
func applyParents(ctx context.Context, tx *sqlx.Tx, u mirror.Unit) error {
	if err := unmarkParents(ctx, tx, u.Connection, u.ReadParents); err != nil {
		return err
	}
	return markParents(ctx, tx, u.Connection, u.StaleParents)
}

func unmarkParents(ctx context.Context, tx *sqlx.Tx, connection string, read []mirror.StaleParent) error {
	if len(read) == 0 {
		return nil
	}
	var kinds, parents []string
	var marks []int64
	for _, r := range read {
		kinds = append(kinds, r.Kind)
		parents = append(parents, r.Parent)
		marks = append(marks, r.Mark)
	}
	_, err := affected(tx.ExecContext(ctx, `
		DELETE FROM stale_parents s
		USING unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[])) AS n (kind, parent, mark)
		WHERE s.connection_id = $1 AND s.kind = n.kind AND s.parent_id = n.parent AND s.mark = n.mark`,
		connection, textArray(kinds), textArray(parents), idArray(marks)))
	return err
}

// markParents gives each parent a mark of its own, also one that has one, so that a read that is under way does not take
// it.
func markParents(ctx context.Context, tx *sqlx.Tx, connection string, stale []mirror.ParentKey) error {
	if len(stale) == 0 {
		return nil
	}
	var kinds, parents []string
	for _, s := range stale {
		kinds = append(kinds, s.Kind)
		parents = append(parents, s.Parent)
	}
	_, err := affected(tx.ExecContext(ctx, `
		INSERT INTO stale_parents (connection_id, kind, parent_id)
		SELECT DISTINCT $1, n.kind, n.parent
		FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) AS n (kind, parent)
		ORDER BY n.kind, n.parent
		ON CONFLICT (connection_id, kind, parent_id) DO UPDATE SET mark = DEFAULT`,
		connection, textArray(kinds), textArray(parents)))
	return err
}
