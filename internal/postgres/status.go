package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// SetStatus changes a connection's status, unless it is paused or removed, which is no error, or its key is another by
// now than the change is about. Every change of the status commits an event: connection.recovered where it becomes active,
// else connection.degraded. It returns true if it committed one. A change of code or reason alone is written without an
// event, and what is the same in all three writes nothing. mirror.ErrLeaseLost, mirror.ErrNotFound.
func (s Syncer) SetStatus(ctx context.Context, m mirror.Mandate, c mirror.StatusChange) (bool, error) {
	switch c.Status {
	case mirror.StatusActive, mirror.StatusDegraded, mirror.StatusUnauthorized:
	default:
		return false, fmt.Errorf("setting a status: %q is not for a synchronisation to set", c.Status)
	}
	var committed bool
	err := s.db.inTx(ctx, "setting a status", func(tx *sqlx.Tx) error {
		committed = false
		if err := mayWrite(ctx, tx, m); err != nil {
			return err
		}
		before, err := lockConnection(ctx, tx, m.Connection)
		if err != nil || before.Status == mirror.StatusPaused {
			return err
		}
		if current, err := isCurrentKey(ctx, tx, m.Connection, c.Key); err != nil || !current {
			return err
		}
		if before.Status != c.Status && c.PollWithin > 0 {
			if err := pollWithin(ctx, tx, m.Connection, c.PollWithin); err != nil {
				return err
			}
		}
		committed, err = changeStatus(ctx, tx, m.Connection, before,
			state{Status: c.Status, Code: c.Code, Reason: c.Reason})
		return err
	})
	if errors.Is(err, mirror.ErrPaused) || errors.Is(err, mirror.ErrRemoved) {
		return false, nil
	}
	return committed && err == nil, err
}

// isCurrentKey says whether a sealed key is the one that is stored; nil stands for any. The connection is locked, so the
// key is not replaced meanwhile.
func isCurrentKey(ctx context.Context, tx *sqlx.Tx, connection string, key mirror.Sealed) (bool, error) {
	if key == nil {
		return true, nil
	}
	var current bool
	err := tx.GetContext(ctx, &current, `
		SELECT EXISTS (SELECT FROM secrets WHERE connection_id = $1 AND kind = $2 AND sealed = $3)`,
		connection, secretKey, []byte(key))
	return current, err
}

// pollWithin has a poll due at the latest after d.
func pollWithin(ctx context.Context, tx *sqlx.Tx, connection string, d time.Duration) error {
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE sync_state
		SET next_poll_at = LEAST(next_poll_at, clock_timestamp() + make_interval(secs => $2))
		WHERE connection_id = $1`, connection, d.Seconds()))
}

// changeStatus writes the state of a locked connection where it differs, and an event where the status does.
func changeStatus(ctx context.Context, tx *sqlx.Tx, connection string, before, next state) (bool, error) {
	if before == next {
		return false, nil
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections
		SET status_since = CASE WHEN status = $2 THEN status_since ELSE clock_timestamp() END,
			status = $2, status_code = $3, status_reason = $4
		WHERE id = $1`, connection, next.Status, next.Code, next.Reason)); err != nil {
		return false, err
	}
	if before.Status == next.Status {
		return false, nil
	}
	typ := events.ConnectionDegraded
	if next.Status == mirror.StatusActive {
		typ = events.ConnectionRecovered
	}
	return true, appendConnectionEvent(ctx, tx, connection, typ, connectionFacts{})
}
