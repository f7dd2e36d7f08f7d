// Package e2e runs the whole of Ashbridge and judges it by its promises: real Postgres, real NATS, all three services,
// the simulator as Ashby.
package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// patience is how long a test waits for something that must happen; nothing waits that long unless it is broken.
const patience = 60 * time.Second

const adminToken = "e2e-admin-token-0123456789"

// system is a whole Ashbridge in this process.
type system struct {
	t   testing.TB
	sim *ashbytest.Simulator
	// ashby is the simulator's server.
	ashby *httptest.Server
	db    *postgres.DB
	// dbURL is the database itself, sql the tests' own way to it, and pg what stands between it and the system.
	dbURL string
	sql   *sql.DB
	pg    *pgProxy
	nats  *localtest.RestartableNATS
	// accounts are who may connect to NATS; nil where everybody may.
	accounts *bustest.Accounts
	logs     *logBuffer
	reg      *prometheus.Registry
	cfg      config.Config
	parts    app.Parts
	// stopSyncer ends the syncer and returns when nothing of it runs any more; startSyncer begins another one.
	stopSyncer, startSyncer func()
	*api
}

type settings struct {
	sim       ashbytest.Options
	perMinute int
	// modules are those that the operator allows.
	modules []string
	// records has record events published.
	records bool
	// guarded has NATS ask who connects: each service with its own user, and boards.
	guarded bool
	// connections is how many have metrics of their own.
	connections int
}

// guarded has NATS ask who connects.
func guarded(set *settings) { set.guarded = true }

// everything allows all modules and publishes record events.
func everything(set *settings) { set.modules, set.records = ashby.Modules(), true }

