package syncer

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// lab is a syncer, the real client and the simulator in a bubble of their own time: hours of outages, retries and polls
// pass in milliseconds. Store and bus are in memory; no request touches a network.
type lab struct {
	*bundle
	sim *ashbytest.Simulator
	org *ashbytest.Organization
	key string
	// hook takes the simulator's webhooks.
	hook *hook
	// own gives a syncer the real client; one that is started again needs it too.
	own func(*Options)
	// slow is how long an answer is under way at most, in nanoseconds; answers counts them.
	slow, answers atomic.Int64
	// wrap puts something between the syncer and the client.
	wrap func(AshbyClient) AshbyClient
	// change is what the test wants otherwise.
	change func(*Options)
}

// labAPI is where the simulator seems to lie.
const labAPI = "http://ashby.test"

// openLab is a lab whose organisation has postings; nothing is connected yet.
func openLab(t *testing.T, postings int, change ...func(*Options)) *lab {
	t.Helper()
	l := &lab{hook: &hook{}}
	l.sim = ashbytest.New(ashbytest.Options{Seed: 7, PageSize: 40, Transport: l.hook, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(l.sim.Close)
	l.org = l.sim.AddOrganization("acme", "Acme")
	l.org.Generate(postings)
	l.key = l.org.AddKey(ashbytest.KeyOptions{Scopes: allScopes})
	pace := map[ashby.Secret]*ashby.Pace{}
	var mu sync.Mutex
	l.own = func(o *Options) {
		o.NewClient = func(key ashby.Secret) (AshbyClient, error) {
			mu.Lock()
			defer mu.Unlock()
			if pace[key] == nil {
				pace[key] = ashby.NewPace(900)
			}
			c, err := ashby.NewClient(ashby.Options{
				BaseURL: labAPI, Key: key, HTTPClient: &http.Client{Transport: inside{l.sim, l.delay}, Timeout: time.Minute},
				Pace: pace[key], MaxTries: 2, MaxElapsed: 10 * time.Second, Observe: o.Metrics.ObserveRequest,
			})
			if l.wrap == nil || err != nil {
				return c, err
			}
			return l.wrap(c), nil
		}
	}
	l.change = func(o *Options) {
		for _, c := range change {
			c(o)
		}
	}
	l.bundle = setup(t, l.own, l.change)
	part := mirror.Part(conn)
	l.keepOnly(&part)
	l.hook.deliver = l.deliverWebhook
	return l
}

// keepOnly leaves but one partition, so that hours go by in less time; nil brings all of them back.
func (l *lab) keepOnly(part *int) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	l.only = part
}

// connectToo connects another one beside conn.
func (l *lab) connectToo(id, key string) {
	l.keepOnly(nil)
	l.connect(id, key)
	l.pass(10 * time.Second) // until its partition is taken
}

// allScopes are the permissions of every module.
var allScopes = func() []string {
	var scopes []string
	seen := map[string]bool{}
	for _, res := range ashby.Catalogue() {
		if !seen[res.Scope] {
			seen[res.Scope] = true
			scopes = append(scopes, res.Scope)
		}
	}
	return append(scopes, "apiKeys:read")
}()

// join connects the organisation, with the modules beside jobs, and lets the first synchronisation happen.
func (l *lab) join(modules ...string) {
	l.t.Helper()
	l.connect(conn, l.key)
	l.with(conn, func(a *account) { a.c.Modules = append([]string{moduleJobs}, modules...) })
	l.pass(time.Minute)
	if l.sync().FirstSyncedAt == nil {
		l.t.Fatalf("no first synchronisation: %q", l.sync().LastError)
	}
}

// withWebhooks has the organisation send webhooks of all modules.
func (l *lab) withWebhooks() {
	l.t.Helper()
	for _, action := range ashby.WebhookActions(ashby.Modules()...) {
		if err := l.org.AddWebhook(action, "http://board.test/"+action, "secret"); err != nil {
			l.t.Fatal(err)
		}
	}
}

// deliverWebhook commits a webhook and gives its hint, as the gateway does.
func (l *lab) deliverWebhook(body []byte) {
	w, err := ashby.ParseWebhook(body)
	if err != nil || w.Ping || !w.Known {
		return
	}
	h := mirror.Hint{Connection: conn, Kind: mirror.HintKind(w.Kind), ID: w.ObjectID}
	if w.ObjectID == "" {
		h.Kind = mirror.HintPoll
	}
	l.deliver(h)
	_ = l.bus.PublishHint(l.t.Context(), h)
}

// truth compares the listings and the events with the simulator: P2, P3 and P8.
func (l *lab) truth() {
	l.t.Helper()
	for _, fault := range l.untrue() {
		l.t.Error(fault)
	}
}

// untrue says in which ways the copy differs from the simulator.
func (l *lab) untrue() []string {
	return differences(l.world, conn, l.org)
}

// inLab runs a test with a lab in time of its own.
func inLab(t *testing.T, postings int, test func(t *testing.T, l *lab)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, openLab(t, postings)) })
}

// delay is how long an answer that was made is under way: none, the half or the whole of slow, in turns, so that answers
// overtake each other.
func (l *lab) delay() time.Duration {
	return time.Duration(l.slow.Load()) * time.Duration(l.answers.Add(7)%3) / 2
}

// inside hands requests to a handler without a network.
type inside struct {
	h http.Handler
	// delay is how long an answer is under way.
	delay func() time.Duration
}

// RoundTrip runs the handler in a goroutine of its own, as a server does, and gives up with the request's context.
func (i inside) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if gone := recover(); gone != nil {
				ended <- io.ErrUnexpectedEOF
				return
			}
			ended <- nil
		}()
		i.h.ServeHTTP(rec, req)
	}()
	var cut error
	select {
	case cut = <-ended:
	case <-req.Context().Done():
		<-ended //nolint:errcheck // the request is over whatever came of it
		return nil, req.Context().Err()
	}
	if i.delay != nil {
		if err := loop.Sleep(req.Context(), i.delay()); err != nil {
			return nil, err
		}
	}
	if cut != nil && rec.Body.Len() == 0 {
		return nil, cut
	}
	resp := rec.Result()
	if cut != nil {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(rec.Body.Bytes()), broken{cut}))
	}
	return resp, nil
}

// broken is the rest of a body whose connection was cut.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// hook receives webhooks.
type hook struct {
	mu      sync.Mutex
	down    bool
	deliver func(body []byte)
}

var errRefused = errors.New("connection refused")

// setDown makes the receiver unreachable, or reachable again.
func (h *hook) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func (h *hook) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	down, deliver := h.down, h.deliver
	h.mu.Unlock()
	if down {
		return nil, errRefused
	}
	deliver(body)
	rec := httptest.NewRecorder()
	rec.WriteHeader(http.StatusOK)
	return rec.Result(), nil
}
