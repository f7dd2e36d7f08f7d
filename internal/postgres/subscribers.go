package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// subscriberRow is a row of subscribers without its password.
type subscriberRow struct {
	ID         string           `db:"id"`
	Name       string           `db:"name"`
	Employers  pq.StringArray   `db:"employers"`
	Generation int              `db:"generation"`
	Replay     int              `db:"replay"`
	StartKind  mirror.StartKind `db:"start_kind"`
	StartTime  *time.Time       `db:"start_time"`
	StartSeq   *int64           `db:"start_seq"`
	MadeAt     *time.Time       `db:"made_at"`
	CreatedAt  time.Time        `db:"created_at"`
	RotatedAt  *time.Time       `db:"rotated_at"`
	RevokedAt  *time.Time       `db:"revoked_at"`
}

func (r subscriberRow) subscriber() mirror.Subscriber {
	s := mirror.Subscriber{
		ID: r.ID, Name: r.Name, Employers: r.Employers, Generation: r.Generation, Replay: r.Replay,
		Start: mirror.Start{Kind: r.StartKind}, MadeAt: utc(r.MadeAt), CreatedAt: r.CreatedAt.UTC(),
		RotatedAt: utc(r.RotatedAt), RevokedAt: utc(r.RevokedAt),
	}
	if r.StartTime != nil {
		s.Start.Time = r.StartTime.UTC()
	}
	if r.StartSeq != nil {
		s.Start.Sequence = uint64(*r.StartSeq)
	}
	return s
}

// startValues are the columns of a beginning.
func startValues(s mirror.Start) (kind mirror.StartKind, at *time.Time, seq *int64) {
	switch s.Kind {
	case mirror.StartTime:
		at = &s.Time
	case mirror.StartSequence:
		n := int64(s.Sequence)
		seq = &n
	}
	return s.Kind, at, seq
}

// CreateSubscriber stores a subscriber and the SHA-256 of its password. CreatedAt is the present where zero.
// mirror.UnknownConnections.
func (g Gateway) CreateSubscriber(ctx context.Context, s mirror.Subscriber, hash []byte) error {
	return g.db.inTx(ctx, "creating a subscriber", func(tx *sqlx.Tx) error {
		if err := checkConnections(ctx, tx, s.Employers); err != nil {
			return err
		}
		kind, at, seq := startValues(s.Start)
		return mustAffect(1)(tx.ExecContext(ctx, `
			INSERT INTO subscribers (id, name, employers, generation, replay, password_hash, start_kind, start_time, start_seq,
				created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, COALESCE($10, clock_timestamp()))`,
			s.ID, s.Name, employersParam(s.Employers), s.Generation, s.Replay, hash, kind, at, seq, known(s.CreatedAt)))
	})
}

// Subscriber returns a subscriber, revoked ones too. mirror.ErrNotFound.
func (g Gateway) Subscriber(ctx context.Context, id string) (mirror.Subscriber, error) {
	return g.db.subscriber(ctx, id)
}

// Subscriber returns a subscriber, revoked ones too. mirror.ErrNotFound.
func (n Notifier) Subscriber(ctx context.Context, id string) (mirror.Subscriber, error) {
	return n.db.subscriber(ctx, id)
}

func (d *DB) subscriber(ctx context.Context, id string) (mirror.Subscriber, error) {
	var row subscriberRow
	if err := d.x.GetContext(ctx, &row, `
		SELECT id, name, employers, generation, replay, start_kind, start_time, start_seq, made_at, created_at, rotated_at,
			revoked_at
		FROM subscribers
		WHERE id = $1`, id); err != nil {
		return mirror.Subscriber{}, wrap(ctx, "reading a subscriber", err)
	}
	return row.subscriber(), nil
}

