package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Audit is the log of administrative acts.
type Audit struct{ db *DB }

// Audit returns the log of administrative acts, for commands that work on the database directly.
func (d *DB) Audit() Audit { return Audit{db: d} }

// Command writes down the act of a command, does its work, and writes down what became of it and the detail that work
// returned. Where it cannot be written down before, work is not called. The error is work's where it has one.
func (a Audit) Command(
	ctx context.Context, act mirror.Act, work func(ctx context.Context) (detail map[string]any, err error),
) error {
	act.Actor.Kind = mirror.ActorCommand
	id, err := a.Begin(ctx, act)
	if err != nil {
		return err
	}
	detail, workErr := work(ctx)
	end := mirror.ActEnd{Outcome: mirror.ActDone, Detail: detail}
	if workErr != nil {
		end.Outcome = mirror.ActFailed
	}
	// What was done is written down also where the command was told to stop.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.db.opts.StatementTimeout)
	defer cancel()
	err = a.Finish(ending, id, end)
	if workErr != nil {
		return workErr
	}
	return err
}

// Begin writes an act down before it is done, and returns the entry's id.
func (a Audit) Begin(ctx context.Context, act mirror.Act) (id int64, err error) {
	detail, err := auditDetail(act.Detail)
	if err != nil {
		return 0, err
	}
	err = a.db.x.GetContext(ctx, &id, `
		INSERT INTO audit_log (actor_kind, actor_id, actor_name, role, action, target, connection, request_id, remote, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		RETURNING id`,
		act.Actor.Kind, act.Actor.ID, act.Actor.Name, act.Role, act.Action, act.Target, act.Connection, act.RequestID,
		act.Remote, detail)
	return id, wrap(ctx, "writing down an act", err)
}

// Finish writes down what became of an act, once. mirror.ErrNotFound for one that is not begun, or finished already.
func (a Audit) Finish(ctx context.Context, id int64, end mirror.ActEnd) error {
	detail, err := auditDetail(end.Detail)
	if err != nil {
		return err
	}
	return wrap(ctx, "writing down the end of an act", mustFind(a.db.x.ExecContext(ctx, `
		UPDATE audit_log
		SET outcome = $2, status = NULLIF(CAST($3 AS integer), 0), finished_at = clock_timestamp(),
			target = CASE WHEN $4 = '' THEN target ELSE $4 END,
			connection = CASE WHEN $5 = '' THEN connection ELSE $5 END,
			detail = detail || CAST($6 AS jsonb)
		WHERE id = $1 AND outcome = 'started'`, id, end.Outcome, end.Status, end.Target, end.Connection, detail)))
}

// auditDetail is the detail as the table keeps it.
func auditDetail(detail map[string]any) (string, error) {
	if len(detail) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return "", fmt.Errorf("encoding the detail of an act: %w", err)
	}
	return string(text), nil
}

// BeginAct writes an act down before it is done, and returns the entry's id.
func (g Gateway) BeginAct(ctx context.Context, act mirror.Act) (int64, error) {
	return g.db.Audit().Begin(ctx, act)
}

// FinishAct writes down what became of an act, once. mirror.ErrNotFound for one that is not begun, or finished already.
func (g Gateway) FinishAct(ctx context.Context, id int64, end mirror.ActEnd) error {
	return g.db.Audit().Finish(ctx, id, end)
}

// auditRow is a row of audit_log.
type auditRow struct {
	ID         int64             `db:"id"`
	At         time.Time         `db:"at"`
	ActorKind  mirror.ActorKind  `db:"actor_kind"`
	ActorID    string            `db:"actor_id"`
	ActorName  string            `db:"actor_name"`
	Role       mirror.Role       `db:"role"`
	Action     string            `db:"action"`
	Target     string            `db:"target"`
	Connection string            `db:"connection"`
	Outcome    mirror.ActOutcome `db:"outcome"`
	Status     *int              `db:"status"`
	RequestID  string            `db:"request_id"`
	Remote     string            `db:"remote"`
	Detail     []byte            `db:"detail"`
	FinishedAt *time.Time        `db:"finished_at"`
}

func (r auditRow) entry() (mirror.AuditEntry, error) {
	e := mirror.AuditEntry{
		ID: r.ID, At: r.At.UTC(), Outcome: r.Outcome, Status: r.Status, FinishedAt: utc(r.FinishedAt),
		Act: mirror.Act{
			Actor: mirror.Actor{Kind: r.ActorKind, ID: r.ActorID, Name: r.ActorName}, Role: r.Role, Action: r.Action,
			Target: r.Target, Connection: r.Connection, RequestID: r.RequestID, Remote: r.Remote,
		},
	}
	if err := json.Unmarshal(r.Detail, &e.Detail); err != nil {
		return e, fmt.Errorf("decoding the detail of act %d: %w", r.ID, err)
	}
	return e, nil
}

// AuditLog returns entries of the audit log, the latest first.
func (g Gateway) AuditLog(ctx context.Context, q mirror.AuditQuery) ([]mirror.AuditEntry, error) {
	const doing = "reading the audit log"
	if err := checkLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var rows []auditRow
	if err := g.db.x.SelectContext(ctx, &rows, `
		SELECT id, at, actor_kind, actor_id, actor_name, role, action, target, connection, outcome, status, request_id, remote,
			detail, finished_at
		FROM audit_log
		WHERE (CAST($1 AS timestamptz) IS NULL OR at >= $1)
			AND (CAST($2 AS timestamptz) IS NULL OR at < $2)
			AND (CAST($3 AS text) = '' OR actor_id = $3 OR actor_name = $3)
			AND (CAST($4 AS text) = '' OR action = $4 OR starts_with(action, $4 || '.'))
			AND (CAST($5 AS text) = '' OR connection = $5)
			AND (CAST($6 AS timestamptz) IS NULL OR (at, id) < ($6, CAST($7 AS bigint)))
		ORDER BY at DESC, id DESC
		LIMIT $8`,
		known(q.Since), known(q.Until), q.Actor, q.Action, q.Connection, known(q.Before.At), q.Before.ID,
		q.Limit); err != nil {
		return nil, wrap(ctx, doing, err)
	}
	entries := make([]mirror.AuditEntry, 0, len(rows))
	for _, r := range rows {
		e, err := r.entry()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
