package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// setUpBody is the body of POST /v1/connections/{id}/webhooks; there may be none.
type setUpBody struct {
	// APIKey is used for the request and forgotten.
	APIKey *string `json:"api_key"`
}

type settledListJSON struct {
	Connection string        `json:"connection"`
	Webhooks   []settledJSON `json:"webhooks"`
}

// settledJSON is what became of the setting of one event type.
type settledJSON struct {
	EventType string        `json:"event_type"`
	Action    settledAction `json:"action"`
	// Enabled is nil where unknown.
	Enabled   *bool  `json:"enabled"`
	SettingID string `json:"setting_id"`
	// Problem is a sentence on what keeps the setting from working; empty where nothing does.
	Problem string `json:"problem"`
}

// settledAction says in a word what was done for an event type.
type settledAction string

const (
	settledCreated  settledAction = "created"
	settledChecked  settledAction = "checked"
	settledRepaired settledAction = "repaired"
	settledExists   settledAction = "exists" // made by hand, so that its id is not known
	settledFailed   settledAction = "failed"
)

// setUpWebhooks makes, checks and repairs the connection's webhook settings through Ashby's API. It may be repeated at
// any time, and what it got done stays done when it breaks off.
func (g *Gateway) setUpWebhooks(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	var body setUpBody
	if err := readOptionalJSON(c, &body); err != nil {
		return err
	}
	var f form
	var key ashby.Secret
	if body.APIKey != nil {
		key = f.key(body.APIKey)
	}
	if err := f.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	v, err := g.opts.Connections.View(ctx, id)
	if err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	if v.Status == mirror.StatusRemoved {
		return errRemoved
	}
	unlock, err := g.setups.lock(ctx, id)
	if err != nil {
		return errBusy.because(err)
	}
	defer unlock()
	s, err := g.newSettler(ctx, v, key)
	if err != nil {
		return err
	}
	settled, err := s.settleAll(ctx, ashby.WebhookActions(v.Modules...))
	if errors.Is(err, ashby.ErrMissingPermission) {
		return g.guideByHand(v).because(err)
	}
	if err != nil {
		return err
	}
	return writeJSON(c, fiber.StatusOK, settledListJSON{id, settled})
}

// guideByHand is errWebhooksForbidden with the steps that do without the permission.
func (g *Gateway) guideByHand(v mirror.View) *problem {
	p := *errWebhooksForbidden
	p.Steps = append([]string{
		"GET /v1/connections/" + v.ID + " lists the types and their addresses under webhook_setup.",
	}, g.webhookSetup(v, "").Steps...)
	return &p
}

// newSettler collects what a settler needs; key is empty where the connection's own is to be used.
func (g *Gateway) newSettler(ctx context.Context, v mirror.View, key ashby.Secret) (*settler, error) {
	var err error
	if key == "" {
		key, err = g.ownKey(ctx, v.ID)
	} else {
		err = g.refuseForeignKey(ctx, v.ID, key)
	}
	if err != nil {
		return nil, err
	}
	admin, err := g.opts.Webhooks(key)
	if err != nil {
		return nil, fmt.Errorf("making an Ashby client: %w", err)
	}
	ep, err := g.endpoints.fresh(ctx, v.WebhookToken)
	if err != nil {
		return nil, fmt.Errorf("reading the webhook secret: %w", err)
	}
	if ep.Removed || len(ep.secrets) == 0 {
		return nil, errRemoved
	}
	stored, err := g.opts.Settings.SettingsOf(ctx, v.ID)
	if err != nil {
		return nil, fmt.Errorf("reading webhook settings: %w", err)
	}
	s := &settler{
		admin: admin, settings: g.opts.Settings, connection: v.ID, secret: ep.secrets[0],
		secretChangedAt: ep.SecretChangedAt, stored: stored, now: g.opts.Now, log: g.log, token: v.WebhookToken,
		url: func(eventType string) string { return g.hookURL(v.WebhookToken, eventType) },
	}
	return s, nil
}

// refuseForeignKey refuses a one-time key of another organization as far as that can be told: its webhooks must not come
// here. A key that may not list postings shows nothing of where it belongs.
func (g *Gateway) refuseForeignKey(ctx context.Context, id string, key ashby.Secret) error {
	if err := g.refuseKnownKey(ctx, g.opts.Seal.Fingerprint(key), id); err != nil {
		return err
	}
	_, postings, err := g.opts.Probe.Probe(ctx, key, []string{defaultModule})
	if err != nil {
		return fmt.Errorf("probing the one-time key: %w", err)
	}
	if len(postings) == 0 {
		return nil
	}
	mirrored, known, err := g.opts.Connections.KnownPostings(ctx, id, postings)
	if err != nil {
		return fmt.Errorf("comparing postings: %w", err)
	}
	if mirrored > 0 && known == 0 {
		return errOtherOrganization
	}
	return nil
}

// settingOf is what is stored of an event type's setting.
func settingOf(stored []mirror.WebhookSeen, eventType string) mirror.WebhookSeen {
	i := slices.IndexFunc(stored, func(s mirror.WebhookSeen) bool { return s.Action == eventType })
	if i < 0 {
		return mirror.WebhookSeen{Action: eventType}
	}
	return stored[i]
}
