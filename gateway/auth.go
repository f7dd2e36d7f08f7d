package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	tokenPrefix = "ash_api_"
	// hintLength is how much of a token is shown for good: 24 of its 192 random bits.
	hintLength = len(tokenPrefix) + 6
	// environment is the id and the name of who comes with the token of the gateway's configuration.
	environment = "environment"
)

// tokenText is what a token looks like; what does not is no question to the store.
var tokenText = regexp.MustCompile(`^` + tokenPrefix + `[0-9a-f]{48}$`)

// caller is who makes a request.
type caller struct {
	actor mirror.Actor
	role  mirror.Role
}

var environmentCaller = caller{
	actor: mirror.Actor{Kind: mirror.ActorEnvironment, ID: environment, Name: environment}, role: mirror.RoleAdmin,
}

// denial is why a request was refused for its token.
type denial string

const (
	deniedMissing   denial = "missing"
	deniedMalformed denial = "malformed" // no bearer token, or none that this gateway could have made
	deniedUnknown   denial = "unknown"
	deniedExpired   denial = "expired"
	deniedRevoked   denial = "revoked"
	deniedLimited   denial = "limited"     // too many failures from this address
	deniedUnsure    denial = "unavailable" // the store did not answer, and nothing was in memory
	deniedRole      denial = "role"
)

var denials = []denial{
	deniedMissing, deniedMalformed, deniedUnknown, deniedExpired, deniedRevoked, deniedLimited, deniedUnsure, deniedRole,
}

// authenticate finds out who calls. Failures count against the address they come from. An address that has had too many
// is refused, but for right tokens: who sends wrong ones from an address that many share, such as a proxy's, does not lock
// out those who send right ones. Only a token of the configuration that does not look random is looked at no more than
// guessesASecond times then.
func (g *Gateway) authenticate(ctx context.Context, c *fiber.Ctx) (caller, error) {
	now := g.opts.Now()
	scheme, text, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	hash := sha256.Sum256([]byte(text))
	isBearer := strings.EqualFold(scheme, "Bearer")
	isShaped := isBearer && tokenText.MatchString(text)
	address := neighbourhood(exchangeOf(c).remote)
	wait := g.failures.wait(address, now)
	isGuess := g.guesses.easy && isBearer && !isShaped && (wait > 0 || g.failures.full())
	// A guess that is one too many is refused without a look at it, so that the answer tells nothing of it.
	if isGuess && !g.guesses.take(now) {
		g.metrics.denied[deniedLimited].Inc()
		return caller{}, tooMany(errTooManyFailures, max(wait, time.Second))
	}
	// Hashes are compared, so that neither content nor length shows in the time.
	if subtle.ConstantTimeCompare(hash[:], g.adminHash[:]) == 1 && isBearer {
		return environmentCaller, nil
	}
	why := deniedMalformed
	switch {
	case scheme == "":
		why = deniedMissing
	case isShaped:
		t, err := g.tokens.find(ctx, hash, wait > 0)
		switch {
		case err == nil:
			if why = unusable(t, now); why == "" {
				g.tokens.used(t.ID)
				return caller{mirror.Actor{Kind: mirror.ActorToken, ID: t.ID, Name: t.Name}, t.Role}, nil
			}
		case errors.Is(err, mirror.ErrNotFound), errors.Is(err, errNotListed):
			why = deniedUnknown
		default:
			g.metrics.denied[deniedUnsure].Inc()
			return caller{}, errUnavailable.because(fmt.Errorf("looking up a token: %w", err))
		}
	}
	if wait > 0 {
		g.metrics.denied[deniedLimited].Inc()
		return caller{}, tooMany(errTooManyFailures, wait)
	}
	g.failures.add(address, now)
	g.metrics.denied[why].Inc()
	c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="ashbridge"`)
	return caller{}, noToken(why)
}

// unusable is why a token is of no use, empty where it is.
func unusable(t mirror.APIToken, now time.Time) denial {
	switch {
	case t.RevokedAt != nil:
		return deniedRevoked
	case t.ExpiresAt != nil && !now.Before(*t.ExpiresAt):
		return deniedExpired
	}
	return ""
}

// noToken is errNoToken in the words of the reason, as far as its bearer may know it: who has a token that was one may.
func noToken(why denial) error {
	p := *errNoToken
	switch why {
	case deniedExpired:
		p.Detail = "This token has expired. Ask an admin for another one."
	case deniedRevoked:
		p.Detail = "This token was revoked. Ask an admin for another one."
	}
	return &p
}

// tooMany is a problem that says when to come again.
func tooMany(p *problem, wait time.Duration) error {
	q := *p
	q.after = max(1, int((wait+time.Second-1)/time.Second))
	return &q
}

// authorize lets a caller of the right role through. One of another role is refused, which is written down, but not more
// often than failuresAllowed a minute: a token that may do little must not fill the audit log.
func (g *Gateway) authorize(ctx context.Context, c *fiber.Ctx, r route) error {
	x := exchangeOf(c)
	x.remote = g.remoteOf(c)
	who, err := g.authenticate(ctx, c)
	if err != nil {
		return err
	}
	x.caller = who
	refusal := r.access.check(who.role)
	if refusal == nil {
		return nil
	}
	g.metrics.denied[deniedRole].Inc()
	now := g.opts.Now()
	if wait := g.refusals.wait(who.actor.ID, now); wait > 0 {
		return tooMany(errTooManyRefusals, wait)
	}
	g.refusals.add(who.actor.ID, now)
	g.auditRefusal(ctx, c, r)
	return refusal
}
