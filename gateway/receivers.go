package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	// secretOverlap is how long the secret before a rotation goes on to sign.
	secretOverlap = 24 * time.Hour
	mostReceived  = 10_000
)

// receiverID is what the ids of endpoints look like.
var receiverID = regexp.MustCompile(`^ep_[a-z0-9]{26}$`)

func newReceiverID() string { return "ep_" + strings.ToLower(rand.Text()) }

// idOfReceiver reads the id in the path.
func idOfReceiver(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if !receiverID.MatchString(id) {
		return "", errNotFound
	}
	return id, nil
}

// receiverBody is the body of POST and PATCH; of a PATCH, what is left out stays as it is.
type receiverBody struct {
	URL         *string         `json:"url"`
	Description *string         `json:"description"`
	Employers   json.RawMessage `json:"employers"`
}

// newReceiverBody is the body of POST /v1/endpoints.
type newReceiverBody struct {
	URL         *string         `json:"url"`
	Description *string         `json:"description"`
	Employers   json.RawMessage `json:"employers"`
	Secret      *string         `json:"secret"`
	Snapshot    bool            `json:"snapshot"`
}

// createReceiver stores an endpoint. With snapshot, every open job is sent to it at once.
func (g *Gateway) createReceiver(c *fiber.Ctx) error {
	var body newReceiverBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	now := g.opts.Now().UTC().Truncate(time.Microsecond)
	r := mirror.Receiver{
		ID: newReceiverID(), URL: f.address(body.URL, g.opts.AllowPrivateEndpoints), Description: f.note("description", body.Description),
		Employers: f.employers(body.Employers, mostReceived), Status: mirror.ReceiverActive, StatusSince: now, CreatedAt: now,
	}
	secret := f.signingSecret(body.Secret)
	if err := f.err(); err != nil {
		return err
	}
	var err error
	if r.Secret, err = g.opts.Seal.Seal(secret, r.ID, seal.KindEndpointSecret); err != nil {
		return fmt.Errorf("sealing a signing secret: %w", err)
	}
	ctx := c.UserContext()
	if err := g.opts.Receivers.CreateReceiver(ctx, r); err != nil {
		return fmt.Errorf("storing an endpoint: %w", err)
	}
	// The answer is made from what was stored, not read back: a failed read would lose the secret.
	out := g.showReceiver(mirror.ReceiverView{Receiver: r}, secret)
	if body.Snapshot {
		// A snapshot that fails must not lose the secret either; it can be asked for again.
		replayed, err := g.opts.Receivers.Replay(ctx, r.ID, mirror.Replay{Snapshot: true, OpenOnly: true})
		if err != nil {
			g.log.WarnContext(ctx, "snapshot for a new endpoint is not queued whole", "endpoint", r.ID, "error", err)
		} else {
			out.Replayed = showReplayed(replayed)
		}
	}
	g.opts.Bus.WakeWebhooks()
	exchangeOf(c).target = r.ID
	c.Location("/v1/endpoints/" + r.ID)
	return writeJSON(c, fiber.StatusCreated, out)
}

