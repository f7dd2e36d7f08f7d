package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// registration is the body of POST /v1/connections.
type registration struct {
	EmployerRef  *string  `json:"employer_ref"`
	EmployerName *string  `json:"employer_name"`
	APIKey       *string  `json:"api_key"`
	Modules      []string `json:"modules"`
	PollInterval *string  `json:"poll_interval"`
}

// createConnection probes the key and, if it suffices, stores the connection and asks for its first sync.
func (g *Gateway) createConnection(c *fiber.Ctx) error {
	var body registration
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	conn := mirror.Connection{
		EmployerRef:  f.text("employer_ref", body.EmployerRef),
		EmployerName: f.text("employer_name", body.EmployerName),
		Modules:      f.modules("modules", body.Modules, g.opts.Modules),
		PollInterval: g.opts.DefaultPollInterval,
		Status:       mirror.StatusActive,
	}
	key := f.key(body.APIKey)
	if body.PollInterval != nil {
		conn.PollInterval = f.interval("poll_interval", *body.PollInterval)
	}
	if err := f.err(); err != nil {
		return err
	}
	detailOf(c).Modules, detailOf(c).PollInterval = conn.Modules, conn.PollInterval.String()
	ctx := c.UserContext()
	fingerprint := g.opts.Seal.Fingerprint(key)
	if err := g.refuseKnownKey(ctx, fingerprint, ""); err != nil {
		return err
	}
	report, _, err := g.probe(ctx, key, conn.Modules)
	if err != nil {
		return err
	}
	conn.Report, conn.KeyLast4 = report, last4(key)
	created, secret, err := g.seal(conn, key, fingerprint)
	if err != nil {
		return err
	}
	exchangeOf(c).connection = created.ID
	if err := g.opts.Connections.Create(ctx, created); err != nil {
		return fmt.Errorf("storing connection: %w", err)
	}
	exchangeOf(c).target = created.ID
	exchangeOf(c).hint = &mirror.Hint{Connection: created.ID, Kind: mirror.HintAll}
	c.Location("/v1/connections/" + created.ID)
	// The answer is made from what was stored, not read back: a failed read would lose the secret.
	v := mirror.View{Connection: created.Connection, Sync: mirror.SyncState{NextPollAt: created.CreatedAt}}
	return writeJSON(c, fiber.StatusCreated, g.show(v, secret))
}

// seal completes a new connection: its id, its webhook address, and its secrets, sealed. It returns the webhook secret,
// which is shown once.
func (g *Gateway) seal(
	conn mirror.Connection, key ashby.Secret, fingerprint []byte,
) (mirror.NewConnection, ashby.Secret, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return mirror.NewConnection{}, "", fmt.Errorf("making an id: %w", err)
	}
	// As precise as the store keeps it, so that this answer and a later one say the same.
	now := g.opts.Now().UTC().Truncate(time.Microsecond)
	conn.ID, conn.Part, conn.WebhookToken = id.String(), mirror.Part(id.String()), newToken()
	conn.CreatedAt, conn.StatusSince = now, now
	out := mirror.NewConnection{Connection: conn, KeyFingerprint: fingerprint}
	if out.Key, err = g.opts.Seal.Seal(key, conn.ID, seal.KindAPIKey); err != nil {
		return out, "", fmt.Errorf("sealing the API key: %w", err)
	}
	secret := newWebhookSecret()
	if out.WebhookSecret, err = g.opts.Seal.Seal(secret, conn.ID, seal.KindWebhookSecret); err != nil {
		return out, "", fmt.Errorf("sealing the webhook secret: %w", err)
	}
	return out, secret, nil
}

// newToken is the address of a connection's hooks: 192 random bits.
func newToken() string { return randomHex(24) }

func newWebhookSecret() ashby.Secret { return ashby.Secret("whsec_" + randomHex(32)) }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, says crypto/rand
	return hex.EncodeToString(b)
}

