// Package e2e runs the whole of Ashbridge and judges it by its promises: real Postgres, real NATS, all three services,
// the simulator as Ashby.
package e2e

import (
	"bytes"
	"context"
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

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
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
	// dbURL is the database itself, pg what stands between it and the system.
	dbURL string
	pg    *pgProxy
	nats  *localtest.RestartableNATS
	logs  *logBuffer
	reg   *prometheus.Registry
	cfg   config.Config
	*api
}

type settings struct {
	sim       ashbytest.Options
	perMinute int
}

// start runs a whole system and stops it at the test's end.
func start(t testing.TB, change ...func(*settings)) *system {
	t.Helper()
	set := settings{sim: ashbytest.Options{Seed: 7, RetryScale: 0.001, RequestsPerMinute: 1 << 20}, perMinute: 1 << 19}
	for _, c := range change {
		c(&set)
	}
	s := &system{t: t, logs: &logBuffer{}, reg: telemetry.NewRegistry()}
	s.sim = ashbytest.New(set.sim)
	s.ashby = httptest.NewServer(s.sim)
	t.Cleanup(func() { s.sim.Close(); s.ashby.CloseClientConnections(); s.ashby.Close() })
	s.nats = localtest.NewRestartableNATS(t)
	s.dbURL = localtest.Database(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = config.Config{
		HTTPAddr: ln.Addr().String(), PublicURL: "http://" + ln.Addr().String(), AdminToken: adminToken,
		AshbyURL: s.ashby.URL, AllowPrivateAshby: true, PollInterval: time.Hour,
		RequestsPerMinute: set.perMinute, Modules: []string{"jobs"}, LeaseTTL: 3 * time.Second,
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
	db, err := postgres.Open(ctx, postgres.Options{URL: proxied, MaxConns: 16, Logger: log, AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	closers = append(closers, func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Create(filepath.Join(t.TempDir(), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(ctx, bus.Options{URL: s.nats.URL(), Name: "e2e", Logger: log, MaxBytesJobs: 256 << 20, MaxBytesSpill: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	closers = append(closers, b.Close)
	parts := app.Parts{Config: s.cfg, DB: db, Bus: b, Keys: keys, Log: log, Registry: s.reg, Owner: "e2e"}
	g, err := app.Gateway(parts)
	if err != nil {
		t.Fatal(err)
	}
	sy, err := app.Syncer(parts)
	if err != nil {
		t.Fatal(err)
	}
	n, err := app.Notifier(parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(ctx, ln) })
	group.Go(func() error { return sy.Run(ctx) })
	group.Go(func() error { return n.Run(ctx) })
	closers = append(closers, func() {
		if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("a service failed: %v\n%s", err, s.logs.tail())
		}
	})
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
	key := org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge"})
	e := s.register(org, key, ref)
	for action, url := range e.doc.WebhookSetup.URLs {
		if err := org.AddWebhook(action, url, e.secret); err != nil {
			s.t.Fatalf("adding the webhook %s: %v\n%s", action, err, s.logs.tail())
		}
	}
	return e
}

func (s *system) register(org *ashbytest.Organization, key, ref string) employer {
	s.t.Helper()
	r := s.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": ref, "employer_name": org.Name(), "api_key": key,
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

// wait polls a condition until a deadline; tail is shown when it fails.
func wait(t testing.TB, what string, check func() error, tail func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		if err = check(); err == nil {
			return
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
