package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// patchBody is the body of PATCH /v1/connections/{id}; null and absent are the same.
type patchBody struct {
	EmployerName        *string  `json:"employer_name"`
	PollInterval        *string  `json:"poll_interval"`
	Modules             []string `json:"modules"`
	Paused              *bool    `json:"paused"`
	APIKey              *string  `json:"api_key"`
	RotateWebhookSecret *bool    `json:"rotate_webhook_secret"`
}

func (b patchBody) empty() bool {
	return b.EmployerName == nil && b.PollInterval == nil && b.Modules == nil && b.Paused == nil && b.APIKey == nil &&
		(b.RotateWebhookSecret == nil || !*b.RotateWebhookSecret)
}

// patchConnection changes a connection, in one transaction and only after everything was checked: a new key that does
// not suffice leaves the old one in place, so there is no gap.
func (g *Gateway) patchConnection(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	var body patchBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	patch, key, err := checkPatch(body, g.opts.Modules)
	if err != nil {
		return err
	}
	notePatch(detailOf(c), patch, body)
	ctx := c.UserContext()
	before, err := g.opts.Connections.View(ctx, id)
	if err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	if before.Status == mirror.StatusRemoved {
		return errRemoved
	}
	secret, err := g.completePatch(ctx, before.Connection, body, key, &patch)
	if err != nil {
		return err
	}
	if err := g.opts.Connections.Patch(ctx, id, patch); err != nil {
		return fmt.Errorf("changing connection: %w", err)
	}
	g.endpoints.forget(before.WebhookToken)
	if wantsPoll(before.Status, patch) {
		exchangeOf(c).hint = &mirror.Hint{Connection: id, Kind: mirror.HintPoll}
	}
	return writeJSON(c, fiber.StatusOK, g.show(g.patched(ctx, before, patch), secret))
}

// notePatch has the audit log tell what is changed, as far as it may.
func notePatch(d *actDetail, patch mirror.ConnectionPatch, body patchBody) {
	d.Paused = patch.Paused
	if patch.PollInterval != nil {
		d.PollInterval = patch.PollInterval.String()
	}
	if body.Modules != nil { // they are among those that there are
		d.Modules = tidyModules(body.Modules)
	}
}

// completePatch fills in what needs the store, Ashby or the keyset. It returns the new webhook secret where one was asked
// for.
func (g *Gateway) completePatch(
	ctx context.Context, conn mirror.Connection, body patchBody, key ashby.Secret, patch *mirror.ConnectionPatch,
) (ashby.Secret, error) {
	var err error
	modules := conn.Modules
	if body.Modules != nil && !slices.Equal(tidyModules(body.Modules), tidyModules(conn.Modules)) {
		patch.Modules = tidyModules(body.Modules)
		modules = patch.Modules
	}
	if key != "" {
		if patch.Key, err = g.replaceKey(ctx, conn.ID, key, modules); err != nil {
			return "", err
		}
	}
	if patch.Modules != nil {
		if err := g.replaceModules(ctx, conn, patch); err != nil {
			return "", err
		}
	}
	if body.RotateWebhookSecret == nil || !*body.RotateWebhookSecret {
		return "", nil
	}
	secret := newWebhookSecret()
	if patch.WebhookSecret, err = g.opts.Seal.Seal(secret, conn.ID, seal.KindWebhookSecret); err != nil {
		return "", fmt.Errorf("sealing the webhook secret: %w", err)
	}
	return secret, nil
}

// wantsPoll says that a patch is worth a poll at once: a new key, other modules, a resumption, and a new name, which every
// public job carries. A paused connection is not polled; resuming makes up for it.
func wantsPoll(status mirror.Status, p mirror.ConnectionPatch) bool {
	paused := status == mirror.StatusPaused
	if p.Paused != nil {
		paused = *p.Paused
	}
	return !paused && (p.Key != nil || p.Modules != nil || p.EmployerName != nil || p.Paused != nil)
}

// checkPatch reads the fields that need no store.
func checkPatch(body patchBody, allowed []string) (mirror.ConnectionPatch, ashby.Secret, error) {
	var f form
	var patch mirror.ConnectionPatch
	var key ashby.Secret
	if body.empty() {
		f.fault("", "name at least one field to change")
	}
	if body.EmployerName != nil {
		name := f.text("employer_name", body.EmployerName)
		patch.EmployerName = &name
	}
	if body.PollInterval != nil {
		d := f.interval("poll_interval", *body.PollInterval)
		patch.PollInterval = &d
	}
	if body.APIKey != nil {
		key = f.key(body.APIKey)
	}
	patch.Paused = body.Paused
	if err := f.err(); err != nil || body.Modules == nil {
		return patch, key, err
	}
	return patch, key, checkModules(body.Modules, allowed)
}

// replaceKey checks a new key as a registration would, and that it is of the same Ashby organization: the mirrored
// postings of one employer must not be taken for closed, nor those of another one shown as its own.
func (g *Gateway) replaceKey(
	ctx context.Context, id string, key ashby.Secret, modules []string,
) (*mirror.KeyPatch, error) {
	fingerprint := g.opts.Seal.Fingerprint(key)
	if err := g.refuseKnownKey(ctx, fingerprint, id); err != nil {
		return nil, err
	}
	report, postings, err := g.probe(ctx, key, modules)
	if err != nil {
		return nil, err
	}
	// A key that lists nothing at all proves nothing either: it may be of an empty organization.
	mirrored, known, err := g.opts.Connections.KnownPostings(ctx, id, postings)
	if err != nil {
		return nil, fmt.Errorf("comparing postings: %w", err)
	}
	if mirrored > 0 && known == 0 {
		return nil, errOtherOrganization
	}
	sealed, err := g.opts.Seal.Seal(key, id, seal.KindAPIKey)
	if err != nil {
		return nil, fmt.Errorf("sealing the API key: %w", err)
	}
	return &mirror.KeyPatch{Sealed: sealed, Fingerprint: fingerprint, Last4: last4(key), Report: report}, nil
}

// patched reads the connection back. If that fails, the answer is made from what was sent, since an error would lose a
// new secret that is stored already.
func (g *Gateway) patched(ctx context.Context, before mirror.View, p mirror.ConnectionPatch) mirror.View {
	after, err := g.opts.Connections.View(ctx, before.ID)
	if err == nil {
		return after
	}
	g.log.WarnContext(ctx, "changed connection could not be read back", "connection", before.ID, "error", err)
	if p.EmployerName != nil {
		before.EmployerName = *p.EmployerName
	}
	if p.PollInterval != nil {
		before.PollInterval = *p.PollInterval
	}
	if p.Paused != nil {
		before.Status = mirror.StatusActive
		if *p.Paused {
			before.Status = mirror.StatusPaused
		}
		before.StatusSince = g.opts.Now().UTC().Truncate(time.Microsecond)
	}
	if p.Modules != nil {
		before.Modules = p.Modules
	}
	if p.Report != nil {
		before.Report = *p.Report
	}
	if p.Key != nil {
		before.KeyLast4, before.Report = p.Key.Last4, p.Key.Report
	}
	return before
}
