package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Patch changes a connection. A replaced key makes an unauthorized or degraded connection active, and makes a poll due
// at once, as resuming, other modules and another name do: every public job carries the name. As everywhere, a change of
// the status commits an event, pausing included. What a module that is taken away had brought is deleted, and units of
// work that began before are refused. mirror.ErrNotFound, mirror.ErrRemoved, mirror.ErrDuplicateKey.
func (g Gateway) Patch(ctx context.Context, id string, p mirror.ConnectionPatch) error {
	return g.db.inTx(ctx, "changing a connection", func(tx *sqlx.Tx) error {
		if p.Modules != nil || len(p.PurgeKinds) > 0 {
			// Waits for the Applies that run, and keeps further ones waiting until they see what was decided here.
			if err := lockApplies(ctx, tx, id); err != nil {
				return err
			}
		}
		s, err := lockConnection(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := patchSettings(ctx, tx, id, p); err != nil {
			return err
		}
		if p.Key != nil {
			if err := patchKey(ctx, tx, id, *p.Key); err != nil {
				return err
			}
		} else if p.Report != nil {
			if err := patchReport(ctx, tx, id, *p.Report); err != nil {
				return err
			}
		}
		if len(p.WebhookSecret) > 0 {
			if err := rotateWebhookSecret(ctx, tx, id, p.WebhookSecret); err != nil {
				return err
			}
		}
		if err := g.db.patchModules(ctx, tx, id, p); err != nil {
			return err
		}
		next := patchedStatus(s.Status, p)
		if next != s.Status {
			if _, err := changeStatus(ctx, tx, id, s, state{Status: next}); err != nil {
				return err
			}
		}
		resumed := next != s.Status && next == mirror.StatusActive
		if p.Key != nil || p.EmployerName != nil || p.Modules != nil || resumed {
			if err := makeDue(ctx, tx, id); err != nil {
				return err
			}
		}
		if len(p.PurgeKinds) > 0 {
			return fence(ctx, tx, id)
		}
		return nil
	})
}

// patchedStatus is the status that a patch leads to.
func patchedStatus(status mirror.Status, p mirror.ConnectionPatch) mirror.Status {
	switch {
	case p.Paused != nil && *p.Paused:
		return mirror.StatusPaused
	case status == mirror.StatusPaused && p.Paused != nil:
		return mirror.StatusActive
	case status != mirror.StatusPaused && p.Key != nil:
		return mirror.StatusActive
	}
	return status
}

func patchSettings(ctx context.Context, tx *sqlx.Tx, id string, p mirror.ConnectionPatch) error {
	if p.EmployerName == nil && p.PollInterval == nil {
		return nil
	}
	var interval *int64
	if p.PollInterval != nil {
		s := seconds(*p.PollInterval)
		interval = &s
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections
		SET employer_name = COALESCE($2, employer_name), poll_interval_s = COALESCE($3, poll_interval_s)
		WHERE id = $1`, id, p.EmployerName, interval)); err != nil {
		return err
	}
	if interval == nil {
		return nil
	}
	// Never later: the next poll may be the sooner try of one that failed.
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE sync_state
		SET next_poll_at = LEAST(next_poll_at, clock_timestamp() + make_interval(secs => $2))
		WHERE connection_id = $1`, id, *interval))
}

// patchModules replaces the modules and deletes what the kinds to purge have left.
func (d *DB) patchModules(ctx context.Context, tx *sqlx.Tx, id string, p mirror.ConnectionPatch) error {
	if p.Modules != nil {
		if err := mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE connections SET modules = $2 WHERE id = $1`, id, textArray(p.Modules))); err != nil {
			return err
		}
		if _, err := affected(tx.ExecContext(ctx, `
			DELETE FROM module_state WHERE connection_id = $1 AND module <> ALL($2)`, id, textArray(p.Modules))); err != nil {
			return err
		}
	}
	if len(p.PurgeKinds) == 0 {
		return nil
	}
	if err := d.purgeKinds(ctx, tx, id, p.PurgeKinds); err != nil {
		return fmt.Errorf("purging: %w", err)
	}
	return nil
}

func patchReport(ctx context.Context, tx *sqlx.Tx, id string, r mirror.Report) error {
	report, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections SET report = $2 WHERE id = $1`, id, string(report)))
}

func patchKey(ctx context.Context, tx *sqlx.Tx, id string, k mirror.KeyPatch) error {
	if err := patchReport(ctx, tx, id, k.Report); err != nil {
		return err
	}
	if err := mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE connections
		SET key_fingerprint = $2, key_last4 = $3
		WHERE id = $1`, id, k.Fingerprint, k.Last4)); err != nil {
		return err
	}
	return putSecret(ctx, tx, id, secretKey, k.Sealed)
}
