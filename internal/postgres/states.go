package postgres

import "context"

// connectionStates is a table of each connection's latest event. connection_events has it, unless a program older than that
// table wrote a later one, as during an upgrade: then the log has.
const connectionStates = `(
	SELECT c.id AS connection_id,
		COALESCE(e.id, k.event_id) AS event_id, COALESCE(e.created_at, k.created_at) AS created_at,
		COALESCE(e.version, k.version) AS version, COALESCE(e.type, k.type) AS type, COALESCE(e.data, k.data) AS data
	FROM connections c
	LEFT JOIN connection_events k ON k.connection_id = c.id
	LEFT JOIN LATERAL (
		SELECT id, created_at, version, type, data
		FROM events
		WHERE c.event_version > COALESCE(k.version, 0)
			AND connection_id = c.id AND posting_id = '' AND version > COALESCE(k.version, 0)
		ORDER BY version DESC
		LIMIT 1
	) e ON TRUE
	WHERE k.connection_id IS NOT NULL OR e.id IS NOT NULL
)`

// keepStates writes into connection_events what an older program did not, before the log forgets it.
func (d *DB) keepStates(ctx context.Context) error {
	_, err := affected(d.x.ExecContext(ctx, `
		INSERT INTO connection_events AS k (connection_id, event_id, created_at, version, type, data)
		SELECT s.connection_id, s.event_id, s.created_at, s.version, s.type, s.data
		FROM `+connectionStates+` s
		LEFT JOIN connection_events b ON b.connection_id = s.connection_id
		WHERE s.version > COALESCE(b.version, 0)
		ORDER BY s.connection_id
		ON CONFLICT (connection_id) DO UPDATE
		SET event_id = EXCLUDED.event_id, created_at = EXCLUDED.created_at, version = EXCLUDED.version,
			type = EXCLUDED.type, data = EXCLUDED.data
		WHERE k.version < EXCLUDED.version`))
	return wrap(ctx, "keeping the latest events of connections", err)
}