type receiversJSON struct {
	Endpoints []receiverJSON `json:"endpoints"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

func (g *Gateway) listReceivers(c *fiber.Ctx) error {
	q := readQuery(c, "cursor", "limit")
	var after string
	limit := q.limit()
	q.cursor(&after)
	if err := q.err(); err != nil {
		return err
	}
	views, err := g.opts.Receivers.Receivers(c.UserContext(), after, limit)
	if err != nil {
		return fmt.Errorf("listing endpoints: %w", err)
	}
	out := receiversJSON{Endpoints: make([]receiverJSON, 0, len(views))}
	for _, v := range views {
		out.Endpoints = append(out.Endpoints, g.showReceiver(v, ""))
	}
	out.NextCursor = nextCursor(views, limit, func(last mirror.ReceiverView) any { return last.ID })
	return writeJSON(c, fiber.StatusOK, out)
}

func (g *Gateway) showOneReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	return g.answerReceiver(c, id, nil)
}

// answerReceiver answers with an endpoint as it is now.
func (g *Gateway) answerReceiver(c *fiber.Ctx, id string, replayed *replayedJSON) error {
	v, err := g.opts.Receivers.Receiver(c.UserContext(), id)
	if err != nil {
		return fmt.Errorf("reading an endpoint: %w", err)
	}
	out := g.showReceiver(v, "")
	out.Replayed = replayed
	return writeJSON(c, fiber.StatusOK, out)
}

// patchReceiver changes address, description or employers. Another address begins with a clean slate.
func (g *Gateway) patchReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	var body receiverBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	var patch mirror.ReceiverPatch
	if body.URL != nil {
		address := f.address(body.URL, g.opts.AllowPrivateEndpoints)
		patch.URL = &address
	}
	if body.Description != nil {
		description := f.note("description", body.Description)
		patch.Description = &description
	}
	if body.Employers != nil {
		employers := f.employers(body.Employers, mostReceived)
		patch.Employers = &employers
	}
	if patch == (mirror.ReceiverPatch{}) {
		f.fault("", "name at least one field to change")
	}
	if err := f.err(); err != nil {
		return err
	}
	if err := g.opts.Receivers.PatchReceiver(c.UserContext(), id, patch); err != nil {
		return fmt.Errorf("changing an endpoint: %w", err)
	}
	g.opts.Bus.WakeWebhooks()
	return g.answerReceiver(c, id, nil)
}

// deleteReceiver forgets an endpoint and its secrets. Nothing more is sent to it, what waits included.
func (g *Gateway) deleteReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	if err := g.opts.Receivers.DeleteReceiver(c.UserContext(), id); err != nil {
		return fmt.Errorf("deleting an endpoint: %w", err)
	}
	g.opts.Bus.WakeWebhooks()
	return c.SendStatus(fiber.StatusNoContent)
}

// rotateBody is the body of a rotation; there may be none.
type rotateBody struct {
	Secret *string `json:"secret"`
}

// rotateReceiver gives an endpoint another secret. For a day webhooks are signed with both.
func (g *Gateway) rotateReceiver(c *fiber.Ctx) error {
	id, err := idOfReceiver(c)
	if err != nil {
		return err
	}
	var body rotateBody
	if err := readOptionalJSON(c, &body); err != nil {
		return err
	}
	var f form
	secret := f.signingSecret(body.Secret)
	if err := f.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	before, err := g.opts.Receivers.Receiver(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an endpoint: %w", err)
	}
	sealed, err := g.opts.Seal.Seal(secret, id, seal.KindEndpointSecret)
	if err != nil {
		return fmt.Errorf("sealing a signing secret: %w", err)
	}
	if err := g.opts.Receivers.RotateReceiver(ctx, id, sealed, secretOverlap); err != nil {
		return fmt.Errorf("rotating the secret of an endpoint: %w", err)
	}
	g.opts.Bus.WakeWebhooks()
	return writeJSON(c, fiber.StatusOK, g.showReceiver(g.rotated(ctx, before), secret))
}

// rotated reads the endpoint back. If that fails, the answer is made from what was there before, since an error would lose
// a secret that is stored already.
func (g *Gateway) rotated(ctx context.Context, before mirror.ReceiverView) mirror.ReceiverView {
	after, err := g.opts.Receivers.Receiver(ctx, before.ID)
	if err == nil {
		return after
	}
	g.log.WarnContext(ctx, "rotated endpoint could not be read back", "endpoint", before.ID, "error", err)
	until := g.opts.Now().Add(secretOverlap).UTC()
	before.PreviousUntil = &until
	return before
}

// address checks the address of an endpoint.
func (f *form) address(v *string, allowPrivate bool) string {
	if v == nil {
		f.fault("url", "it is required")
		return ""
	}
	address := strings.TrimSpace(*v)
	if wrong := courier.WrongURL(address, allowPrivate); wrong != "" {
		f.fault("url", wrong)
	}
	return address
}

// signingSecret checks a secret that was given, or makes one.
func (f *form) signingSecret(v *string) ashby.Secret {
	if v == nil {
		return courier.NewSecret()
	}
	secret := ashby.Secret(strings.TrimSpace(*v))
	if wrong := courier.WrongSecret(secret); wrong != "" {
		f.fault("secret", wrong)
	}
	return secret
}