// refuseKnownKey is errDuplicateKey where another connection than except has the key.
func (g *Gateway) refuseKnownKey(ctx context.Context, fingerprint []byte, except string) error {
	owner, err := g.opts.Connections.KeyInUse(ctx, fingerprint)
	switch {
	case errors.Is(err, mirror.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking for the key's connection: %w", err)
	case owner == except:
		return nil
	}
	p := *errDuplicateKey
	p.Connections = []string{owner}
	return &p
}

// probe is errMissingPermission, with the report, where the key does not suffice.
func (g *Gateway) probe(ctx context.Context, key ashby.Secret, modules []string) (mirror.Report, []string, error) {
	report, postings, err := g.opts.Probe.Probe(ctx, key, modules)
	if err != nil {
		return report, nil, fmt.Errorf("probing the key: %w", err)
	}
	report = showReport(report)
	if !report.OK {
		p := *errMissingPermission
		p.Report = &report
		return report, nil, &p
	}
	return report, postings, nil
}

// checkBody is the body of POST /v1/connections/check.
type checkBody struct {
	APIKey  *string  `json:"api_key"`
	Modules []string `json:"modules"`
}

// checkKey probes a key and stores nothing. A key that lacks a permission is an answer here, not a problem.
func (g *Gateway) checkKey(c *fiber.Ctx) error {
	var body checkBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	key, modules := f.key(body.APIKey), f.modules("modules", body.Modules, g.opts.Modules)
	if err := f.err(); err != nil {
		return err
	}
	detailOf(c).Modules = modules
	report, _, err := g.opts.Probe.Probe(c.UserContext(), key, modules)
	if err != nil {
		return fmt.Errorf("probing the key: %w", err)
	}
	return writeJSON(c, fiber.StatusOK, showReport(report))
}

type connectionsJSON struct {
	Connections []connectionJSON `json:"connections"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

func (g *Gateway) listConnections(c *fiber.Ctx) error {
	q := readQuery(c, "cursor", "limit")
	after, limit := "", q.limit()
	q.cursor(&after)
	if err := q.err(); err != nil {
		return err
	}
	views, err := g.opts.Connections.Views(c.UserContext(), after, limit)
	if err != nil {
		return fmt.Errorf("listing connections: %w", err)
	}
	out := connectionsJSON{Connections: make([]connectionJSON, 0, len(views))}
	for _, v := range views {
		out.Connections = append(out.Connections, g.show(v, ""))
	}
	if len(views) == limit {
		next := encodeCursor(views[limit-1].ID)
		out.NextCursor = &next
	}
	return writeJSON(c, fiber.StatusOK, out)
}

// connectionID is the id in the path, copied; one that cannot be an id names nothing.
func connectionID(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if !idShape.MatchString(id) {
		return "", errNotFound
	}
	exchangeOf(c).connection = id
	return id, nil
}

func (g *Gateway) showConnection(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	v, err := g.opts.Connections.View(c.UserContext(), id)
	if err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	return writeJSON(c, fiber.StatusOK, g.show(v, ""))
}

type removedJSON struct {
	Connection string         `json:"connection"`
	Status     mirror.Status  `json:"status"`
	Jobs       mirror.Removal `json:"jobs"`
}

// removeConnection disconnects an employer. What happens to the jobs is the employer's choice, so there is no default.
func (g *Gateway) removeConnection(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	q := readQuery(c, "jobs")
	jobs := mirror.Removal(q.value("jobs"))
	if jobs != mirror.KeepJobs && jobs != mirror.CloseJobs {
		q.fault("jobs", "choose keep (the jobs stay as they are) or close (they close on every board)")
	}
	if err := q.err(); err != nil {
		return err
	}
	detailOf(c).Jobs = jobs
	ctx := c.UserContext()
	v, err := g.opts.Connections.View(ctx, id)
	if err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	if v.Status != mirror.StatusRemoved {
		g.withdrawWebhooks(ctx, id)
	}
	events, err := g.opts.Connections.Remove(ctx, id, jobs)
	if err != nil {
		return fmt.Errorf("removing connection: %w", err)
	}
	g.endpoints.forget(v.WebhookToken)
	if events > 0 {
		g.opts.Bus.WakeRelay()
	}
	return writeJSON(c, fiber.StatusOK, removedJSON{id, mirror.StatusRemoved, jobs})
}

type syncRequestedJSON struct {
	Connection  string    `json:"connection"`
	RequestedAt time.Time `json:"requested_at"`
}

// syncConnection makes a poll due now. The row is what makes it sure, the hint what makes it soon.
func (g *Gateway) syncConnection(c *fiber.Ctx) error {
	id, err := connectionID(c)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	v, err := g.opts.Connections.View(ctx, id)
	if err != nil {
		return fmt.Errorf("reading connection: %w", err)
	}
	if v.Status == mirror.StatusPaused {
		return errPaused
	}
	if err := g.opts.Connections.MakeDue(ctx, id); err != nil {
		return fmt.Errorf("making a poll due: %w", err)
	}
	exchangeOf(c).hint = &mirror.Hint{Connection: id, Kind: mirror.HintPoll}
	return writeJSON(c, fiber.StatusAccepted, syncRequestedJSON{id, g.opts.Now().UTC()})
}
