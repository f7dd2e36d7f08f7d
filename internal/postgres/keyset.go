package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Keyset is the database as the keeper of what is known of keysets, and of what is sealed with them.
type Keyset struct{ db *DB }

// Keyset returns what is known of keysets.
func (d *DB) Keyset() Keyset { return Keyset{db: d} }

// keysetRemembered is for how long a process is remembered that did not stop in order.
const keysetRemembered = 24 * time.Hour

// Hold notes which keys a process has in memory, and returns the key that every process must have; 0 if there is none yet.
// The process is noted before that key is read, and Require writes the key before the processes are read: either this one
// learns of the key, or the rotation of the process.
func (k Keyset) Hold(ctx context.Context, h mirror.KeysetHolder) (required uint32, err error) {
	const doing = "noting the keys of a process"
	keys := make(pq.Int64Array, len(h.Keys))
	for i, id := range h.Keys {
		keys[i] = int64(id)
	}
	if _, err := k.db.x.ExecContext(ctx, `
		INSERT INTO keyset_holders (owner, service, host, sealing, keys, fault)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (owner) DO UPDATE
		SET service = EXCLUDED.service, host = EXCLUDED.host, sealing = EXCLUDED.sealing, keys = EXCLUDED.keys,
			fault = EXCLUDED.fault, seen_at = clock_timestamp()`,
		h.Owner, h.Service, h.Host, int64(h.Sealing), keys, legible(h.Fault)); err != nil {
		return 0, wrap(ctx, doing, err)
	}
	rotation, err := k.Rotation(ctx)
	if errors.Is(err, mirror.ErrNotFound) {
		return 0, nil
	}
	if err != nil || !rotation.Required {
		return 0, err
	}
	return rotation.Key, nil
}

// LetGo forgets a process that stops.
func (k Keyset) LetGo(ctx context.Context, owner string) error {
	_, err := affected(k.db.x.ExecContext(ctx, `
		DELETE FROM keyset_holders WHERE owner = $1 OR seen_at < clock_timestamp() - make_interval(secs => $2)`,
		owner, keysetRemembered.Seconds()))
	return wrap(ctx, "forgetting a process", err)
}

// Holders returns the processes that were heard of within the last day and did not stop in order.
func (k Keyset) Holders(ctx context.Context) ([]mirror.KeysetHolder, error) {
	var rows []struct {
		Owner   string        `db:"owner"`
		Service string        `db:"service"`
		Host    string        `db:"host"`
		Sealing int64         `db:"sealing"`
		Keys    pq.Int64Array `db:"keys"`
		Fault   string        `db:"fault"`
		Silent  float64       `db:"silent"`
	}
	if err := k.db.x.SelectContext(ctx, &rows, `
		SELECT owner, service, host, sealing, keys, fault, CAST(extract(epoch FROM clock_timestamp() - seen_at) AS float8) AS silent
		FROM keyset_holders
		WHERE seen_at > clock_timestamp() - make_interval(secs => $1)
		ORDER BY service, host, owner`, keysetRemembered.Seconds()); err != nil {
		return nil, wrap(ctx, "reading who holds keys", err)
	}
	holders := make([]mirror.KeysetHolder, 0, len(rows))
	for _, r := range rows {
		h := mirror.KeysetHolder{
			Owner: r.Owner, Service: r.Service, Host: r.Host, Sealing: keyID(r.Sealing), Fault: r.Fault,
			Silent: time.Duration(r.Silent * float64(time.Second)),
		}
		for _, id := range r.Keys {
			h.Keys = append(h.Keys, keyID(id))
		}
		holders = append(holders, h)
	}
	return holders, nil
}

// keyID is an id as Tink has it; the table's type is wider because SQL has no unsigned one.
func keyID(id int64) uint32 { return uint32(id) } //nolint:gosec // it was written from one of that size

// Rotation returns the latest rotation. mirror.ErrNotFound.
func (k Keyset) Rotation(ctx context.Context) (mirror.KeyRotation, error) {
	var row struct {
		Key      int64   `db:"key"`
		Required bool    `db:"required"`
		Finished bool    `db:"finished"`
		Retired  bool    `db:"retired"`
		Since    float64 `db:"since"`
	}
	err := k.db.x.GetContext(ctx, &row, `
		SELECT key, required_at IS NOT NULL AS required, finished_at IS NOT NULL AS finished, retired_at IS NOT NULL AS retired,
			COALESCE(CAST(extract(epoch FROM clock_timestamp() - finished_at) AS float8), 0) AS since
		FROM keyset_rotations
		ORDER BY started_at DESC, key
		LIMIT 1`)
	if errors.Is(err, sql.ErrNoRows) {
		return mirror.KeyRotation{}, fmt.Errorf("reading the rotation: %w", mirror.ErrNotFound)
	}
	return mirror.KeyRotation{
		Key: keyID(row.Key), Required: row.Required, Finished: row.Finished, Retired: row.Retired,
		FinishedFor: time.Duration(row.Since * float64(time.Second)),
	}, wrap(ctx, "reading the rotation", err)
}

// Begin notes that a rotation to a key has begun.
func (k Keyset) Begin(ctx context.Context, key uint32) error {
	_, err := k.db.x.ExecContext(ctx, `INSERT INTO keyset_rotations (key) VALUES ($1)`, int64(key))
	return wrap(ctx, "beginning a rotation", err)
}

// Abandon forgets a rotation whose key seals nothing yet. mirror.ErrNotFound where it may.
func (k Keyset) Abandon(ctx context.Context, key uint32) error {
	return wrap(ctx, "abandoning a rotation", mustFind(k.db.x.ExecContext(ctx, `
		DELETE FROM keyset_rotations WHERE key = $1 AND required_at IS NULL`, int64(key))))
}

// Require has every process that starts from now on have the key. mirror.ErrNotFound.
func (k Keyset) Require(ctx context.Context, key uint32) error {
	return wrap(ctx, "requiring a key", mustFind(k.db.x.ExecContext(ctx, `
		UPDATE keyset_rotations SET required_at = COALESCE(required_at, clock_timestamp()) WHERE key = $1`, int64(key))))
}

// Finish notes that nothing is left that is sealed with a key before this one. mirror.ErrNotFound.
func (k Keyset) Finish(ctx context.Context, key uint32) error {
	return wrap(ctx, "finishing a rotation", mustFind(k.db.x.ExecContext(ctx, `
		UPDATE keyset_rotations SET finished_at = COALESCE(finished_at, clock_timestamp()) WHERE key = $1`, int64(key))))
}

// Retire notes that the keys before this one were removed. mirror.ErrNotFound.
func (k Keyset) Retire(ctx context.Context, key uint32) error {
	return wrap(ctx, "retiring keys", mustFind(k.db.x.ExecContext(ctx, `
		UPDATE keyset_rotations SET retired_at = clock_timestamp() WHERE key = $1`, int64(key))))
}
