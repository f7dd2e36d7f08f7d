package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// auditTime bounds how long the end of an act is written down, which delays its answer.
const auditTime = 2 * time.Second

// targetShape is what the ids in paths look like. What looks otherwise names nothing that there is, and may be a secret
// that was put there by mistake: it is not written down.
var targetShape = regexp.MustCompile(`^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:tok|sub|feed)_[0-9a-f]{32}|ep_[a-z0-9]{26})$`)

// audited runs a handler between the two times that its act is written down. An act that cannot be written down before it
// is done is not done. What goes wrong after it is logged: the act then stays "started" in the audit log.
func (g *Gateway) audited(ctx context.Context, c *fiber.Ctx, r route) (err error) {
	if !isAudited(c, r) {
		return r.handler(c)
	}
	id, err := g.opts.Audit.BeginAct(ctx, actOf(c, r))
	if err != nil {
		return errUnavailable.because(fmt.Errorf("the act was not done: %w", err))
	}
	status := http.StatusInternalServerError // where the handler panics
	defer func() { g.finishAct(ctx, c, id, status) }()
	err = r.handler(c)
	status = c.Response().StatusCode()
	if err != nil {
		status = problemOf(err).Status
	}
	return err
}

// isAudited says whether a call is an act: whatever may change something, and a look at records of modules that employers
// are asked for, which are personal.
func isAudited(c *fiber.Ctx, r route) bool {
	if r.method != http.MethodGet {
		return r.access.needsToken()
	}
	if kind := c.Params("kind"); r.access.needsToken() && kind != "" {
		row, ok := ashby.ResourceOf(ashby.Kind(kind))
		return ok && (row.Personal || !row.In([]string{defaultModule}))
	}
	return false
}

// actOf is the act that a call asks for. It holds nothing of what was sent but ids.
func actOf(c *fiber.Ctx, r route) mirror.Act {
	x := exchangeOf(c)
	a := mirror.Act{
		Actor: x.caller.actor, Role: x.caller.role, Action: r.action, RequestID: x.id, Remote: x.remote.String(),
	}
	if id := c.Params("id"); targetShape.MatchString(id) {
		a.Target = strings.Clone(id)
	}
	if strings.HasPrefix(r.path, "/v1/connections/") {
		a.Connection = a.Target
	}
	if kind, ok := ashby.ResourceOf(ashby.Kind(c.Params("kind"))); ok {
		if id := c.Query("connection"); targetShape.MatchString(id) {
			a.Connection = strings.Clone(id)
		}
		x.detail.Kind = string(kind.Kind)
		a.Detail = map[string]any{"kind": x.detail.Kind}
	}
	if r.action == actUpdateConnection {
		a.Action = connectionAct(c.BodyRaw())
	}
	return a
}

const actUpdateConnection = "connection.update"

// connectionAct is what a PATCH of a connection comes to: the change that matters most gives it its name.
func connectionAct(body []byte) string {
	var b patchBody
	if json.Unmarshal(body, &b) != nil {
		return actUpdateConnection
	}
	switch {
	case b.APIKey != nil:
		return "connection.rotate_key"
	case b.RotateWebhookSecret != nil && *b.RotateWebhookSecret:
		return "connection.rotate_webhook_secret"
	case b.Paused != nil && *b.Paused:
		return "connection.pause"
	case b.Paused != nil:
		return "connection.resume"
	}
	return actUpdateConnection
}

