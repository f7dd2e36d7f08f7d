package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// boardPermissions are what a board may publish and subscribe to.
func boardPermissions(user string) (publish, subscribe []string) {
	publish = []string{
		"$JS.API.CONSUMER.INFO." + StreamJobs + "." + user,
		"$JS.API.CONSUMER.MSG.NEXT." + StreamJobs + "." + user,
		"$JS.ACK." + StreamJobs + "." + user + ".>",
		"$JS.ACK.*.*." + StreamJobs + "." + user + ".>",
	}
	return publish, []string{mirror.InboxPrefix(user) + ".>"}
}

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
	public, err := pair.PublicKey()
	if err != nil {
		return fmt.Errorf("answering logins: %w", err)
	}
	judge := &loginJudge{bus: b, issuer: pair, public: public, admit: admit}
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
			judge.answer(ctx, msg)
		})
	})
	if err != nil {
		return fmt.Errorf("answering logins: %w", err)
	}
	b.watchDoors(ctx)
	// Waits for the callback in work, so that none starts when running is waited for.
	ended := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(ended) })
	if err := sub.Unsubscribe(); err == nil {
		<-ended
	}
	return nil
}

// watchDoors says so where a server lets everybody in, at each connection, until ctx ends.
func (b *Bus) watchDoors(ctx context.Context) {
	told := uint64(0)
	for ctx.Err() == nil {
		generation, _, changed := b.link.state()
		if generation > told && b.nc.IsConnected() {
			told = generation
			if !b.nc.AuthRequired() {
				b.log.ErrorContext(ctx, "NATS asks nobody for a password, so that every board may do everything: "+
					"configure it as ops/nats says")
			}
		}
		waitFor(ctx, changed, time.Hour)
	}
}

// loginJudge answers the server's questions.
type loginJudge struct {
	bus    *Bus
	issuer nkeys.KeyPair
	public string
	admit  func(ctx context.Context, l mirror.Login) error
}

func (j *loginJudge) answer(ctx context.Context, msg *nats.Msg) {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	request, err := jwt.DecodeAuthorizationRequestClaims(string(msg.Data))
	if err != nil {
		j.bus.log.WarnContext(ctx, "a question for a login cannot be read", "error", err)
		return
	}
	if request.Subject != j.public {
		j.bus.log.ErrorContext(ctx, "NATS trusts another issuer than this gateway's, so that no board can log in",
			"at_nats", request.Subject, "here", j.public)
		return
	}
	l := mirror.Login{
		User: request.ConnectOptions.Username, Password: request.ConnectOptions.Password, Host: request.ClientInformation.Host,
	}
	err = j.admit(ctx, l)
	if err != nil && !errors.Is(err, mirror.ErrDenied) {
		return
	}
	answer, err := loginAnswer(j.issuer, request, l.User, err)
	if err != nil {
		j.bus.log.ErrorContext(ctx, "a login could not be answered", "error", err)
		return
	}
	if err := msg.Respond([]byte(answer)); err != nil {
		j.bus.log.WarnContext(ctx, "a login could not be answered", "error", err)
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
	if !isToken(user) {
		return "", fmt.Errorf("user %q cannot be a part of a subject", user)
	}
	claims := jwt.NewUserClaims(request.UserNkey)
	claims.Name = user
	claims.Audience = natsconf.AccountBoards // outside of operator mode, this is the account
	claims.Expires = time.Now().Add(sessionMin + rand.N(sessionMax-sessionMin)).Unix()
	publish, subscribe := boardPermissions(user)
	claims.Pub.Allow.Add(publish...)
	claims.Sub.Allow.Add(subscribe...)
	var err error
	if answer.Jwt, err = claims.Encode(pair); err != nil {
		return "", err
	}
	return answer.Encode(pair)
}
