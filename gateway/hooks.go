package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// secretGrace is how long after a new secret a bad signature may be the new secret on its way through Ashby, or
	// the old one still: such a delivery is worth another try, and 401 would end it.
	secretGrace = 24 * time.Hour
	// unknownAction stands for the action of a body that does not tell.
	unknownAction = "unknown"
)

var (
	// actionShape is what the name of an action may be, wherever it comes from.
	actionShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)
	// everyAction are the webhook types of all modules: which of them a connection needs may change under its settings.
	everyAction = ashby.WebhookActions(ashby.Modules()...)
	// actionIDShape is what a webhookActionId may be; another one is replaced by a hash of the body.
	actionIDShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// webhook is one delivery as it came, copied out of Fiber's buffers.
type webhook struct {
	token, action string
	body          []byte
	signature     string
	parsed        ashby.Webhook
	parseErr      error
}

// hook takes a webhook of Ashby. Ashby takes 401, 403, 404, 405 and 410 as final, so those are given on the store's word
// alone; whatever is our fault is a 503, which Ashby tries again.
//
// https://developers.ashbyhq.com/docs/retries
func (g *Gateway) hook(c *fiber.Ctx) error {
	w := webhook{
		token:     strings.Clone(c.Params("token")),
		action:    strings.Clone(c.Params("action")),
		body:      bytes.Clone(c.BodyRaw()),
		signature: strings.Clone(c.Get(ashby.SignatureHeader)),
	}
	if err := g.takeHook(c.UserContext(), exchangeOf(c), w); err != nil {
		return err
	}
	return writeJSON(c, fiber.StatusOK, accepted{true})
}

type accepted struct {
	OK bool `json:"ok"`
}

// takeHook judges the webhook and stores it; nil means that 200 is the true answer.
func (g *Gateway) takeHook(ctx context.Context, x *exchange, w webhook) error {
	ep, err := g.endpoints.find(ctx, w.token)
	if err := g.refuseEndpoint(x, w, ep, err); err != nil {
		return err
	}
	x.connection = ep.Connection
	w.parsed, w.parseErr = ashby.ParseWebhook(w.body)
	isSigned := ashby.VerifySignature(w.body, w.signature, ep.secrets...)
	isPing := w.parseErr == nil && w.parsed.Ping
	if !isSigned && (!isPing || w.signature != "") {
		// The secret may have been changed through another process a moment ago.
		latest, err := g.endpoints.fresh(ctx, w.token)
		if err != nil && !errors.Is(err, mirror.ErrNotFound) && isPing {
			// A ping is answered 200 if it can be: after anything else Ashby leaves the setting disabled.
			latest, err = ep, nil
		}
		if err := g.refuseEndpoint(x, w, latest, err); err != nil {
			return err
		}
		ep = latest
		isSigned = ashby.VerifySignature(w.body, w.signature, ep.secrets...)
	}
	switch {
	case isPing:
		x.outcome = hookPing
		g.ping(ctx, ep, w, isSigned)
		return nil
	case !isSigned && g.opts.Now().Sub(ep.SecretChangedAt) < secretGrace:
		x.outcome = hookGrace
		return errUnavailable
	case !isSigned:
		x.outcome = hookBadSignature
		return errBadSignature
	}
	return g.store(ctx, x, w)
}

// refuseEndpoint answers for a token that leads nowhere. It computes a signature all the same, so that the time does
// not tell which tokens exist.
func (g *Gateway) refuseEndpoint(x *exchange, w webhook, ep *endpoint, err error) error {
	switch {
	case err == nil && !ep.Removed:
		return nil
	case err == nil:
		ashby.VerifySignature(w.body, w.signature)
		x.outcome, x.connection = hookRemoved, ep.Connection
		return errRemoved
	case errors.Is(err, mirror.ErrNotFound):
		ashby.VerifySignature(w.body, w.signature)
		x.outcome = hookUnknownToken
		return errNotFound
	default:
		x.outcome = hookUnavailable
		return errUnavailable.because(err)
	}
}

// ping ticks the set-up of an action. An unsigned ping does, since Ashby does not say that pings are signed; one that is
// signed with another secret does not, since every delivery after it would be refused.
func (g *Gateway) ping(ctx context.Context, ep *endpoint, w webhook, isSigned bool) {
	if w.signature != "" && !isSigned {
		return
	}
	for _, action := range []string{w.action, w.parsed.PingAction} {
		if slices.Contains(everyAction, action) {
			g.seen.ping(ctx, ep.Connection, action)
			return
		}
	}
}

// store commits a signed delivery, to the inbox or, while that takes nothing, to SPILL.
func (g *Gateway) store(ctx context.Context, x *exchange, w webhook) error {
	d := w.delivery(x.connection)
	err := g.ingest.put(ctx, d)
	switch {
	case err == nil:
		x.outcome = hookAccepted
	case errors.Is(err, errQueueFull):
		x.outcome = hookQueueFull
		return err
	default:
		if spillErr := g.spill.put(ctx, d); spillErr != nil {
			x.outcome = hookUnavailable
			return errUnavailable.because(errors.Join(err, spillErr))
		}
		x.outcome = hookSpilled
		return nil
	}
	switch {
	case d.Kind == "":
		x.outcome = hookUninteresting
	case d.Action == unknownAction:
		x.outcome = hookUnreadable
	}
	if d.Action != unknownAction {
		g.seen.delivery(d)
	}
	if d.Kind != "" {
		hint := d.Hint()
		x.hint = &hint
	}
	return nil
}

// delivery is what the inbox keeps of the webhook: ids alone. What the body does not tell leads to a poll.
func (w webhook) delivery(connection string) mirror.Delivery {
	d := mirror.Delivery{Connection: connection, Action: w.parsed.Action, Dedupe: w.parsed.ActionID}
	if !actionIDShape.MatchString(d.Dedupe) {
		sum := sha256.Sum256(w.body)
		d.Dedupe = "sha256:" + hex.EncodeToString(sum[:])
	}
	switch {
	case w.parseErr != nil || !actionShape.MatchString(d.Action):
		d.Action, d.Kind = unknownAction, mirror.HintPoll
	case !w.parsed.Known:
		// Nothing that is mirrored.
	case w.parsed.ObjectID == "" || w.parsed.Kind == "":
		d.Kind = mirror.HintPoll
	default:
		d.Kind, d.Object = mirror.HintKind(w.parsed.Kind), w.parsed.ObjectID
	}
	return d
}
