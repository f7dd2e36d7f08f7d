package gateway

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// tokenID is what the ids of tokens look like. Nothing else may stand in a path, so that a token put there by mistake is
// not taken for an id.
var tokenID = regexp.MustCompile(`^tok_[0-9a-f]{32}$`)

// tokenJSON is a token as the API shows it.
type tokenJSON struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Role       mirror.Role `json:"role"`
	Hint       string      `json:"hint"`
	CreatedAt  time.Time   `json:"created_at"`
	CreatedBy  string      `json:"created_by"`
	LastUsedAt *time.Time  `json:"last_used_at"`
	ExpiresAt  *time.Time  `json:"expires_at"`
	RevokedAt  *time.Time  `json:"revoked_at"`
	// Token is shown once.
	Token string `json:"token,omitempty"`
}

type tokensJSON struct {
	Tokens []tokenJSON `json:"tokens"`
	// NextCursor continues the list; nil at its end.
	NextCursor *string `json:"next_cursor"`
}

func showToken(t mirror.APIToken, text string) tokenJSON {
	return tokenJSON{
		ID: t.ID, Name: t.Name, Role: t.Role, Hint: t.Hint, CreatedAt: t.CreatedAt.UTC(), CreatedBy: t.CreatedBy,
		LastUsedAt: utc(t.LastUsedAt), ExpiresAt: utc(t.ExpiresAt), RevokedAt: utc(t.RevokedAt), Token: text,
	}
}

// newTokenBody is the body of POST /v1/tokens.
type newTokenBody struct {
	Name      *string `json:"name"`
	Role      *string `json:"role"`
	ExpiresAt *string `json:"expires_at"`
}

// createToken makes a token. Its text has 192 random bits, so that its bare hash tells nothing.
func (g *Gateway) createToken(c *fiber.Ctx) error {
	var body newTokenBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var f form
	now := g.opts.Now().UTC().Truncate(time.Microsecond)
	t := mirror.APIToken{
		Name: f.tokenName(body.Name), Role: f.role(body.Role), ExpiresAt: f.future("expires_at", body.ExpiresAt, now),
		CreatedAt: now, CreatedBy: inWords(exchangeOf(c).caller.actor),
	}
	if err := f.err(); err != nil {
		return err
	}
	detailOf(c).Role, detailOf(c).ExpiresAt = t.Role, t.ExpiresAt
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an id: %w", err)
	}
	text := tokenPrefix + randomHex(24)
	hash := sha256.Sum256([]byte(text))
	t.ID, t.Hint = "tok_"+strings.ReplaceAll(id.String(), "-", ""), text[:hintLength]
	if err := g.opts.Tokens.CreateToken(c.UserContext(), t, hash[:]); err != nil {
		return fmt.Errorf("storing token: %w", err)
	}
	exchangeOf(c).target = t.ID
	c.Location("/v1/tokens/" + t.ID)
	return writeJSON(c, fiber.StatusCreated, showToken(t, text))
}

// inWords names an actor so that people know who it is, and which of those that had the name one after another.
func inWords(a mirror.Actor) string {
	if a.Kind == mirror.ActorToken {
		return a.Name + " (" + a.ID + ")"
	}
	return a.Name
}

// tokenName checks a token's name. Nobody may look in the audit log like who comes with the token of the configuration.
func (f *form) tokenName(v *string) string {
	name := f.boardName(v)
	if strings.EqualFold(name, environment) {
		f.fault("name", "it must not be "+environment+", as the token of the configuration is called")
	}
	return name
}

// role checks the name of a role.
func (f *form) role(v *string) mirror.Role {
	const field = "role"
	there := "one of: " + listed(mirror.Roles())
	if v == nil {
		f.fault(field, "it is required, and must be "+there)
		return ""
	}
	role := mirror.Role(*v)
	if !slices.Contains(mirror.Roles(), role) {
		f.fault(field, "it must be "+there)
	}
	return role
}

// future checks a time that may be left out and must be to come.
func (f *form) future(field string, v *string, now time.Time) *time.Time {
	if v == nil {
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, *v)
	switch {
	case err != nil || at.Year() > 9999:
		f.fault(field, "it must be a time such as 2027-01-31T00:00:00Z, or be left out for never")
	case !at.After(now):
		f.fault(field, "it must be in the future")
	}
	at = at.UTC().Truncate(time.Microsecond)
	return &at
}

func (g *Gateway) listTokens(c *fiber.Ctx) error {
	q := readQuery(c, "revoked", "cursor", "limit")
	after, revoked, limit := "", q.truth("revoked"), q.limit()
	q.cursor(&after)
	if err := q.err(); err != nil {
		return err
	}
	page, err := g.opts.Tokens.Tokens(c.UserContext(), mirror.TokenQuery{Revoked: revoked, After: after, Limit: limit})
	if err != nil {
		return fmt.Errorf("listing tokens: %w", err)
	}
	out := tokensJSON{Tokens: make([]tokenJSON, 0, len(page))}
	for _, t := range page {
		out.Tokens = append(out.Tokens, showToken(t, ""))
	}
	out.NextCursor = nextCursor(page, limit, func(last mirror.APIToken) any { return last.ID })
	return writeJSON(c, fiber.StatusOK, out)
}

// revokeToken makes a token of no use: here at once, at other gateways within tokenFresh. It may be repeated.
func (g *Gateway) revokeToken(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	if !tokenID.MatchString(id) {
		return errNotFound
	}
	t, err := g.opts.Tokens.RevokeToken(c.UserContext(), id)
	if err != nil {
		return fmt.Errorf("revoking token: %w", err)
	}
	g.tokens.revoke(id, g.opts.Now())
	return writeJSON(c, fiber.StatusOK, showToken(t, ""))
}

type whoamiJSON struct {
	ID   string      `json:"id"`
	Name string      `json:"name"`
	Role mirror.Role `json:"role"`
}

// whoami tells a caller what its token is. It needs no store for the token of the configuration.
func (*Gateway) whoami(c *fiber.Ctx) error {
	who := exchangeOf(c).caller
	return writeJSON(c, fiber.StatusOK, whoamiJSON{who.actor.ID, who.actor.Name, who.role})
}
