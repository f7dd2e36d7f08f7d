package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// receiverRow is a row of endpoints. Employers is nil for NULL.
type receiverRow struct {
	ID            string         `db:"id"`
	URL           string         `db:"url"`
	Description   string         `db:"description"`
	Employers     pq.StringArray `db:"employers"`
	Secret        []byte         `db:"secret"`
	Previous      []byte         `db:"previous"`
	PreviousUntil *time.Time     `db:"previous_until"`
	Status        string         `db:"status"`
	StatusCode    string         `db:"status_code"`
	StatusReason  string         `db:"status_reason"`
	StatusSince   time.Time      `db:"status_since"`
	Revision      int64          `db:"revision"`
	FailingSince  *time.Time     `db:"failing_since"`
	Failures      int            `db:"failures"`
	RetryAt       *time.Time     `db:"retry_at"`
	LastSuccessAt *time.Time     `db:"last_success_at"`
	LastFailureAt *time.Time     `db:"last_failure_at"`
	CreatedAt     time.Time      `db:"created_at"`
}

func (r receiverRow) receiver() mirror.Receiver {
	return mirror.Receiver{
		ID: r.ID, URL: r.URL, Description: r.Description, Employers: r.Employers,
		Secret: r.Secret, Previous: r.Previous, PreviousUntil: utc(r.PreviousUntil),
		Status: r.Status, StatusCode: r.StatusCode, StatusReason: r.StatusReason, StatusSince: r.StatusSince.UTC(),
		Revision: r.Revision, CreatedAt: r.CreatedAt.UTC(),
		Health: mirror.ReceiverHealth{
			FailingSince: utc(r.FailingSince), Failures: r.Failures, RetryAt: utc(r.RetryAt),
			LastSuccessAt: utc(r.LastSuccessAt), LastFailureAt: utc(r.LastFailureAt),
		},
	}
}

