// Package gateway is Ashbridge's front: the HTTP surface that employers' forms, job boards and Ashby's webhooks talk
// to. It is the only package that knows Fiber.
//
// It guarantees that a webhook is answered 200 only after it was committed, to Postgres or, while Postgres is down, to
// the fsynced stream SPILL; that a fault of ours is never answered with a status that Ashby takes as final (401, 403,
// 404, 405, 410); that no key, token or secret reaches a log or a reply, except those that it makes, once, in the answer
// to the request that made them; and that nothing is changed through the API that the audit log does not tell of. When it can store
// nothing it answers 503 with Retry-After.
package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/pulse"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

const (
	maxBody      = 1 << 20 // of any request; Ashby's webhooks have a few kB
	maxHeader    = 8 << 10
	readTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = 60 * time.Second
	// maxConnections bounds the open HTTP connections; more get 503.
	maxConnections = 1024
	// stopTimeout bounds the graceful part of a stop; forcing what is left takes at most forceTimeout more. With Notice
	// before it, and what is left to commit and to hint at behind it, a stop stays below ten seconds.
	stopTimeout  = 5 * time.Second
	forceTimeout = time.Second
)

// Sealer seals secrets for storage and opens them again. The kinds are those of package seal.
type Sealer interface {
	Seal(plain ashby.Secret, connection, kind string) (mirror.Sealed, error)
	Open(sealed mirror.Sealed, connection, kind string) (ashby.Secret, error)
	// Fingerprint is the same for the same secret and tells nothing of it.
	Fingerprint(plain ashby.Secret) []byte
}

// Options configure a Gateway. Fields without a default must be set.
type Options struct {
	Connections Connections
	Jobs        Jobs
	Records     Records
	Holds       Holds
	Diary       Diary
	Settings    Settings
	Heart       Heart
	Inbox       Inbox
	Feeds       Feeds
	Tokens      Tokens
	Audit       Audit
	Bus         Bus
	Probe       Prober
	Subscribers Subscribers
	Boards      Boards
	// NATSIssuer is the seed of the account key that NATS takes the word of on which board may log in; without it there are
	// no subscribers. NATSURL is where boards reach NATS.
	NATSIssuer ashby.Secret
	NATSURL    string
	Receivers  Receivers
	// SendWebhook posts a message to an endpoint, for a test.
	SendWebhook func(ctx context.Context, m courier.Message) courier.Result
	// AllowPrivateEndpoints lets endpoints be plain http and private addresses.
	AllowPrivateEndpoints bool
	// Webhooks returns what manages the webhook settings of the organization that an API key belongs to.
	Webhooks   func(key ashby.Secret) (WebhookAdmin, error)
	Seal       Sealer
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Shown bounds for how many connections there are metrics of their own; nil for none.
	Shown *telemetry.Bounded
	// PublicURL is where Ashby reaches the gateway, "https://ashbridge.example.com"; webhook URLs begin with it.
	PublicURL string
	// AdminToken is a bearer token of the API that always works, with the role admin.
	AdminToken ashby.Secret
	// TrustedProxies are what stands before the gateway: what they say in X-Forwarded-For is believed, up to the first
	// address that is none of theirs. Without them nothing of it is.
	TrustedProxies []netip.Prefix
	// Modules are those that a connection may ask for; default "jobs" alone.
	Modules []string
	// DefaultPollInterval is for connections that name none; default one hour.
	DefaultPollInterval time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
	// QueueSize bounds the webhooks that wait for a commit; more get 503. Default 4,096.
	QueueSize int
	// BatchSize bounds the webhooks of one commit; default 512.
	BatchSize int
	// Notice is how long Run goes on serving after its context ended, not ready any more, so that balancers find out and
	// send no more requests before the listener closes; zero where nobody is to find out.
	Notice time.Duration
	// StopTimeout bounds how long Run waits for requests in flight once it takes no more; default and at most 5 s.
	StopTimeout time.Duration
}

