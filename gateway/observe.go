package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// exchange is what is known of one request and its answer, for the log, the metrics and the hint that follows. It
// lives as long as the request.
type exchange struct {
	id    string
	start time.Time
	// route is the method and pattern, never the path itself: a hook's path holds its token.
	route      string
	connection string
	// caller is who came with a token, or tried to, and remote from where. target is the id of what a request made, and
	// detail what else the audit log tells of it.
	caller caller
	remote netip.Addr
	target string
	detail actDetail
	// outcome says what became of a webhook.
	outcome outcome
	hint    *mirror.Hint
	// cancel ends the request's context. streams says that the answer is still being written when the handler has returned:
	// then its stream ends the context and reports the request, and cut is why it was not sent whole.
	cancel  context.CancelFunc
	streams bool
	cut     error
}

// takeOver makes the answer a stream: the request's context lasts until done is called.
func (x *exchange) takeOver() (done context.CancelFunc) {
	x.streams = true
	return x.cancel
}

// release ends the request's context unless a stream has taken it over.
func (x *exchange) release() {
	if !x.streams {
		x.cancel()
	}
}

type exchangeKey struct{}

// begin names the request.
func (g *Gateway) begin(c *fiber.Ctx) *exchange {
	x := &exchange{id: g.requestID.next(), start: g.opts.Now(), route: unmatched}
	c.Locals(exchangeKey{}, x)
	c.Set(fiber.HeaderXRequestID, x.id)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return x
}

// exchangeOf returns the request's exchange.
func exchangeOf(c *fiber.Ctx) *exchange {
	x, ok := c.Locals(exchangeKey{}).(*exchange)
	if !ok {
		return &exchange{route: unmatched}
	}
	return x
}

// unmatched is the route of requests that match none.
const unmatched = "unmatched"

// requestIDs makes ids that are unique among the processes and cheap.
type requestIDs struct {
	prefix string
	n      *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return requestIDs{prefix: hex.EncodeToString(b[:]) + "-", n: new(atomic.Uint64)}
}

func (r requestIDs) next() string { return r.prefix + strconv.FormatUint(r.n.Add(1), 36) }

// observe is the outermost handler: it names the request, turns errors and panics into problems, writes the one log
// event, and hands over the hint, which leaves after the answer.
func (g *Gateway) observe(c *fiber.Ctx) error {
	x := g.begin(c)
	if g.leaving.Load() {
		// Whoever keeps the connection open sends its next request elsewhere, and not to a listener that has just closed.
		c.Response().SetConnectionClose()
	}
	var p *problem
	if err := g.recovered(c); err != nil {
		p = writeProblem(c, err)
	}
	if !x.streams {
		g.finish(c, x, p)
	}
	if x.hint != nil {
		g.conns.hold(c.Context().Conn(), *x.hint)
	}
	return nil
}

// recovered runs the handlers and makes an error of a panic.
func (g *Gateway) recovered(c *fiber.Ctx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errInternal.because(fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}
	}()
	return c.Next()
}

// answered is an answer in figures: its status, and the bytes of the two bodies.
type answered struct{ status, in, out int }

func (g *Gateway) finish(c *fiber.Ctx, x *exchange, p *problem) {
	g.report(c.UserContext(), x, p, answered{c.Response().StatusCode(), len(c.Request().Body()), len(c.Response().Body())})
}

// kindOfRefusal is under which kind a refused request is summed up in the log; empty for one that has a line of its own.
// Those are summed up that need no right token: of them, anybody can send any number.
func kindOfRefusal(x *exchange, status int) string {
	isFault := status >= http.StatusInternalServerError
	switch {
	case status == http.StatusTooManyRequests:
		return "too many"
	case status < http.StatusBadRequest, x.caller.actor.ID != "", isFault && status != http.StatusServiceUnavailable:
		return ""
	case x.route == unmatched:
		return unmatched
	case x.outcome == "" && isFault:
		return "unavailable"
	case isFault: // a webhook that could not be stored is worth a line
		return ""
	case x.outcome != "":
		return string(x.outcome)
	}
	return "no token"
}

// report counts and logs the request. A webhook that went well is worth a line only when debugging: there may be
// thousands a second.
func (g *Gateway) report(ctx context.Context, x *exchange, p *problem, a answered) {
	status := a.status
	took := g.opts.Now().Sub(x.start)
	g.metrics.request(x.route, status, took)
	if x.outcome != "" {
		g.metrics.webhook(x.connection, x.outcome)
	}
	level := slog.LevelInfo
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case status == http.StatusServiceUnavailable, x.cut != nil:
		level = slog.LevelWarn
	case x.outcome != "" && status < http.StatusBadRequest:
		level = slog.LevelDebug
	}
	if !g.log.Enabled(ctx, level) {
		return
	}
	untold := 0
	if kind := kindOfRefusal(x, status); kind != "" {
		var is bool
		if untold, is = g.refused.tell(kind); !is {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.id), slog.String("route", x.route), slog.Int("status", status),
		slog.Duration("took", took), slog.Int("bytes_in", a.in), slog.Int("bytes_out", a.out),
	}
	if x.caller.actor.ID != "" {
		attrs = append(attrs, slog.String("caller", x.caller.actor.ID))
	}
	if x.connection != "" {
		attrs = append(attrs, slog.String("connection", x.connection))
	}
	if x.outcome != "" {
		attrs = append(attrs, slog.String("outcome", string(x.outcome)))
	}
	if x.cut != nil {
		attrs = append(attrs, slog.String("cut_short", x.cut.Error()))
	}
	if p != nil {
		attrs = append(attrs, slog.String("problem", p.Type))
		if p.cause != nil {
			attrs = append(attrs, slog.String("error", p.cause.Error()))
		}
	}
	if untold > 0 {
		attrs = append(attrs, slog.Int("not_logged_before", untold))
	}
	g.log.LogAttrs(ctx, level, "http request", attrs...)
}