// Subscribers returns those that are not revoked, by id, after the id given, at most limit.
func (g Gateway) Subscribers(ctx context.Context, after string, limit int) ([]mirror.Subscriber, error) {
	const doing = "listing subscribers"
	if err := checkLimit(limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return g.db.subscribers(ctx, doing, after, &limit)
}

// ActiveSubscribers returns all that are not revoked, by id.
func (n Notifier) ActiveSubscribers(ctx context.Context) ([]mirror.Subscriber, error) {
	return n.db.subscribers(ctx, "reading all subscribers", "", nil)
}

func (d *DB) subscribers(ctx context.Context, doing, after string, limit *int) ([]mirror.Subscriber, error) {
	var rows []subscriberRow
	if err := d.x.SelectContext(ctx, &rows, `
		SELECT id, name, employers, generation, replay, start_kind, start_time, start_seq, made_at, created_at, rotated_at,
			revoked_at
		FROM subscribers
		WHERE revoked_at IS NULL AND id > $1
		ORDER BY id
		LIMIT $2`, after, limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	out := make([]mirror.Subscriber, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.subscriber())
	}
	return out, nil
}

// changeSubscriber locks a subscriber that is not revoked, lets work change its row, and returns what it is then.
func (d *DB) changeSubscriber(
	ctx context.Context, doing, id string, work func(tx *sqlx.Tx, before mirror.Subscriber) error,
) (after mirror.Subscriber, err error) {
	err = d.inTx(ctx, doing, func(tx *sqlx.Tx) error {
		var row subscriberRow
		const lock = `
			SELECT id, name, employers, generation, replay, start_kind, start_time, start_seq, made_at, created_at, rotated_at,
				revoked_at
			FROM subscribers
			WHERE id = $1
			FOR UPDATE`
		if err := tx.GetContext(ctx, &row, lock, id); err != nil {
			return err
		}
		if row.RevokedAt != nil {
			return mirror.ErrRevoked
		}
		if err := work(tx, row.subscriber()); err != nil {
			return err
		}
		row = subscriberRow{}
		if err := tx.GetContext(ctx, &row, lock, id); err != nil {
			return err
		}
		after = row.subscriber()
		return nil
	})
	return after, err
}

// PatchSubscriber changes name and employers. Other employers begin the consumer anew, with a snapshot.
// mirror.ErrNotFound, mirror.ErrRevoked, mirror.UnknownConnections.
func (g Gateway) PatchSubscriber(ctx context.Context, id string, p mirror.SubscriberPatch) (mirror.Subscriber, error) {
	return g.db.changeSubscriber(ctx, "changing a subscriber", id, func(tx *sqlx.Tx, _ mirror.Subscriber) error {
		if p.Name != nil {
			if err := mustAffect(1)(tx.ExecContext(ctx, `UPDATE subscribers SET name = $2 WHERE id = $1`, id, *p.Name)); err != nil {
				return err
			}
		}
		if p.Employers == nil {
			return nil
		}
		if err := checkConnections(ctx, tx, *p.Employers); err != nil {
			return err
		}
		_, err := affected(tx.ExecContext(ctx, `
			UPDATE subscribers
			SET employers = $2, replay = replay + 1, start_kind = 'snapshot', start_time = NULL, start_seq = NULL, made_at = NULL
			WHERE id = $1 AND employers IS DISTINCT FROM CAST($2 AS text[])`, id, employersParam(*p.Employers)))
		return err
	})
}

// RotateSubscriber begins the next generation, with the SHA-256 of its password. Its consumer begins where the last one's
// acknowledgements ended; one that was not made yet begins where that was to begin. mirror.ErrNotFound, mirror.ErrRevoked.
func (g Gateway) RotateSubscriber(ctx context.Context, id string, hash []byte) (mirror.Subscriber, error) {
	return g.db.changeSubscriber(ctx, "rotating a subscriber's password", id, func(tx *sqlx.Tx, before mirror.Subscriber) error {
		start := mirror.Start{Kind: mirror.StartPrevious}
		if before.MadeAt == nil {
			start = before.Start
		}
		kind, at, seq := startValues(start)
		return mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE subscribers
			SET generation = generation + 1, password_hash = $2, start_kind = $3, start_time = $4, start_seq = $5,
				made_at = NULL, rotated_at = clock_timestamp()
			WHERE id = $1`, id, hash, kind, at, seq))
	})
}

// ReplaySubscriber has the consumer begin anew. mirror.ErrNotFound, mirror.ErrRevoked.
func (g Gateway) ReplaySubscriber(ctx context.Context, id string, start mirror.Start) (mirror.Subscriber, error) {
	return g.db.changeSubscriber(ctx, "replaying to a subscriber", id, func(tx *sqlx.Tx, _ mirror.Subscriber) error {
		kind, at, seq := startValues(start)
		return mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE subscribers
			SET replay = replay + 1, start_kind = $2, start_time = $3, start_seq = $4, made_at = NULL
			WHERE id = $1`, id, kind, at, seq))
	})
}