// start runs a whole system and stops it at the test's end.
func start(t testing.TB, change ...func(*settings)) *system {
	t.Helper()
	set := settings{sim: ashbytest.Options{Seed: 7, RetryScale: 0.001, RequestsPerMinute: 1 << 20}, perMinute: 1 << 19, modules: []string{"jobs"}, connections: 20}
	for _, c := range change {
		c(&set)
	}
	s := &system{t: t, logs: &logBuffer{}, reg: telemetry.NewRegistry()}
	s.sim = ashbytest.New(set.sim)
	s.ashby = httptest.NewServer(s.sim)
	t.Cleanup(func() { s.sim.Close(); s.ashby.CloseClientConnections(); s.ashby.Close() })
	s.startNATS(set.guarded)
	s.dbURL = localtest.Migrated(t)
	s.sql = openSQL(t, s.dbURL)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = config.Config{
		HTTPAddr: ln.Addr().String(), PublicURL: "http://" + ln.Addr().String(), AdminToken: adminToken,
		AshbyURL: s.ashby.URL, AllowPrivateAshby: true, AllowPrivateEndpoints: true, PollInterval: time.Hour,
		RequestsPerMinute: set.perMinute, Modules: set.modules, RecordEvents: set.records, LeaseTTL: 3 * time.Second,
		MetricsConnections: set.connections,
	}
	if set.guarded {
		s.cfg.NATSIssuer, s.cfg.NATSPublicURL = s.accounts.Issuer, s.nats.URL()
	}
	s.api = &api{t: t, base: s.cfg.PublicURL, token: adminToken, http: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	t.Cleanup(s.http.CloseIdleConnections)
	s.run(ln)
	return s
}

// run opens the parts and runs the three services until the test ends.
func (s *system) run(ln net.Listener) {
	t := s.t
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var closers []func()
	t.Cleanup(func() {
		cancel()
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	})
	log := slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	proxy, proxied := newPGProxy(t, s.dbURL)
	s.pg = proxy
	db, err := postgres.Open(ctx, postgres.Options{URL: proxied, MaxConns: 16, Logger: log, AllowUnsafeDurability: true, RecordEvents: s.cfg.RecordEvents})
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	closers = append(closers, func() { _ = db.Close() })
	keys, err := seal.Create(filepath.Join(t.TempDir(), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.parts = app.Parts{Config: s.cfg, DB: db, Keys: keys, Log: log, Registry: s.reg, Owner: "e2e", Connections: app.NewConnections(s.cfg.MetricsConnections)}
	connect := func(user string) *bus.Bus {
		b := s.connectBus(ctx, log, user)
		closers = append(closers, b.Close)
		return b
	}
	s.parts.Bus = connect(natsconf.UserSyncer)
	forGateway, forNotifier := s.parts, s.parts
	if s.accounts != nil { // else one serves all
		forGateway.Bus, forNotifier.Bus = connect(natsconf.UserGateway), connect(natsconf.UserNotifier)
	}
	g, err := app.Gateway(forGateway)
	if err != nil {
		t.Fatal(err)
	}
	n, err := app.Notifier(forNotifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := app.Webhooks(s.parts)
	if err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(ctx, ln) })
	group.Go(func() error { return n.Run(ctx) })
	group.Go(func() error { return w.Run(ctx) })
	s.startSyncer = func() { s.runSyncer(ctx) }
	s.startSyncer()
	closers = append(closers, func() {
		s.stopSyncer()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("a service failed: %v\n%s", err, s.logs.tail())
		}
	})
}

// startNATS runs a server until the test ends.
func (s *system) startNATS(guarded bool) {
	s.t.Helper()
	if !guarded {
		s.nats = localtest.NewRestartableNATS(s.t)
		return
	}
	accounts := bustest.NewAccounts(s.t)
	s.accounts = &accounts
	s.nats = localtest.NewGuardedNATS(s.t, &accounts.Accounts)
}

// natsURL lets the judges see everything.
func (s *system) natsURL() string {
	s.t.Helper()
	if s.accounts == nil {
		return s.nats.URL()
	}
	return s.accounts.As(s.t, s.nats.URL(), natsconf.UserAdmin)
}

// connectBus connects as a user, where NATS asks for one.
func (s *system) connectBus(ctx context.Context, log *slog.Logger, user string) *bus.Bus {
	s.t.Helper()
	url := s.nats.URL()
	if s.accounts != nil {
		url = s.accounts.As(s.t, url, user)
	}
	b, err := bus.Connect(ctx, bus.Options{
		URL: url, Name: "e2e " + user, Logger: log, Records: s.cfg.RecordEvents,
		MaxBytesJobs: 256 << 20, MaxBytesSpill: 64 << 20, MaxBytesRecords: 256 << 20,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// runSyncer runs a syncer until stopSyncer. Each is new: what the one before it knew in memory is lost, as in a crash.
func (s *system) runSyncer(ctx context.Context) {
	s.t.Helper()
	sy, err := app.Syncer(s.parts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.parts.Registry = telemetry.NewRegistry() // the metrics of one syncer fit into a registry
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return sy.Run(ctx) })
	s.stopSyncer = func() {
		cancel()
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("the syncer failed: %v\n%s", err, s.logs.tail())
		}
	}
}

// employer is a connected organisation.
type employer struct {
	id     string
	key    string
	secret string
	org    *ashbytest.Organization
	doc    connectionDoc
}

// connect registers an organisation of the simulator and makes its webhook settings.
func (s *system) connect(org *ashbytest.Organization, ref string) employer {
	s.t.Helper()
	e := s.register(org, org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge"}), ref)
	s.setUpByHand(e)
	return e
}

// setUpByHand makes the webhook settings as an administrator does in Ashby.
func (s *system) setUpByHand(e employer) {
	s.t.Helper()
	for action, url := range e.doc.WebhookSetup.URLs {
		if err := e.org.AddWebhook(action, url, e.secret); err != nil {
			s.t.Fatalf("adding the webhook %s: %v\n%s", action, err, s.logs.tail())
		}
	}
}

// register connects an organisation with modules beside jobs.
func (s *system) register(org *ashbytest.Organization, key, ref string, modules ...string) employer {
	s.t.Helper()
	r := s.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": ref, "employer_name": org.Name(), "api_key": key, "modules": append([]string{"jobs"}, modules...),
	})
	e := employer{key: key, org: org}
	r.decode(s.t, &e.doc)
	e.id, e.secret = e.doc.ID, e.doc.WebhookSetup.Secret
	return e
}

// synced waits for the end of the first synchronisation.
func (s *system) synced(e employer) {
	s.t.Helper()
	s.eventually("the first synchronisation ends", func() error {
		if s.connection(e.id).Sync.FirstSyncedAt == nil {
			return errors.New("not yet")
		}
		return nil
	})
}

// poll asks for a poll and waits until one that began afterwards is complete.
func (s *system) poll(e employer) {
	s.t.Helper()
	before := time.Now()
	s.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+e.id+"/sync", nil)
	s.eventually("the poll ends", func() error {
		sync := s.connection(e.id).Sync
		if sync.LastVerifiedAt == nil || sync.LastVerifiedAt.Before(before) {
			return fmt.Errorf("not yet: %+v", sync)
		}
		return nil
	})
}

// eventually waits until check returns nil.
func (s *system) eventually(what string, check func() error) {
	s.t.Helper()
	wait(s.t, what, check, s.logs.tail)
}

// wait looks at a condition until a deadline, after the first second less often; tail is shown when it fails.
func wait(t testing.TB, what string, check func() error, tail func() string) {
	t.Helper()
	eventually(t, patience, what, check, tail)
}

// eventually is wait for what may take longer.
func eventually(t testing.TB, patience time.Duration, what string, check func() error, tail func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for tries := 1; ; tries++ {
		if err = check(); err == nil {
			return
		}
		if tries == 50 {
			tick.Reset(100 * time.Millisecond)
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %s in vain until %s: %v\n%s", patience, what, err, tail())
		case <-tick.C:
		}
	}
}

// logBuffer keeps all that was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// tail is the end of the logs, for a failing test.
func (l *logBuffer) tail() string {
	all := l.bytes()
	if n := len(all) - 8<<10; n > 0 {
		all = all[n:]
	}
	return string(all)
}