// finishAct writes down what became of an act, also where the request's own time is over.
func (g *Gateway) finishAct(ctx context.Context, c *fiber.Ctx, id int64, status int) {
	x := exchangeOf(c)
	end := mirror.ActEnd{Outcome: outcomeOf(status), Status: status, Target: x.target}
	if targetShape.MatchString(x.connection) {
		end.Connection = x.connection
	}
	var err error
	if end.Detail, err = x.detail.named(); err != nil {
		g.log.ErrorContext(ctx, "the detail of an act was not written down", "audit_id", id, "error", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	if err := g.opts.Audit.FinishAct(ctx, id, end); err != nil {
		g.log.ErrorContext(ctx, "the end of an act was not written down", "audit_id", id, "request_id", x.id,
			"status", status, "error", err)
	}
}

func outcomeOf(status int) mirror.ActOutcome {
	switch {
	case status >= http.StatusInternalServerError:
		return mirror.ActFailed
	case status >= http.StatusBadRequest:
		return mirror.ActRefused
	}
	return mirror.ActDone
}

// auditRefusal writes down that a caller of the wrong role was refused. The refusal stands also where that fails.
func (g *Gateway) auditRefusal(ctx context.Context, c *fiber.Ctx, r route) {
	id, err := g.opts.Audit.BeginAct(ctx, actOf(c, r))
	if err != nil {
		g.log.ErrorContext(ctx, "a refused act was not written down", "request_id", exchangeOf(c).id, "error", err)
		return
	}
	g.finishAct(ctx, c, id, http.StatusForbidden)
}

// auditEntryJSON is an entry of the audit log as the API shows it.
type auditEntryJSON struct {
	ID         string            `json:"id"`
	At         time.Time         `json:"at"`
	Actor      actorJSON         `json:"actor"`
	Role       mirror.Role       `json:"role"`
	Action     string            `json:"action"`
	Target     string            `json:"target"`
	Connection string            `json:"connection"`
	Outcome    mirror.ActOutcome `json:"outcome"`
	Status     *int              `json:"status"`
	FinishedAt *time.Time        `json:"finished_at"`
	RequestID  string            `json:"request_id"`
	Remote     string            `json:"remote"`
	Detail     map[string]any    `json:"detail"`
}

type actorJSON struct {
	Kind mirror.ActorKind `json:"kind"`
	ID   string           `json:"id"`
	Name string           `json:"name"`
}

type auditJSON struct {
	Entries []auditEntryJSON `json:"entries"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

// auditPosition is a mirror.AuditCursor as the cursor carries it.
type auditPosition struct {
	At time.Time `json:"a"`
	ID int64     `json:"i"`
}

// actionFilter is what an action, or what actions are done to, looks like.
var actionFilter = regexp.MustCompile(`^[a-z_]{1,40}(?:\.[a-z_]{1,40})?$`)

// listAudit returns entries of the audit log, the latest first.
func (g *Gateway) listAudit(c *fiber.Ctx) error {
	q := readQuery(c, "since", "until", "actor", "action", "connection", "cursor", "limit")
	query := mirror.AuditQuery{
		Since: q.time("since"), Until: q.time("until"), Actor: q.value("actor"), Action: q.value("action"),
		Connection: q.connection(), Limit: q.limit(),
	}
	if query.Action != "" && !actionFilter.MatchString(query.Action) {
		q.fault("action", "it must be an action such as connection.create, or what it is done to, such as connection")
	}
	if actor := query.Actor; actor != "" {
		q.text("actor", &actor)
	}
	var before auditPosition
	q.cursor(&before)
	query.Before = mirror.AuditCursor(before)
	if err := q.err(); err != nil {
		return err
	}
	entries, err := g.opts.Audit.AuditLog(c.UserContext(), query)
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	out := auditJSON{Entries: make([]auditEntryJSON, 0, len(entries))}
	for _, e := range entries {
		out.Entries = append(out.Entries, showAudit(e))
	}
	out.NextCursor = nextCursor(entries, query.Limit, func(last mirror.AuditEntry) any {
		return auditPosition{last.At.UTC(), last.ID}
	})
	return writeJSON(c, fiber.StatusOK, out)
}

func showAudit(e mirror.AuditEntry) auditEntryJSON {
	out := auditEntryJSON{
		ID: strconv.FormatInt(e.ID, 10), At: e.At.UTC(), Actor: actorJSON(e.Actor), Role: e.Role, Action: e.Action,
		Target: e.Target, Connection: e.Connection, Outcome: e.Outcome, Status: e.Status, FinishedAt: utc(e.FinishedAt),
		RequestID: e.RequestID, Remote: e.Remote, Detail: e.Detail,
	}
	if out.Detail == nil {
		out.Detail = map[string]any{}
	}
	return out
}
