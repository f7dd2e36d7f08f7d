package gateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := New(Options{PublicURL: "bridge.example.com", Modules: []string{"offers"}, NATSIssuer: issuer})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{
		"Connections", "Jobs", "Records", "Holds", "Diary", "Settings", "Heart", "Webhooks", "Inbox", "Bus", "Probe", "Seal", "Logger", "Registerer",
		"AdminToken", "PublicURL", "Modules", "Subscribers", "Boards", "NATSURL", "Tokens", "Audit",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in: %v", name, err)
		}
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	held := b.store.behindAGate()
	// A connection that sends nothing must not hold the stop up.
	silent, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	inParallelThen(1, func(int) {
		if a, err := b.do(hookRequest(e, postingUpdate("a1", "p1"))); err != nil || a.status != http.StatusOK {
			t.Errorf("%d %s %v", a.status, a.body, err)
		}
	}, func() {
		<-held.entered
		b.stop()
		eventually(t, "not to be ready while draining", func() bool { return b.Ready(t.Context()) != nil })
		held.open <- nil
	})
	select {
	case err := <-b.stopped:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(4 * time.Second):
		t.Error("Run goes on")
	}
	if len(b.store.stored()) != 1 {
		t.Error("the webhook in flight was not committed")
	}
}

// Until a balancer has noticed that it is not ready any more, the gateway takes what comes, on new connections too, and
// has clients give up those that they keep.
func TestStopGoesOnServingForAMoment(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Notice = 300 * time.Millisecond })
	e := b.connect("acme")
	began := time.Now()
	b.stop()
	eventually(t, "not to be ready while it goes on serving", func() bool { return b.Ready(t.Context()) != nil })
	for i := 0; time.Since(began) < 200*time.Millisecond; i++ {
		b.client.CloseIdleConnections()
		a, err := b.do(hookRequest(e, postingUpdate(fmt.Sprint("a", i), "p1")))
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%d %s %v", a.status, a.body, err)
		}
		if !a.closes {
			t.Fatal("the client was not told to give the connection up")
		}
	}
	if err := <-b.stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > 3*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if _, err := b.do(hookRequest(e, postingUpdate("late", "p1"))); err == nil {
		t.Error("it still answers")
	}
}

func TestStopForcesWhatHangs(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{}, 1)
	b := setup(t, func(o *Options) {
		o.StopTimeout = 50 * time.Millisecond
		o.Jobs = hangingJobs{hanging}
	})
	inParallelThen(1, func(int) { _, _ = b.do(request{method: "GET", path: "/v1/jobs"}) }, func() {
		<-hanging
		b.stop()
		select {
		case err := <-b.stopped:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(4 * time.Second):
			t.Error("Run goes on")
		}
	})
}

// hangingJobs answers only when the request's context ends.
type hangingJobs struct{ entered chan struct{} }

func (h hangingJobs) Jobs(ctx context.Context, _ mirror.JobQuery) ([]mirror.JobState, error) {
	h.entered <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hangingJobs) Job(context.Context, string, string) ([]mirror.JobState, error) {
	return nil, errBoom
}

func TestRunFailsWhenItsListenerDoes(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context(), ln); err == nil {
		t.Error("Run says that all is well")
	}
}

// TestNoSecretIsLogged goes through everything that touches a secret and looks for each of them, as it is and encoded,
// in the log, the metrics and the answers.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	key := goodKey + "-acme"
	b.deliver(e, postingUpdate("a1", "p1"))
	forged := e
	forged.secret = "whsec_canary_forged"
	b.deliver(forged, postingUpdate("a2", "p1"))
	rotated := b.call(request{
		method: "PATCH", path: "/v1/connections/" + e.ID,
		body: map[string]any{"rotate_webhook_secret": true},
	})
	var c connectionJSON
	rotated.into(t, &c)
	b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(map[string]any{"api_key": "canary-wrong-key"})})
	b.call(request{method: "POST", path: "/v1/connections", body: []byte(`{"api_key":"canary-broken-json`)})
	b.call(request{method: "POST", path: "/v1/connections/check", body: map[string]any{"api_key": key}})
	b.call(request{method: "GET", path: "/v1/jobs?api_key=canary-in-query"})
	b.call(request{method: "GET", path: "/canary-in-path/" + e.token})
	b.call(request{method: "GET", path: "/v1/connections", header: map[string]string{"Authorization": "Bearer canary-token"}})
	shown := b.call(request{method: "GET", path: "/v1/connections"})
	b.store.setDown(fmt.Errorf("connecting: %w", mirror.ErrUnavailable))
	b.clock.add(time.Hour * 2)
	b.deliver(e, postingUpdate("a3", "p1"))
	b.call(request{method: "PATCH", path: "/v1/connections/" + e.ID, body: map[string]any{"api_key": key}})
	for where, text := range map[string]string{"log": b.logs.String(), "metrics": exposition(t, b), "answer": string(shown.body)} {
		secrets := []string{
			key, adminToken, e.secret.Reveal(), c.WebhookSetup.Secret, "canary-wrong-key",
			"canary-broken-json", "canary-in-query", "canary-in-path", "canary-token", "whsec_canary_forged",
		}
		if where != "answer" {
			secrets = append(secrets, e.token)
		}
		for _, secret := range secrets {
			for _, form := range []string{
				secret, base64.StdEncoding.EncodeToString([]byte(secret)),
				base64.StdEncoding.EncodeToString([]byte(secret + ":")), fmt.Sprintf("%x", secret),
			} {
				if strings.Contains(text, form) {
					t.Errorf("%s is in the %s", secret, where)
				}
			}
		}
	}
	// The judge must be able to find something.
	if log := b.logs.String(); !strings.Contains(log, e.ID) || !strings.Contains(log, `"route":"POST /hooks/ashby/:token/:action"`) ||
		!strings.Contains(log, `"outcome":"bad_signature_grace"`) {
		t.Errorf("the log lacks what it should have:\n%s", log)
	}
	if fmt.Sprint(ashby.Secret("x")) == "x" {
		t.Error("a Secret prints itself")
	}
}

func TestEveryOutcomeIsCountedFromTheStart(t *testing.T) {
	t.Parallel()
	text := exposition(t, prepare(t))
	for _, o := range outcomes {
		if !strings.Contains(text, `ashbridge_gateway_webhooks_total{outcome="`+string(o)+`"} 0`) {
			t.Errorf("%s is not there", o)
		}
	}
}
