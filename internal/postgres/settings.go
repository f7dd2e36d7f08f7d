package postgres

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// SettingsOf returns what is known of a connection's webhook settings, by action.
func (g Gateway) SettingsOf(ctx context.Context, connection string) ([]mirror.WebhookSeen, error) {
	seen, err := webhooksSeen(ctx, g.db.x, []string{connection})
	if err != nil {
		return nil, wrap(ctx, "reading webhook settings", err)
	}
	return seen[connection], nil
}

// PutSetting notes a setting that was made through Ashby's API and what was last found of it. When it was last pinged or
// seen stays as it is. mirror.ErrNotFound.
func (g Gateway) PutSetting(ctx context.Context, connection string, s mirror.WebhookSeen) error {
	return wrap(ctx, "noting a webhook setting", mustAffect(1)(g.db.x.ExecContext(ctx, `
		INSERT INTO webhook_setup (connection_id, action, setting_id, enabled, checked_at, problem)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (connection_id, action) DO UPDATE
		SET setting_id = EXCLUDED.setting_id, enabled = EXCLUDED.enabled, checked_at = EXCLUDED.checked_at,
			problem = EXCLUDED.problem`, connection, s.Action, s.SettingID, s.Enabled, s.CheckedAt, s.Problem)))
}

// webhooksSeen returns, by connection, the webhook settings that showed themselves or were made through the API, by action.
func webhooksSeen(ctx context.Context, q sqlx.QueryerContext, ids []string) (map[string][]mirror.WebhookSeen, error) {
	var rows []struct {
		Connection string     `db:"connection_id"`
		Action     string     `db:"action"`
		PingedAt   *time.Time `db:"pinged_at"`
		LastSeenAt *time.Time `db:"last_seen_at"`
		SettingID  string     `db:"setting_id"`
		Enabled    *bool      `db:"enabled"`
		CheckedAt  *time.Time `db:"checked_at"`
		Problem    string     `db:"problem"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `
		SELECT connection_id, action, pinged_at, last_seen_at, setting_id, enabled, checked_at, problem
		FROM webhook_setup
		WHERE connection_id = ANY($1)
		ORDER BY connection_id, action`, textArray(ids)); err != nil {
		return nil, err
	}
	seen := map[string][]mirror.WebhookSeen{}
	for _, r := range rows {
		seen[r.Connection] = append(seen[r.Connection], mirror.WebhookSeen{
			Action: r.Action, PingedAt: utc(r.PingedAt), LastSeenAt: utc(r.LastSeenAt), SettingID: r.SettingID,
			Enabled: r.Enabled, CheckedAt: utc(r.CheckedAt), Problem: r.Problem,
		})
	}
	return seen, nil
}