// Gateway serves the HTTP surface.
type Gateway struct {
	opts      Options
	log       *slog.Logger
	metrics   *metrics
	adminHash [sha256.Size]byte
	requestID requestIDs
	endpoints *endpoints
	ingest    *ingest
	hints     *hinter
	conns     *connections
	seen      *sightings
	spill     *spill
	logins    *logins
	tokens    *keyring
	// failures counts those of addresses that send no right token, refusals those of tokens that ask for too much.
	failures, refusals *failures
	// guesses bounds how often the token of the configuration is guessed, where it does not look random.
	guesses *guesses
	// refused keeps refused requests from filling the log.
	refused *sparing
	heart   *pulse.Pulse
	setups  keyedLocks
	tests   keyedLocks
	// serving says that Run serves and has not been told to end; leaving that it has.
	serving, leaving atomic.Bool

	feedStates  *feedStates
	feedReaders *feedReaders
	// began is when this process began to write feeds as it does, rounded up to the second.
	began time.Time
}

// New checks the options, all faults together, and returns a Gateway that is to be Run.
func New(o Options) (*Gateway, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("gateway options: %w", err)
	}
	m, err := newMetrics(o.Registerer, o.Shown)
	if err != nil {
		return nil, fmt.Errorf("registering gateway metrics: %w", err)
	}
	g := &Gateway{
		opts:      o,
		log:       o.Logger,
		metrics:   m,
		adminHash: sha256.Sum256([]byte(o.AdminToken.Reveal())),
		requestID: newRequestIDs(),
	}
	g.endpoints = newEndpoints(o.Inbox.Endpoint, o.Seal.Open, o.Now, m)
	g.ingest = newIngest(o, m)
	g.hints = newHinter(o.Bus.PublishHint, o.Logger, m)
	g.conns = newConnections(g.hints.add)
	g.seen = newSightings(o.Inbox.Seen, o.Now, o.Logger)
	g.spill = newSpill(o.Bus, o.Inbox.Commit, g.hints, o.Logger, m)
	g.logins = newLogins(o.Subscribers.Credential, o.Now, o.Logger, m)
	g.tokens = newKeyring(o)
	g.failures, g.refusals = newFailures(), newFailures()
	g.guesses = newGuesses(o.AdminToken)
	g.refused = newSparing(o.Now)
	g.heart = pulse.New(o.Heart, "gateway", o.Logger)
	g.feedStates = newFeedStates(o.Feeds.FeedState, o.Now)
	g.feedReaders = newFeedReaders()
	g.began = roundUp(o.Now())
	m.declare(g.routes())
	return g, nil
}

