package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

const (
	loginSubject = "$SYS.REQ.USER.AUTH"
	// loginQueue has each login judged by one of all gateways.
	loginQueue = "ashbridge-logins"
	// loginTime is how long the server waits for an answer, see timeout in ops/nats/accounts.conf.
	loginTime = 3 * time.Second
	// maxLogins is how many are judged at once; the server tells clients beyond it to try again.
	maxLogins = 128
	// A login ends after sessionMin to sessionMax, and the client logs in again by itself: so whoever is shut out is gone
	// then even if the connection stays. The spread keeps boards from coming back together.
	sessionMin = 50 * time.Minute
	sessionMax = 70 * time.Minute
)

// BoardPermissions are what a board may publish and subscribe to.
func BoardPermissions(user string) (publish, subscribe []string) {
	return []string{
			"$JS.API.CONSUMER.INFO." + StreamJobs + "." + user,
			"$JS.API.CONSUMER.MSG.NEXT." + StreamJobs + "." + user,
			"$JS.ACK." + StreamJobs + "." + user + ".>",
			"$JS.ACK.*.*." + StreamJobs + "." + user + ".>",
		}, []string{
			InboxPrefix(user) + ".>",
		}
}

// InboxPrefix is what a board's inboxes begin with.
func InboxPrefix(user string) string { return "_INBOX_" + user }

// ServeLogins answers the server's questions who may log in, until ctx ends, and returns nil then. admit returns nil for
// whoever may come in, an error that wraps mirror.ErrDenied for whoever may not, and any other where it cannot tell: then
// no answer is given, so that the client is not told that its password is wrong.
func (b *Bus) ServeLogins(
	ctx context.Context, issuer ashby.Secret, admit func(ctx context.Context, l mirror.Login) error,
) error {
	pair, err := issuerOf(issuer.Reveal())
	if err != nil {
		return fmt.Errorf("answering logins: %w", err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, maxLogins)
	sub, err := b.nc.QueueSubscribe(loginSubject, loginQueue, func(msg *nats.Msg) {
		select {
		case slots <- struct{}{}:
		default:
			b.log.WarnContext(ctx, "too many logins at once, one was left without an answer")
			return
		}
		running.Go(func() {
			defer func() { <-slots }()
			b.answerLogin(ctx, pair, msg, admit)
		})
	})
	if err != nil {
		return fmt.Errorf("answering logins: %w", err)
	}
	<-ctx.Done()
	// Waits for the callback in work, so that none starts when running is waited for.
	ended := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(ended) })
	if err := sub.Unsubscribe(); err == nil {
		<-ended
	}
	return nil
}

func (b *Bus) answerLogin(
	ctx context.Context, pair nkeys.KeyPair, msg *nats.Msg, admit func(ctx context.Context, l mirror.Login) error,
) {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	request, err := jwt.DecodeAuthorizationRequestClaims(string(msg.Data))
	if err != nil {
		b.log.WarnContext(ctx, "a question for a login cannot be read", "error", err)
		return
	}
	l := mirror.Login{
		User: request.ConnectOptions.Username, Password: request.ConnectOptions.Password, Host: request.ClientInformation.Host,
	}
	err = admit(ctx, l)
	if err != nil && !errors.Is(err, mirror.ErrDenied) {
		return
	}
	answer, err := loginAnswer(pair, request, l.User, err)
	if err != nil {
		b.log.ErrorContext(ctx, "a login could not be answered", "error", err)
		return
	}
	if err := msg.Respond([]byte(answer)); err != nil {
		b.log.WarnContext(ctx, "a login could not be answered", "error", err)
	}
}

// loginAnswer is what the server is told: a user's token, or that there is none.
func loginAnswer(pair nkeys.KeyPair, request *jwt.AuthorizationRequestClaims, user string, denied error) (string, error) {
	answer := jwt.NewAuthorizationResponseClaims(request.UserNkey)
	answer.Audience = request.Server.ID
	if denied != nil {
		answer.Error = mirror.ErrDenied.Error()
		return answer.Encode(pair)
	}
	claims := jwt.NewUserClaims(request.UserNkey)
	claims.Name = user
	claims.Audience = natsconf.AccountBoards // outside of operator mode, this is the account
	claims.Expires = time.Now().Add(sessionMin + rand.N(sessionMax-sessionMin)).Unix()
	publish, subscribe := BoardPermissions(user)
	claims.Pub.Allow.Add(publish...)
	claims.Sub.Allow.Add(subscribe...)
	if odd := strings.Trim(user, "abcdefghijklmnopqrstuvwxyz0123456789_-"); odd != "" {
		return "", fmt.Errorf("user %q cannot be a part of a subject", user)
	}
	var err error
	if answer.Jwt, err = claims.Encode(pair); err != nil {
		return "", err
	}
	return answer.Encode(pair)
}
