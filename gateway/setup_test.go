package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/schema"
)

const (
	adminToken = "canary-admin-token-5b1c"
	goodKey    = "canary-ashby-key-0123456789abcdef"
	publicURL  = "https://bridge.example.com/in"
	natsURL    = "nats://nats.example.com:4222"
	issuer     = "canary-issuer-seed-77a0"
)

// bundle is a running gateway with its surroundings.
type bundle struct {
	*Gateway
	t        *testing.T
	store    *fakeStore
	bus      *fakeBus
	boards   *fakeBoards
	prober   *fakeProber
	admins   *fakeAdmins
	courier  *fakeCourier
	clock    *fakeClock
	registry *prometheus.Registry
	keyset   *seal.Keyset
	logs     *logBuffer
	addr     string
	client   *http.Client
	stop     context.CancelFunc
	stopped  chan error
}

type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// prepare makes a gateway that does not run yet.
func prepare(t *testing.T, change ...func(*Options)) *bundle {
	t.Helper()
	keyset, err := seal.Create(filepath.Join(t.TempDir(), "keyset"))
	if err != nil {
		t.Fatal(err)
	}
	clock := &fakeClock{t: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	b := &bundle{
		t: t, clock: clock, store: newFakeStore(clock.now), bus: &fakeBus{}, boards: newFakeBoards(clock.now), keyset: keyset,
		registry: prometheus.NewRegistry(), prober: &fakeProber{answers: map[string]probeAnswer{}},
		admins: newFakeAdmins(), courier: &fakeCourier{}, logs: &logBuffer{}, stopped: make(chan error, 1),
	}
	b.prober.set(goodKey, probeAnswer{report: okReport(), postings: []string{"posting-1", "posting-2"}})
	o := Options{
		Connections: b.store, Jobs: b.store, Records: b.store, Holds: b.store, Diary: b.store, Settings: b.store, Heart: b.store,
		Inbox: b.store, Feeds: b.store, Tokens: b.store, Audit: b.store, Bus: b.bus, Probe: b.prober, Webhooks: b.admins.of, Seal: keyset,
		Receivers: b.store, SendWebhook: b.courier.send,
		PublicURL: publicURL, AdminToken: adminToken, Now: clock.now, Registerer: b.registry,
		Logger:      slog.New(slog.NewJSONHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		StopTimeout: 2 * time.Second,
	}
	o.Subscribers, o.Boards, o.NATSIssuer, o.NATSURL = b.boards, b.boards, issuer, natsURL
	for _, f := range change {
		f(&o)
	}
	if b.Gateway, err = New(o); err != nil {
		t.Fatal(err)
	}
	b.spill.every = 5 * time.Millisecond
	return b
}

// setup makes a gateway that runs until the test ends.
func setup(t *testing.T, change ...func(*Options)) *bundle {
	t.Helper()
	b := prepare(t, change...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.addr, b.stop = ln.Addr().String(), cancel
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	b.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	var run sync.WaitGroup
	run.Go(func() { b.stopped <- b.Run(ctx, ln) })
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		run.Wait()
		select {
		case err := <-b.stopped:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		default: // the test has looked at it
		}
	})
	return b
}

func okReport() mirror.Report {
	return mirror.Report{
		OK: true, KeyTitle: "Job board", ProbedBy: "apiKey.info",
		Permissions: []mirror.Permission{{
			Module: "Jobs", Access: "read", Scope: "jobs:read", State: mirror.Granted,
			Required: true, Why: "Reads jobs.",
		}},
	}
}

// answer is an HTTP answer with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
	// closes says that the connection is not to be used again.
	closes bool
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("decoding %s: %v", a.body, err)
	}
}

// problem checks that the answer is the given problem and returns it.
func (a answer) problem(t *testing.T, status int, name string) problem {
	t.Helper()
	var p problem
	if a.status != status || a.header.Get("Content-Type") != problemMedia {
		t.Fatalf("got %d %s %s, want %d %s", a.status, a.header.Get("Content-Type"), a.body, status, name)
	}
	a.into(t, &p)
	if p.Type != problemPrefix+name || p.Status != status || p.Title == "" || p.Detail == "" ||
		p.RequestID != a.header.Get("X-Request-Id") {
		t.Fatalf("got problem %s, want %s", a.body, name)
	}
	if (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) != (a.header.Get("Retry-After") != "") {
		t.Errorf("%d with Retry-After %q", status, a.header.Get("Retry-After"))
	}
	return p
}

