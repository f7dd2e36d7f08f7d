package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// heldRow is a hold as people look at it.
type heldRow struct {
	holdRow
	Connection   string     `db:"connection_id"`
	EmployerRef  string     `db:"employer_ref"`
	EmployerName string     `db:"employer_name"`
	Outcome      string     `db:"outcome"`
	Note         string     `db:"note"`
	OpenedAt     time.Time  `db:"opened_at"`
	DecidedAt    *time.Time `db:"decided_at"`
	EndedAt      *time.Time `db:"ended_at"`
}

// Holds returns holds, the latest first, at most q.Limit.
func (g Gateway) Holds(ctx context.Context, q mirror.HoldQuery) ([]mirror.HeldView, error) {
	const doing = "reading holds"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []heldRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT h.id, h.state, h.posting_ids, h.public_count, h.reason, h.created_at, h.connection_id, c.employer_ref,
			c.employer_name, h.outcome, h.note, h.opened_at, h.decided_at, h.ended_at
		FROM holds h
		JOIN connections c ON c.id = h.connection_id
		WHERE (CAST($1 AS text) = '' OR h.connection_id = $1)
			AND ($2 OR h.state <> 'ended')
			AND (CAST($3 AS timestamptz) IS NULL OR (h.opened_at, h.id) < ($3, $4))
		ORDER BY h.opened_at DESC, h.id DESC
		LIMIT $5`, q.Connection, q.Ended, known(q.Before.OpenedAt), q.Before.ID, q.Limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	views, err := heldViews(ctx, g.db.x, rows)
	return views, wrap(ctx, doing, err)
}

// heldBy returns a hold by its id.
func heldBy(ctx context.Context, q sqlx.QueryerContext, id string) (mirror.HeldView, error) {
	var row heldRow
	if err := sqlx.GetContext(ctx, q, &row, `
		SELECT h.id, h.state, h.posting_ids, h.public_count, h.reason, h.created_at, h.connection_id, c.employer_ref,
			c.employer_name, h.outcome, h.note, h.opened_at, h.decided_at, h.ended_at
		FROM holds h
		JOIN connections c ON c.id = h.connection_id
		WHERE h.id = $1`, id); err != nil {
		return mirror.HeldView{}, err
	}
	views, err := heldViews(ctx, q, []heldRow{row})
	if err != nil {
		return mirror.HeldView{}, err
	}
	return views[0], nil
}

// heldViews adds the titles of the held postings that are still public, and the decisions.
func heldViews(ctx context.Context, q sqlx.QueryerContext, rows []heldRow) ([]mirror.HeldView, error) {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	var titles []struct {
		Hold    string `db:"hold"`
		Posting string `db:"posting_id"`
		Title   string `db:"title"`
	}
	if err := sqlx.SelectContext(ctx, q, &titles, `
		SELECT h.id AS hold, l.posting_id, COALESCE(l.job ->> 'title', '') AS title
		FROM holds h
		JOIN listings l ON l.connection_id = h.connection_id AND l.posting_id = ANY(h.posting_ids) AND l.state = 'open'
		WHERE h.id = ANY($1)`, textArray(ids)); err != nil {
		return nil, err
	}
	jobs := map[string]map[string]string{}
	for _, t := range titles {
		if jobs[t.Hold] == nil {
			jobs[t.Hold] = map[string]string{}
		}
		jobs[t.Hold][t.Posting] = t.Title
	}
	decisions, err := decisionsOn(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	views := make([]mirror.HeldView, 0, len(rows))
	for _, r := range rows {
		views = append(views, mirror.HeldView{
			Hold: r.hold(), Connection: r.Connection, EmployerRef: r.EmployerRef, EmployerName: r.EmployerName,
			Jobs: jobs[r.ID], Outcome: r.Outcome, Note: r.Note, OpenedAt: r.OpenedAt.UTC(),
			Decisions: decisions[r.ID], DecidedAt: utc(r.DecidedAt), EndedAt: utc(r.EndedAt),
		})
	}
	return views, nil
}

// decisionsOn are those on each of the holds, the first one first.
func decisionsOn(ctx context.Context, q sqlx.QueryerContext, holds []string) (map[string][]mirror.HoldDecision, error) {
	var rows []struct {
		Hold     string    `db:"hold_id"`
		Decision string    `db:"decision"`
		Note     string    `db:"note"`
		By       string    `db:"decided_by"`
		At       time.Time `db:"decided_at"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `
		SELECT hold_id, decision, note, decided_by, decided_at
		FROM hold_decisions
		WHERE hold_id = ANY($1)
		ORDER BY id`, textArray(holds)); err != nil {
		return nil, err
	}
	of := map[string][]mirror.HoldDecision{}
	for _, r := range rows {
		of[r.Hold] = append(of[r.Hold], mirror.HoldDecision{State: r.Decision, Note: r.Note, By: r.By, At: r.At.UTC()})
	}
	return of, nil
}

// DecideHold notes what a person decided on a hold, now, beside what was decided before, and makes a poll due, which is
// what acts on it. It returns the hold as it is then, read before the commit, so that no failure to read it comes after a
// decision. mirror.ErrNotFound, mirror.ErrEnded.
func (g Gateway) DecideHold(ctx context.Context, id string, what mirror.HoldDecision) (view mirror.HeldView, err error) {
	const doing = "deciding on a hold"
	if what.State != mirror.HoldApproved && what.State != mirror.HoldRejected {
		return view, fmt.Errorf("%s: %q is no decision", doing, what.State)
	}
	err = g.db.inTx(ctx, doing, func(tx *sqlx.Tx) error {
		var row struct {
			Connection string `db:"connection_id"`
			State      string `db:"state"`
		}
		if err := tx.GetContext(ctx, &row, `
			SELECT connection_id, state FROM holds WHERE id = $1 FOR UPDATE`, id); err != nil {
			return err
		}
		if row.State == mirror.HoldEnded {
			return mirror.ErrEnded
		}
		if err := mustAffect(1)(tx.ExecContext(ctx, `
			WITH decided AS (
				UPDATE holds
				SET state = $2, note = $3, decided_at = clock_timestamp()
				WHERE id = $1
				RETURNING id, state, note, decided_at
			)
			INSERT INTO hold_decisions (hold_id, decision, note, decided_by, decided_at)
			SELECT id, state, note, $4, decided_at FROM decided`, id, what.State, what.Note, what.By)); err != nil {
			return err
		}
		if err := makeDue(ctx, tx, row.Connection); err != nil {
			return err
		}
		view, err = heldBy(ctx, tx, id)
		return err
	})
	return view, err
}
