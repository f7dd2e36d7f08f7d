package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// connectionRow is a row of connections without its fingerprint.
type connectionRow struct {
	ID             string         `db:"id"`
	Part           int            `db:"part"`
	EmployerRef    string         `db:"employer_ref"`
	EmployerName   string         `db:"employer_name"`
	Status         mirror.Status  `db:"status"`
	StatusCode     string         `db:"status_code"`
	StatusReason   string         `db:"status_reason"`
	StatusSince    time.Time      `db:"status_since"`
	Modules        pq.StringArray `db:"modules"`
	PollIntervalS  int64          `db:"poll_interval_s"`
	KeyLast4       string         `db:"key_last4"`
	Report         []byte         `db:"report"`
	WebhookToken   string         `db:"webhook_token"`
	CreatedAt      time.Time      `db:"created_at"`
	SealedKeyBytes []byte         `db:"sealed_key"`
}

func (r connectionRow) connection() (mirror.Connection, error) {
	c := mirror.Connection{
		ID: r.ID, Part: r.Part, EmployerRef: r.EmployerRef, EmployerName: r.EmployerName,
		Status: r.Status, StatusCode: r.StatusCode, StatusReason: r.StatusReason, StatusSince: r.StatusSince.UTC(),
		Modules: r.Modules, PollInterval: time.Duration(r.PollIntervalS) * time.Second,
		KeyLast4: r.KeyLast4, WebhookToken: r.WebhookToken, CreatedAt: r.CreatedAt.UTC(),
	}
	if err := json.Unmarshal(r.Report, &c.Report); err != nil {
		return mirror.Connection{}, fmt.Errorf("reading the stored report: %w", err)
	}
	return c, nil
}

// Create stores a connection, its secrets and its first due poll. The partition is always that of the id, a connection
// without a status is active, and CreatedAt and StatusSince are the present where zero. mirror.ErrDuplicateKey, mirror.ErrDuplicateEmployer.
func (g Gateway) Create(ctx context.Context, c mirror.NewConnection) error {
	report, err := json.Marshal(c.Report)
	if err != nil {
		return fmt.Errorf("creating a connection: %w", err)
	}
	if c.Status == "" {
		c.Status = mirror.StatusActive
	}
	return g.db.inTx(ctx, "creating a connection", func(tx *sqlx.Tx) error {
		if err := mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO connections (id, part, employer_ref, employer_name, status, status_reason, modules,
				poll_interval_s, key_fingerprint, key_last4, report, webhook_token, created_at, status_since, status_code)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, COALESCE($13, now()), COALESCE($14, now()), $15)`,
			c.ID, mirror.Part(c.ID), c.EmployerRef, c.EmployerName, c.Status, c.StatusReason, textArray(c.Modules),
			seconds(c.PollInterval), c.KeyFingerprint, c.KeyLast4, string(report), c.WebhookToken,
			known(c.CreatedAt), known(c.StatusSince), c.StatusCode)); err != nil {
			return err
		}
		if err := putSecret(ctx, tx, c.ID, secretKey, c.Key); err != nil {
			return err
		}
		if err := putSecret(ctx, tx, c.ID, secretWebhook, c.WebhookSecret); err != nil {
			return err
		}
		return mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO sync_state (connection_id, next_poll_at) VALUES ($1, clock_timestamp())`, c.ID))
	})
}

// known is nil where the time is not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// seconds rounds up to the whole seconds that an interval is stored in; it is never zero.
func seconds(d time.Duration) int64 {
	return max(int64((d+time.Second-1)/time.Second), 1)
}

// Connection returns the connection and its sealed API key. mirror.ErrNotFound, mirror.ErrRemoved.
func (s Syncer) Connection(ctx context.Context, id string) (mirror.Connection, mirror.Sealed, error) {
	const doing = "reading a connection"
	var row connectionRow
	if err := s.db.x.GetContext(ctx, &row, `
		SELECT c.id, c.part, c.employer_ref, c.employer_name, c.status, c.status_code, c.status_reason, c.status_since,
			c.modules,
			c.poll_interval_s, c.key_last4, c.report, c.webhook_token, c.created_at, k.sealed AS sealed_key
		FROM connections c
		LEFT JOIN secrets k ON k.connection_id = c.id AND k.kind = 'api_key'
		WHERE c.id = $1`, id); err != nil {
		return mirror.Connection{}, nil, wrap(ctx, doing, err)
	}
	if row.Status == mirror.StatusRemoved {
		return mirror.Connection{}, nil, wrap(ctx, doing, mirror.ErrRemoved)
	}
	c, err := row.connection()
	return c, row.SealedKeyBytes, wrap(ctx, doing, err)
}

// KeyInUse returns the id of the connection that has the key with this fingerprint. mirror.ErrNotFound.
func (g Gateway) KeyInUse(ctx context.Context, fingerprint []byte) (string, error) {
	var id string
	err := g.db.x.GetContext(ctx, &id, `
		SELECT id FROM connections WHERE key_fingerprint = $1 AND status <> 'removed'`, fingerprint)
	return id, wrap(ctx, "looking a key up", err)
}

// MakeDue makes a poll due now, as one that was asked for, and a slice of records. mirror.ErrNotFound, mirror.ErrRemoved.
func (g Gateway) MakeDue(ctx context.Context, id string) error {
	return g.db.inTx(ctx, "making a poll due", func(tx *sqlx.Tx) error {
		if _, err := lockConnection(ctx, tx, id); err != nil {
			return err
		}
		return makeDue(ctx, tx, id)
	})
}

func makeDue(ctx context.Context, tx *sqlx.Tx, id string) error {
	return mustAffect(1)(tx.ExecContext(ctx, `
		UPDATE sync_state
		SET next_poll_at = clock_timestamp(), poll_requested_at = clock_timestamp(), next_records_at = clock_timestamp()
		WHERE connection_id = $1`, id))
}

// state is what decides about a connection's changes.
type state struct {
	Status mirror.Status `db:"status"`
	Code   string        `db:"status_code"`
	Reason string        `db:"status_reason"`
}

// lockConnection keeps other changes of the connection out until the transaction ends, but not Apply, and returns its
// state. mirror.ErrNotFound, mirror.ErrRemoved.
func lockConnection(ctx context.Context, tx *sqlx.Tx, id string) (state, error) {
	var s state
	if err := tx.GetContext(ctx, &s, `
		SELECT status, status_code, status_reason FROM connections WHERE id = $1 FOR NO KEY UPDATE`, id); err != nil {
		return s, err
	}
	if s.Status == mirror.StatusRemoved {
		return s, mirror.ErrRemoved
	}
	return s, nil
}
