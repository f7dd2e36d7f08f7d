package jobfeed

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

var (
	// ErrRefused means that NATS refuses the user: the password is wrong, was rotated, or the subscriber was revoked. Open
	// returns it at once, Subscribe after it was so for all of Options.Patience.
	ErrRefused = errors.New("NATS refuses the user")
	// ErrNoConsumer means that the user may connect, but its consumer is not there. Ashbridge makes it again if NATS
	// lost it, within half a minute or so; Subscribe waits for that.
	ErrNoConsumer = errors.New("the subscriber's consumer is not there")
	// ErrNoStream means that there is no stream JOBS: Ashbridge's notifier has not run on this NATS yet, or NATS lost it
	// and the notifier is about to make it again. Subscribe waits for that.
	ErrNoStream = errors.New("the stream JOBS is not there")
	// ErrUnreachable means that no NATS server answered.
	ErrUnreachable = errors.New("NATS does not answer")
	// ErrBusy means that another Subscribe of the same Feed is running.
	ErrBusy = errors.New("this feed has a subscription")

	errClosed = errors.New("this feed is closed")
)

// isRefusal says whether NATS refused the user, rather than being away.
func isRefusal(err error) bool {
	for _, refusal := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrPermissionViolation,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// explained adds to an error of the connection what it means and what to do.
func (o Options) explained(err error) error {
	switch {
	case !isRefusal(err):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case o.User == "":
		return fmt.Errorf("%w, or does not let it read the stream JOBS: %w", ErrRefused, err)
	}
	return fmt.Errorf("%w %s: its password is wrong or was rotated, or the subscriber was revoked "+
		"(POST /v1/subscribers/{id}/rotate gives a new one): %w", ErrRefused, o.User, err)
}
