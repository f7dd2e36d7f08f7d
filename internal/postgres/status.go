package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// SetStatus changes a connection's status unless it is paused or removed; going to or from active commits
// connection.recovered or connection.degraded. It returns true if it committed an event. An unchanged status with the
// same reason writes nothing. mirror.ErrNotFound.
func (s Syncer) SetStatus(ctx context.Context, connection string, status mirror.Status, reason string) (bool, error) {
	switch status {
	case mirror.StatusActive, mirror.StatusDegraded, mirror.StatusUnauthorized:
	default:
		return false, fmt.Errorf("setting a status: %q is not for a synchronisation to set", status)
	}
	var committed bool
	err := s.db.inTx(ctx, "setting a status", func(tx *sqlx.Tx) error {
		committed = false
		before, err := lockConnection(ctx, tx, connection)
		if errors.Is(err, mirror.ErrRemoved) || err == nil && before.Status == mirror.StatusPaused {
			return nil
		}
		if err != nil {
			return err
		}
		committed, err = changeStatus(ctx, tx, connection, before, status, reason)
		return err
	})
	return committed && err == nil, err
}

// changeStatus writes the status of a locked connection where it differs, and the event where it goes to or from active.
func changeStatus(
	ctx context.Context, tx *sqlx.Tx, connection string, before state, status mirror.Status, reason string,
) (bool, error) {
	if before == (state{Status: status, Reason: reason}) {
		return false, nil
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections
		SET status_since = CASE WHEN status = $2 THEN status_since ELSE clock_timestamp() END,
			status = $2, status_reason = $3
		WHERE id = $1`, connection, status, reason)); err != nil {
		return false, err
	}
	if before.Status == status {
		return false, nil
	}
	switch {
	case status == mirror.StatusActive:
		return true, appendConnectionEvent(ctx, tx, connection, events.ConnectionRecovered, connectionFacts{})
	case before.Status == mirror.StatusActive:
		return true, appendConnectionEvent(ctx, tx, connection, events.ConnectionDegraded, connectionFacts{})
	}
	return false, nil
}
