package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// loginFresh is how long a password that was read is used without asking the store: so long may one that was taken back
	// through another gateway still open the door, behind which its consumer is gone.
	loginFresh = 10 * time.Second
	// loginStale is how old one may be that is used because the store does not answer.
	loginStale = time.Hour
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

// logins judges who may log in at NATS as a job board. It refuses nobody but on the store's word.
type logins struct {
	lookup  func(ctx context.Context, id string, generation int) ([]byte, error)
	log     *slog.Logger
	metrics *metrics

	// recall has the SHA-256 of passwords, by user.
	*recall[[]byte]
	lines *sparing
}

func newLogins(
	lookup func(context.Context, string, int) ([]byte, error), now func() time.Time, log *slog.Logger, m *metrics,
) *logins {
	return &logins{
		lookup: lookup, log: log, metrics: m, recall: newRecall[[]byte](loginFresh, loginStale, now),
		lines: newSparing(now),
	}
}

// admit returns nil for who may come in, mirror.ErrDenied for who may not, and any other error where it cannot tell.
func (l *logins) admit(ctx context.Context, a mirror.Login) error {
	given := sha256.Sum256([]byte(a.Password))
	hash, err := l.hashOf(ctx, a.User)
	switch {
	case errors.Is(err, mirror.ErrNotFound):
		l.refused(ctx, a, loginStranger)
		return mirror.ErrDenied
	case err != nil:
		l.metrics.logins[loginUnsure].Inc()
		l.tell(ctx, "a job board's login could not be judged", "user", clip(a.User), "host", a.Host, "error", err)
		return err
	case subtle.ConstantTimeCompare(given[:], hash) != 1:
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

// hashOf returns what a user's password is compared with. mirror.ErrNotFound if the store said that there is no such user;
// any other error means that it is not known.
func (l *logins) hashOf(ctx context.Context, user string) ([]byte, error) {
	id, generation, ok := mirror.ParseSubscriberUser(user)
	if !ok {
		return nil, mirror.ErrNotFound
	}
	hash, err := l.find(ctx, user, nil, func(ctx context.Context) ([]byte, error) {
		hash, err := l.lookup(ctx, id, generation)
		if err != nil && !errors.Is(err, mirror.ErrNotFound) {
			err = fmt.Errorf("looking up a job board's password: %w", err)
		}
		return hash, err
	})
	if err == nil && len(hash) != sha256.Size {
		err = fmt.Errorf("stored password of %s has %d bytes", user, len(hash))
	}
	return hash, err
}