// request is a call to make.
type request struct {
	method, path string
	body         any // marshalled, unless it is []byte or nil
	header       map[string]string
	anonymous    bool
}

// do makes a call and holds the answer against the OpenAPI document. It may be called from any goroutine.
func (b *bundle) do(r request) (answer, error) {
	var body []byte
	switch v := r.body.(type) {
	case nil:
	case []byte:
		body = v
	default:
		var err error
		if body, err = json.Marshal(v); err != nil {
			return answer{}, err
		}
	}
	req, err := http.NewRequestWithContext(b.t.Context(), r.method, "http://"+b.addr+r.path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !r.anonymous {
		req.Header.Set("Authorization", "Bearer "+adminToken)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	res, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, header: res.Header, closes: res.Close}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		return a, err
	}
	b.meetFakes()
	res.Body = io.NopCloser(bytes.NewReader(a.body))
	validateAnswer(b.t, req, res, a.body)
	return a, nil
}

// meetFakes puts what the handler did to the fakes before what the test does next in the eyes of the race detector. Long
// answers are sent by writev, which it does not know.
func (b *bundle) meetFakes() {
	for _, mu := range []*sync.Mutex{&b.store.mu, &b.bus.mu, &b.prober.mu, &b.admins.mu, &b.boards.mu, &b.courier.mu} {
		mu.Lock()
		mu.Unlock() //nolint:staticcheck // the meeting is all
	}
}

func (b *bundle) call(r request) answer {
	b.t.Helper()
	a, err := b.do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

var document = sync.OnceValues(func() (validator.Validator, error) {
	doc, err := libopenapi.NewDocument(schema.OpenAPI())
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

var validating sync.Mutex

// validateAnswer checks an answer against the document, except those to paths and methods that are not in it.
func validateAnswer(t *testing.T, req *http.Request, res *http.Response, body []byte) {
	t.Helper()
	v, err := document()
	if err != nil {
		t.Error(err)
		return
	}
	if bytes.Contains(body, []byte("no-such-path")) || bytes.Contains(body, []byte("method-not-allowed")) {
		return
	}
	validating.Lock()
	defer validating.Unlock()
	if ok, faults := v.ValidateHttpResponse(req, res); !ok {
		for _, f := range faults {
			t.Errorf("%s %s answered %d against the document: %s: %s %v", req.Method, req.URL.Path, res.StatusCode,
				f.Message, f.Reason, f.SchemaValidationErrors)
		}
	}
}

// employer is a connected employer.
type employer struct {
	connectionJSON
	secret ashby.Secret
	token  string
}

// connect registers an employer with a key of its own.
func (b *bundle) connect(ref string) employer {
	b.t.Helper()
	key := goodKey + "-" + ref
	b.prober.set(key, probeAnswer{report: okReport(), postings: []string{ref + "-posting"}})
	a := b.call(request{method: "POST", path: "/v1/connections", body: map[string]any{
		"employer_ref": ref, "employer_name": "Employer " + ref, "api_key": key,
	}})
	if a.status != http.StatusCreated {
		b.t.Fatalf("connecting: %d %s", a.status, a.body)
	}
	var e employer
	a.into(b.t, &e.connectionJSON)
	e.secret = ashby.Secret(e.WebhookSetup.Secret)
	path, ok := strings.CutPrefix(e.WebhookSetup.URLs["jobPostingUpdate"], publicURL+"/hooks/ashby/")
	if !ok {
		b.t.Fatalf("webhook URLs: %v", e.WebhookSetup.URLs)
	}
	e.token, _, _ = strings.Cut(path, "/")
	return e
}

// deliver sends a signed webhook.
func (b *bundle) deliver(e employer, body []byte) answer {
	b.t.Helper()
	return b.call(hookRequest(e, body))
}

func hookRequest(e employer, body []byte) request {
	return request{
		method: "POST", path: "/hooks/ashby/" + e.token + "/jobPostingUpdate", body: body, anonymous: true,
		header: map[string]string{ashby.SignatureHeader: ashby.Sign(body, e.secret)},
	}
}

func postingUpdate(actionID, posting string) []byte {
	return []byte(`{"action":"jobPostingUpdate","webhookActionId":"` + actionID +
		`","data":{"jobPosting":{"id":"` + posting + `","title":"x"}}}`)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// newBoard is a board's server that answers what it is told to.
func newBoard(t *testing.T, answer func(body []byte, h http.Header) int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer(body, r.Header))
	}))
	t.Cleanup(s.Close)
	return s.URL
}