// CreateReceiver stores an active receiver. mirror.UnknownConnections.
func (g Gateway) CreateReceiver(ctx context.Context, r mirror.Receiver) error {
	return g.db.inTx(ctx, "creating an endpoint", func(tx *sqlx.Tx) error {
		if err := checkConnections(ctx, tx, r.Employers); err != nil {
			return err
		}
		return mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO endpoints (id, url, description, employers, secret, status, status_since, created_at)
			VALUES ($1, $2, $3, $4, $5, 'active', $6, $6)`,
			r.ID, r.URL, r.Description, employersParam(r.Employers), []byte(r.Secret), r.CreatedAt))
	})
}

// receiverViewRow is a receiver with what waits for it.
type receiverViewRow struct {
	receiverRow
	Waiting         int        `db:"waiting"`
	OldestWaitingAt *time.Time `db:"oldest_waiting_at"`
	Failed          int        `db:"failed"`
}

func (r receiverViewRow) view() mirror.ReceiverView {
	return mirror.ReceiverView{
		Receiver: r.receiver(), Waiting: r.Waiting, Failed: r.Failed, OldestWaitingAt: utc(r.OldestWaitingAt),
	}
}

// Receivers returns the receivers, by id, after the id given, at most limit.
func (g Gateway) Receivers(ctx context.Context, after string, limit int) ([]mirror.ReceiverView, error) {
	const doing = "listing endpoints"
	if err := checkLimit(limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return g.receivers(ctx, doing, "", after, limit)
}

// Receiver returns a receiver. mirror.ErrNotFound.
func (g Gateway) Receiver(ctx context.Context, id string) (mirror.ReceiverView, error) {
	const doing = "reading an endpoint"
	views, err := g.receivers(ctx, doing, id, "", 1)
	if err != nil {
		return mirror.ReceiverView{}, err
	}
	if len(views) == 0 {
		return mirror.ReceiverView{}, fmt.Errorf("%s: %w", doing, mirror.ErrNotFound)
	}
	return views[0], nil
}

// receivers reads the one with the id where that is not empty.
func (g Gateway) receivers(ctx context.Context, doing, id, after string, limit int) ([]mirror.ReceiverView, error) {
	var rows []receiverViewRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT r.id, r.url, r.description, r.employers, r.secret, r.previous, r.previous_until, r.status, r.status_code,
			r.status_reason, r.status_since, r.revision, r.failing_since, r.failures, r.retry_at, r.last_success_at,
			r.last_failure_at, r.created_at, w.waiting, w.oldest_waiting_at, f.failed
		FROM endpoints r
		CROSS JOIN LATERAL (
			SELECT count(*) AS waiting, min(d.published_at) AS oldest_waiting_at
			FROM deliveries d
			WHERE d.endpoint_id = r.id AND d.state = 'pending'
		) w
		CROSS JOIN LATERAL (
			SELECT count(*) AS failed
			FROM deliveries d
			WHERE d.endpoint_id = r.id AND d.state = 'failed'
		) f
		WHERE r.status <> 'deleted' AND r.id > $2 AND (CAST($1 AS text) = '' OR r.id = $1)
		ORDER BY r.id
		LIMIT $3`, id, after, limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	views := make([]mirror.ReceiverView, 0, len(rows))
	for _, r := range rows {
		views = append(views, r.view())
	}
	return views, nil
}

// PatchReceiver changes a receiver. Another address begins with a clean slate. mirror.ErrNotFound,
// mirror.UnknownConnections.
func (g Gateway) PatchReceiver(ctx context.Context, id string, p mirror.ReceiverPatch) error {
	return g.db.inTx(ctx, "changing an endpoint", func(tx *sqlx.Tx) error {
		var employers any
		if p.Employers != nil {
			if err := checkConnections(ctx, tx, *p.Employers); err != nil {
				return err
			}
			employers = employersParam(*p.Employers)
		}
		if err := mustFind(tx.ExecContext(ctx, `
			UPDATE endpoints
			SET url = COALESCE($2, url), description = COALESCE($3, description),
				employers = CASE WHEN CAST($4 AS boolean) THEN CAST($5 AS text[]) ELSE employers END, revision = revision + 1
			WHERE id = $1 AND status <> 'deleted'`,
			id, p.URL, p.Description, p.Employers != nil, employers)); err != nil {
			return err
		}
		if p.Employers != nil && *p.Employers != nil {
			if err := dropOthers(ctx, tx, id, *p.Employers); err != nil {
				return err
			}
		}
		if p.URL == nil {
			return nil
		}
		return startAfresh(ctx, tx, id)
	})
}

// dropOthers takes back what waits for a receiver of employers that it is not to hear of any more.
func dropOthers(ctx context.Context, tx *sqlx.Tx, id string, employers []string) error {
	_, err := affected(tx.ExecContext(ctx, `
		UPDATE deliveries
		SET state = 'superseded', finished_at = COALESCE(finished_at, clock_timestamp())
		WHERE endpoint_id = $1 AND state IN ('pending', 'failed') AND connection_id <> ALL($2)`,
		id, textArray(employers)))
	return err
}

// startAfresh forgets how the receiver answered, and makes due what waits for another try, as if it had not been tried.
func startAfresh(ctx context.Context, tx *sqlx.Tx, id string) error {
	if err := mustFind(tx.ExecContext(ctx, `
		UPDATE endpoints SET failing_since = NULL, failures = 0, retry_at = NULL WHERE id = $1`, id)); err != nil {
		return err
	}
	_, err := affected(tx.ExecContext(ctx, `
		UPDATE deliveries
		SET tries = 0, first_tried_at = NULL, next_at = now()
		WHERE endpoint_id = $1 AND state = 'pending' AND tries > 0`, id))
	return err
}

// RotateReceiver stores a new secret. The one before signs beside it until overlap has passed. mirror.ErrNotFound.
func (g Gateway) RotateReceiver(ctx context.Context, id string, sealed mirror.Sealed, overlap time.Duration) error {
	return wrap(ctx, "rotating the secret of an endpoint", mustFind(g.db.x.ExecContext(ctx, `
		UPDATE endpoints
		SET previous = secret, previous_until = clock_timestamp() + make_interval(secs => $3), secret = $2,
			revision = revision + 1
		WHERE id = $1 AND status <> 'deleted'`, id, []byte(sealed), overlap.Seconds())))
}

// PauseReceiver sends nothing more to the receiver; what waits is kept. mirror.ErrNotFound.
func (g Gateway) PauseReceiver(ctx context.Context, id, reason string) error {
	return wrap(ctx, "pausing an endpoint", mustFind(g.db.x.ExecContext(ctx, `
		UPDATE endpoints
		SET status = 'paused', status_code = $2, status_reason = $3, revision = revision + 1,
			status_since = CASE WHEN status = 'paused' THEN status_since ELSE clock_timestamp() END
		WHERE id = $1 AND status <> 'deleted'`, id, mirror.PausedOnRequest, legible(reason))))
}

// ResumeReceiver makes a receiver active with a clean slate. One that is active stays as it is. mirror.ErrNotFound.
func (g Gateway) ResumeReceiver(ctx context.Context, id string) error {
	return g.db.inTx(ctx, "resuming an endpoint", func(tx *sqlx.Tx) error {
		var status string
		if err := tx.GetContext(ctx, &status, `
			SELECT status FROM endpoints WHERE id = $1 AND status <> 'deleted' FOR NO KEY UPDATE`, id); err != nil {
			return err
		}
		if status == mirror.ReceiverActive {
			return nil
		}
		if err := mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE endpoints
			SET status = 'active', status_code = '', status_reason = '', status_since = clock_timestamp(),
				revision = revision + 1
			WHERE id = $1`, id)); err != nil {
			return err
		}
		return startAfresh(ctx, tx, id)
	})
}

// DeleteReceiver forgets a receiver and its secrets at once; what waited for it is removed by Maintain. mirror.ErrNotFound.
func (g Gateway) DeleteReceiver(ctx context.Context, id string) error {
	return wrap(ctx, "deleting an endpoint", mustFind(g.db.x.ExecContext(ctx, `
		UPDATE endpoints
		SET status = 'deleted', status_code = '', status_reason = '', status_since = clock_timestamp(), url = '',
			description = '', secret = '', previous = NULL, previous_until = NULL, revision = revision + 1
		WHERE id = $1 AND status <> 'deleted'`, id)))
}