// ReplayAll has the consumers of all subscribers that are not revoked begin anew with a snapshot, each with a number of
// replays above its own and above the one given, and returns how many they are.
func (n Notifier) ReplayAll(ctx context.Context, above int) (changed int, err error) {
	err = n.db.inTx(ctx, "replaying to all subscribers", func(tx *sqlx.Tx) error {
		var err error
		changed, err = affected(tx.ExecContext(ctx, `
			UPDATE subscribers
			SET replay = GREATEST(replay, $1) + 1, start_kind = $2, start_time = NULL, start_seq = NULL, made_at = NULL
			WHERE revoked_at IS NULL`, above, mirror.StartSnapshot))
		return err
	})
	return changed, err
}

// RevokeSubscriber shuts a subscriber out for good. mirror.ErrNotFound, mirror.ErrRevoked.
func (g Gateway) RevokeSubscriber(ctx context.Context, id string) (mirror.Subscriber, error) {
	return g.db.changeSubscriber(ctx, "revoking a subscriber", id, func(tx *sqlx.Tx, _ mirror.Subscriber) error {
		return mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE subscribers SET revoked_at = clock_timestamp(), made_at = NULL WHERE id = $1`, id))
	})
}

// Credential returns the SHA-256 of the password with which one generation of a subscriber logs in. mirror.ErrNotFound for
// any but the present one of a subscriber that is not revoked.
func (g Gateway) Credential(ctx context.Context, id string, generation int) ([]byte, error) {
	var hash []byte
	err := g.db.x.GetContext(ctx, &hash, `
		SELECT password_hash FROM subscribers WHERE id = $1 AND generation = $2 AND revoked_at IS NULL`, id, generation)
	return hash, wrap(ctx, "reading a subscriber's password", err)
}

// SubscriberMade notes that the consumer is there as s says, unless s is not the present state any more, which is returned.
// mirror.ErrNotFound.
func (g Gateway) SubscriberMade(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	return g.db.subscriberMade(ctx, s)
}

// SubscriberMade notes that the consumer is there as s says, unless s is not the present state any more, which is returned.
// mirror.ErrNotFound.
func (n Notifier) SubscriberMade(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	return n.db.subscriberMade(ctx, s)
}

func (d *DB) subscriberMade(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	kind, at, seq := startValues(s.Start)
	if _, err := affected(d.x.ExecContext(ctx, `
		UPDATE subscribers
		SET made_at = clock_timestamp()
		WHERE id = $1 AND generation = $2 AND replay = $3 AND start_kind = $4 AND start_time IS NOT DISTINCT FROM $5
			AND start_seq IS NOT DISTINCT FROM $6 AND revoked_at IS NULL AND made_at IS NULL`,
		s.ID, s.Generation, s.Replay, kind, at, seq)); err != nil {
		return mirror.Subscriber{}, wrap(ctx, "noting that a consumer was made", err)
	}
	return d.subscriber(ctx, s.ID)
}

// SubscriberLost notes that the consumer of s is gone, so that it is made again with a snapshot under the same replay
// number, unless s is not the present state any more. The present state is returned. mirror.ErrNotFound, mirror.ErrRevoked.
func (g Gateway) SubscriberLost(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	return g.db.subscriberLost(ctx, s)
}

// SubscriberLost notes that the consumer of s is gone, so that it is made again with a snapshot under the same replay
// number, unless s is not the present state any more. The present state is returned. mirror.ErrNotFound, mirror.ErrRevoked.
func (n Notifier) SubscriberLost(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	return n.db.subscriberLost(ctx, s)
}

func (d *DB) subscriberLost(ctx context.Context, s mirror.Subscriber) (mirror.Subscriber, error) {
	return d.changeSubscriber(ctx, "noting that a consumer is lost", s.ID, func(tx *sqlx.Tx, present mirror.Subscriber) error {
		if !present.SameState(s) {
			return nil // another process noted it before, and may have made it already
		}
		return mustAffect(1)(tx.ExecContext(ctx, `
			UPDATE subscribers
			SET start_kind = 'snapshot', start_time = NULL, start_seq = NULL, made_at = NULL
			WHERE id = $1`, s.ID))
	})
}
