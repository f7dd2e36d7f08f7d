package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// tokenRow is a row of api_tokens without its hash.
type tokenRow struct {
	ID         string      `db:"id"`
	Name       string      `db:"name"`
	Role       mirror.Role `db:"role"`
	Hint       string      `db:"hint"`
	CreatedAt  time.Time   `db:"created_at"`
	CreatedBy  string      `db:"created_by"`
	LastUsedAt *time.Time  `db:"last_used_at"`
	ExpiresAt  *time.Time  `db:"expires_at"`
	RevokedAt  *time.Time  `db:"revoked_at"`
}

func (r tokenRow) token() mirror.APIToken {
	return mirror.APIToken{
		ID: r.ID, Name: r.Name, Role: r.Role, Hint: r.Hint, CreatedAt: r.CreatedAt.UTC(), CreatedBy: r.CreatedBy,
		LastUsedAt: utc(r.LastUsedAt), ExpiresAt: utc(r.ExpiresAt), RevokedAt: utc(r.RevokedAt),
	}
}

// CreateToken stores a token and the SHA-256 of its text. CreatedAt is the present where zero. One that has expired gives
// its name up, and is revoked as of when it expired. mirror.ErrDuplicateName.
func (g Gateway) CreateToken(ctx context.Context, t mirror.APIToken, hash []byte) error {
	return g.db.inTx(ctx, "creating a token", func(tx *sqlx.Tx) error {
		if _, err := affected(tx.ExecContext(ctx, `
			UPDATE api_tokens
			SET revoked_at = expires_at
			WHERE name = $1 AND revoked_at IS NULL AND expires_at <= clock_timestamp()`, t.Name)); err != nil {
			return err
		}
		return mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO api_tokens (id, name, role, token_hash, hint, created_at, created_by, expires_at)
			VALUES ($1, $2, $3, $4, $5, COALESCE($6, clock_timestamp()), $7, $8)`,
			t.ID, t.Name, t.Role, hash, t.Hint, known(t.CreatedAt), t.CreatedBy, t.ExpiresAt))
	})
}

// Tokens returns tokens by id, expired ones too, at most q.Limit.
func (g Gateway) Tokens(ctx context.Context, q mirror.TokenQuery) ([]mirror.APIToken, error) {
	const doing = "listing tokens"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []tokenRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT id, name, role, hint, created_at, created_by, last_used_at, expires_at, revoked_at
		FROM api_tokens
		WHERE id > $1 AND (revoked_at IS NULL OR $2)
		ORDER BY id
		LIMIT $3`, q.After, q.Revoked, q.Limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	tokens := make([]mirror.APIToken, 0, len(rows))
	for _, r := range rows {
		tokens = append(tokens, r.token())
	}
	return tokens, nil
}

// RevokeToken makes a token of no use, and returns it; one that is revoked stays as it is. mirror.ErrNotFound.
func (g Gateway) RevokeToken(ctx context.Context, id string) (mirror.APIToken, error) {
	var row tokenRow
	err := g.db.x.GetContext(ctx, &row, `
		UPDATE api_tokens
		SET revoked_at = COALESCE(revoked_at, clock_timestamp())
		WHERE id = $1
		RETURNING id, name, role, hint, created_at, created_by, last_used_at, expires_at, revoked_at`, id)
	return row.token(), wrap(ctx, "revoking a token", err)
}

// TokenOf returns the token with this hash, revoked and expired ones too. mirror.ErrNotFound.
func (g Gateway) TokenOf(ctx context.Context, hash []byte) (mirror.APIToken, error) {
	var row tokenRow
	err := g.db.x.GetContext(ctx, &row, `
		SELECT id, name, role, hint, created_at, created_by, last_used_at, expires_at, revoked_at
		FROM api_tokens
		WHERE token_hash = $1`, hash)
	return row.token(), wrap(ctx, "looking up a token", err)
}

// TokenHashes returns the hashes of all tokens that are neither revoked nor expired.
func (g Gateway) TokenHashes(ctx context.Context) ([][]byte, error) {
	var hashes [][]byte
	err := g.db.x.SelectContext(ctx, &hashes, `
		SELECT token_hash
		FROM api_tokens
		WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())`)
	return hashes, wrap(ctx, "listing the hashes of tokens", err)
}

// TokenUsed notes that a token was used now, unless that was noted within the last minute.
func (g Gateway) TokenUsed(ctx context.Context, id string) error {
	_, err := affected(g.db.x.ExecContext(ctx, `
		UPDATE api_tokens
		SET last_used_at = clock_timestamp()
		WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - INTERVAL '1 minute')`, id))
	return wrap(ctx, "noting the use of a token", err)
}