// complete fills in defaults and reports what is missing or wrong.
func (o *Options) complete() error {
	var faults []error
	missing := func(is bool, name string) {
		if is {
			faults = append(faults, fmt.Errorf("%s is not set", name))
		}
	}
	missing(o.Connections == nil, "Connections")
	missing(o.Jobs == nil, "Jobs")
	missing(o.Records == nil, "Records")
	missing(o.Holds == nil, "Holds")
	missing(o.Diary == nil, "Diary")
	missing(o.Settings == nil, "Settings")
	missing(o.Heart == nil, "Heart")
	missing(o.Inbox == nil, "Inbox")
	missing(o.Feeds == nil, "Feeds")
	missing(o.Tokens == nil, "Tokens")
	missing(o.Audit == nil, "Audit")
	missing(o.Bus == nil, "Bus")
	missing(o.Probe == nil, "Probe")
	missing(o.Subscribers == nil, "Subscribers")
	missing(o.Boards == nil, "Boards")
	missing(o.NATSIssuer != "" && o.NATSURL == "", "NATSURL")
	missing(o.Webhooks == nil, "Webhooks")
	missing(o.Receivers == nil, "Receivers")
	missing(o.SendWebhook == nil, "SendWebhook")
	missing(o.Seal == nil, "Seal")
	missing(o.Logger == nil, "Logger")
	missing(o.Registerer == nil, "Registerer")
	missing(o.AdminToken == "", "AdminToken")
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	if u, err := url.Parse(o.PublicURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		faults = append(faults, errors.New("PublicURL must be http(s)://host with an optional port and path"))
	}
	if len(o.Modules) == 0 {
		o.Modules = []string{defaultModule}
	}
	if !slices.Contains(o.Modules, defaultModule) {
		faults = append(faults, fmt.Errorf("the module %s is not among Modules", defaultModule))
	}
	setDefault(&o.DefaultPollInterval, time.Hour)
	setDefault(&o.QueueSize, 4096)
	setDefault(&o.BatchSize, 512)
	setDefault(&o.StopTimeout, stopTimeout)
	o.StopTimeout = min(o.StopTimeout, stopTimeout)
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(faults...)
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Run serves on ln until ctx ends or serving fails. It is not ready from then on and goes on serving for Notice; then it
// stops accepting, lets requests in flight finish, commits what is queued, and returns at most seven seconds after Notice,
// with every goroutine of its own gone.
func (g *Gateway) Run(ctx context.Context, ln net.Listener) error {
	// Requests in flight and the loops they need outlive ctx, for as long as the graceful stop takes.
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	app := g.newApp(requests)
	g.conns.track(app.Server())

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var loops errgroup.Group
	loops.Go(func() error { g.ingest.run(background); return nil })
	loops.Go(func() error { g.hints.run(background); return nil })
	loops.Go(func() error { g.seen.run(background); return nil })
	loops.Go(func() error { g.tokens.run(background); return nil })
	loops.Go(func() error { return g.spill.run(background) })
	loops.Go(func() error { return g.heart.Run(background) })

	server, serverCtx := errgroup.WithContext(ctx)
	server.Go(func() error {
		if err := app.Listener(ln); err != nil {
			return fmt.Errorf("serving HTTP: %w", err)
		}
		if serverCtx.Err() == nil {
			return errors.New("serving HTTP: the listener was closed")
		}
		return nil
	})
	accepting, stopAccepting := context.WithCancel(requests)
	defer stopAccepting()
	if g.opts.NATSIssuer != "" {
		server.Go(func() error { return g.opts.Boards.ServeLogins(accepting, g.opts.NATSIssuer, g.logins.admit) })
	}
	server.Go(func() error {
		<-serverCtx.Done()
		g.serving.Store(false)
		g.leaving.Store(true)
		if ctx.Err() != nil { // asked to end, not failed
			_ = loop.Sleep(requests, g.opts.Notice)
		}
		stopAccepting()
		return g.stopServer(ctx, app, cancelRequests)
	})
	g.serving.Store(true)
	if g.guesses.easy {
		g.log.WarnContext(ctx, "the token of the configuration may be guessed; make another one with `openssl rand -hex 32`")
	}
	g.log.InfoContext(ctx, "gateway is serving", "addr", ln.Addr().String(), "public_url", g.opts.PublicURL)
	err := server.Wait()
	stopBackground()
	return errors.Join(err, loops.Wait())
}

// stopServer waits for requests in flight, then forces what is left.
func (g *Gateway) stopServer(ctx context.Context, app *fiber.App, cancel func()) error {
	ctx = context.WithoutCancel(ctx)
	graceful, done := context.WithTimeout(ctx, g.opts.StopTimeout)
	defer done()
	g.conns.hurryNew()
	err := app.ShutdownWithContext(graceful)
	if err == nil {
		return nil
	}
	cancel()
	g.conns.closeAll()
	forced, done := context.WithTimeout(ctx, forceTimeout)
	defer done()
	if !g.conns.wait(forced) {
		return fmt.Errorf("stopping HTTP server: %w", err)
	}
	g.log.WarnContext(ctx, "requests in flight were cut off")
	return nil
}

// newApp builds the Fiber application; requests is the parent of every request's context.
func (g *Gateway) newApp(requests context.Context) *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:                      "ashbridge",
		DisableStartupMessage:        true,
		CaseSensitive:                true,
		BodyLimit:                    maxBody,
		ReadBufferSize:               maxHeader,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		Concurrency:                  maxConnections,
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 g.answerError,
	})
	app.Use(g.observe)
	for _, r := range g.routes() {
		app.Add(r.method, r.path, g.wrap(requests, r))
	}
	return app
}

// Ready says whether the gateway can take webhooks: it serves, and one of its two stores answers. It is not ready
// while it drains.
func (g *Gateway) Ready(ctx context.Context) error {
	if !g.serving.Load() {
		return errors.New("not serving")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := g.opts.Inbox.Endpoint(ctx, "readiness")
	if err == nil || errors.Is(err, mirror.ErrNotFound) {
		return nil
	}
	if g.spill.usable() {
		return nil
	}
	return fmt.Errorf("neither store takes webhooks: %w", err)
}
