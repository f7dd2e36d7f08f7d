package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// loginFresh is how long a password that was read is used without asking the store: so long may one that was taken back
	// through another gateway still open the door, behind which its consumer is gone.
	loginFresh = 10 * time.Second
	// loginStale is how old one may be that is used because the store does not answer.
	loginStale = time.Hour
	// loginRest is how long the store is left alone after it failed.
	loginRest   = 3 * time.Second
	loginLookup = 2 * time.Second
)

// loginOutcome is what became of a login.
type loginOutcome string

const (
	loginAdmitted loginOutcome = "admitted"
	loginStranger loginOutcome = "unknown_user" // or a revoked one, or an older generation
	loginWrong    loginOutcome = "wrong_password"
	loginUnsure   loginOutcome = "unavailable" // the store did not answer, and nothing was in memory
)

var loginOutcomes = []loginOutcome{loginAdmitted, loginStranger, loginWrong, loginUnsure}

// errStoreResting: the store failed a moment ago.
var errStoreResting = fmt.Errorf("the store failed a moment ago: %w", mirror.ErrUnavailable)

// credential is what a user's password is compared with.
type credential struct {
	hash   [sha256.Size]byte
	readAt time.Time
}

// logins judges who may log in at NATS as a job board. It refuses nobody but on the store's word.
type logins struct {
	lookup  func(ctx context.Context, id string, generation int) ([]byte, error)
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics

	mu        sync.Mutex
	known     map[string]credential
	unknown   absences
	restUntil time.Time
	lines     *sparing
}

func newLogins(
	lookup func(context.Context, string, int) ([]byte, error), now func() time.Time, log *slog.Logger, m *metrics,
) *logins {
	return &logins{
		lookup: lookup, now: now, log: log, metrics: m, known: make(map[string]credential), unknown: absences{},
		lines: newSparing(now),
	}
}

// admit returns nil for who may come in, mirror.ErrDenied for who may not, and any other error where it cannot tell.
func (l *logins) admit(ctx context.Context, a mirror.Login) error {
	given := sha256.Sum256([]byte(a.Password))
	cred, err := l.find(ctx, a.User)
	switch {
	case errors.Is(err, mirror.ErrNotFound):
		l.refused(ctx, a, loginStranger)
		return mirror.ErrDenied
	case err != nil:
		l.metrics.logins[loginUnsure].Inc()
		l.tell(ctx, "a job board's login could not be judged", "user", clip(a.User), "host", a.Host, "error", err)
		return err
	case subtle.ConstantTimeCompare(given[:], cred.hash[:]) != 1:
		l.refused(ctx, a, loginWrong)
		return mirror.ErrDenied
	}
	l.metrics.logins[loginAdmitted].Inc()
	return nil
}

func (l *logins) refused(ctx context.Context, a mirror.Login, o loginOutcome) {
	l.metrics.logins[o].Inc()
	l.tell(ctx, "a job board's login was refused", "user", clip(a.User), "host", a.Host, "reason", string(o))
}

// tell logs, but not more than a line in tellEvery.
func (l *logins) tell(ctx context.Context, what string, attrs ...any) {
	if untold, is := l.lines.tell("login"); is {
		l.log.WarnContext(ctx, what, append(attrs, "not_logged_before", untold)...) //nolint:sloglint // both callers are constant
	}
}

// find returns what a user's password is compared with, from memory if it is fresh enough or the store does not answer.
// mirror.ErrNotFound if the store said that there is no such user; any other error means that it is not known.
func (l *logins) find(ctx context.Context, user string) (credential, error) {
	id, generation, ok := mirror.ParseSubscriberUser(user)
	if !ok {
		return credential{}, mirror.ErrNotFound
	}
	now := l.now()
	l.mu.Lock()
	cached, isCached := l.known[user]
	isUnknown := l.unknown.has(user, now)
	resting := now.Before(l.restUntil)
	l.mu.Unlock()
	switch {
	case isCached && now.Sub(cached.readAt) < loginFresh:
		return cached, nil
	case isUnknown:
		return credential{}, mirror.ErrNotFound
	}
	err := errStoreResting
	if !resting {
		var fresh credential
		if fresh, err = l.fresh(ctx, user, id, generation, now); err == nil || errors.Is(err, mirror.ErrNotFound) {
			return fresh, err
		}
	}
	if isCached && now.Sub(cached.readAt) < loginStale {
		return cached, nil
	}
	return credential{}, err
}

// fresh asks the store, and remembers the answer.
func (l *logins) fresh(ctx context.Context, user, id string, generation int, asked time.Time) (credential, error) {
	ctx, cancel := context.WithTimeout(ctx, loginLookup)
	defer cancel()
	hash, err := l.lookup(ctx, id, generation)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, mirror.ErrNotFound):
		delete(l.known, user)
		l.unknown.add(user, asked)
		return credential{}, mirror.ErrNotFound
	case err != nil:
		l.restUntil = asked.Add(loginRest)
		return credential{}, fmt.Errorf("looking up a job board's password: %w", err)
	case len(hash) != sha256.Size:
		return credential{}, fmt.Errorf("stored password of %s has %d bytes", user, len(hash))
	}
	cred := credential{hash: [sha256.Size]byte(hash), readAt: asked}
	if old, ok := l.known[user]; !ok || !old.readAt.After(asked) { // a slow answer must not hide a later one
		l.known[user] = cred
	}
	delete(l.unknown, user)
	return cred, nil
}

// forget makes the next login of a user ask the store, and have no other answer than the store's, after a change that was
// made through this process.
func (l *logins) forget(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, user)
	delete(l.unknown, user)
}
