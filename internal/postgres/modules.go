package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// ModuleStates returns how the connection's modules stand, by module; one that was never noted is not among them.
func (s Syncer) ModuleStates(ctx context.Context, connection string) (map[string]mirror.ModuleState, error) {
	all, err := moduleStates(ctx, s.db.x, []string{connection})
	if err != nil {
		return nil, wrap(ctx, "reading the states of modules", err)
	}
	states := make(map[string]mirror.ModuleState, len(all[connection]))
	for _, state := range all[connection] {
		states[state.Module] = state
	}
	return states, nil
}

// moduleStates returns the states of connections' modules, by connection and module.
func moduleStates(ctx context.Context, q sqlx.QueryerContext, ids []string) (map[string][]mirror.ModuleState, error) {
	var rows []struct {
		Connection string     `db:"connection_id"`
		Module     string     `db:"module"`
		State      string     `db:"state"`
		Reason     string     `db:"reason"`
		Since      time.Time  `db:"since"`
		CompleteAt *time.Time `db:"complete_at"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `
		SELECT connection_id, module, state, reason, since, complete_at
		FROM module_state
		WHERE connection_id = ANY($1)
		ORDER BY connection_id, module`, textArray(ids)); err != nil {
		return nil, err
	}
	states := map[string][]mirror.ModuleState{}
	for _, r := range rows {
		states[r.Connection] = append(states[r.Connection], mirror.ModuleState{
			Module: r.Module, State: r.State, Reason: r.Reason, Since: r.Since.UTC(), CompleteAt: utc(r.CompleteAt),
		})
	}
	return states, nil
}

// SetModule notes how a module stands where that differs from what is stored. Since is the database's time of the last
// change of State, and a CompleteAt that is stored stays where none is given. A module that was taken away meanwhile is
// left out. Errors are those of mayWrite.
func (s Syncer) SetModule(ctx context.Context, m mirror.Mandate, state mirror.ModuleState) error {
	return s.db.inTx(ctx, "noting the state of a module", func(tx *sqlx.Tx) error {
		if err := mayWrite(ctx, tx, m); err != nil {
			return err
		}
		_, err := affected(tx.ExecContext(ctx, `
			INSERT INTO module_state AS m (connection_id, module, state, reason, since, complete_at)
			SELECT id, $2, $3, $4, clock_timestamp(), CAST($5 AS timestamptz)
			FROM connections
			WHERE id = $1 AND CAST($2 AS text) = ANY(modules)
			ON CONFLICT (connection_id, module) DO UPDATE
			SET state = EXCLUDED.state, reason = EXCLUDED.reason,
				since = CASE WHEN m.state = EXCLUDED.state THEN m.since ELSE EXCLUDED.since END,
				complete_at = COALESCE(EXCLUDED.complete_at, m.complete_at)
			WHERE (m.state, m.reason) IS DISTINCT FROM (EXCLUDED.state, EXCLUDED.reason)
				OR EXCLUDED.complete_at <> m.complete_at
				OR EXCLUDED.complete_at IS NOT NULL AND m.complete_at IS NULL`,
			m.Connection, state.Module, state.State, state.Reason, state.CompleteAt))
		return err
	})
}
