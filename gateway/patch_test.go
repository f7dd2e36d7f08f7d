package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

func TestPatchChangesWhatItNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	path := "/v1/connections/" + e.ID
	a := b.call(request{method: "PATCH", path: path, body: map[string]any{
		"employer_name": "New", "poll_interval": "30m",
		"paused": true, "api_key": nil,
	}})
	var c connectionJSON
	a.into(t, &c)
	if a.status != http.StatusOK || c.EmployerName != "New" || c.PollInterval != "30m" || c.Status != mirror.StatusPaused ||
		c.WebhookSetup.Secret != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.call(request{method: "PATCH", path: path, body: map[string]any{"paused": false}})
	eventually(t, "a hint to poll after resuming", func() bool {
		// The registration's own hint may come after it: hints have no order.
		return slices.Contains(b.bus.published(), mirror.Hint{Connection: e.ID, Kind: mirror.HintPoll})
	})
	for _, body := range []map[string]any{
		{},
		{"rotate_webhook_secret": false},
		{"employer_ref": "x"},
		{"employer_name": ""},
		{"paused": "yes"},
		{"poll_interval": "1s"},
		{"api_key": ""},
	} {
		b.call(request{method: "PATCH", path: path, body: body}).problem(t, 400, "invalid-request")
	}
	b.call(request{method: "PATCH", path: "/v1/connections/none", body: map[string]any{"paused": true}}).
		problem(t, 404, "not-found")
}

func TestReplacedKeyIsProbedFirstAndOfTheSameOrganization(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e, other := b.connect("acme"), b.connect("other")
	b.store.change(func() { b.store.conns[e.ID].postings = []string{"p1", "p2"} })
	weak := okReport()
	weak.OK = false
	b.prober.set("weak-key", probeAnswer{report: weak})
	b.prober.set("down-key", probeAnswer{err: ashby.ErrUnavailable})
	b.prober.set("foreign-key", probeAnswer{report: okReport(), postings: []string{"x1"}})
	b.prober.set("new-key-0123456789", probeAnswer{report: okReport(), postings: []string{"p2", "p3"}})
	b.prober.set("empty-key", probeAnswer{report: okReport()})
	path := "/v1/connections/" + e.ID
	before := b.store.conns[e.ID].Key
	for _, c := range []struct {
		key    string
		status int
		name   string
	}{
		{"wrong-key", 422, "wrong-key"},
		{"weak-key", 422, "missing-permission"},
		{"down-key", 502, "ashby-unavailable"},
		{"foreign-key", 409, "other-organization"},
		{"empty-key", 409, "other-organization"},
		{goodKey + "-other", 409, "duplicate-key"},
	} {
		b.call(request{method: "PATCH", path: path, body: map[string]any{"api_key": c.key}}).problem(t, c.status, c.name)
	}
	if string(b.store.conns[e.ID].Key) != string(before) {
		t.Fatal("a refused key replaced the old one")
	}
	// A connection that mirrors nothing takes a key that shows nothing.
	for connection, key := range map[string]string{e.ID: "new-key-0123456789", other.ID: "empty-key"} {
		a := b.call(request{method: "PATCH", path: "/v1/connections/" + connection, body: map[string]any{"api_key": key}})
		stored, err := b.keyset.Open(b.store.conns[connection].Key, connection, seal.KindAPIKey)
		if a.status != http.StatusOK || err != nil || stored.Reveal() != key {
			t.Errorf("%s: %d %s, stored %v", key, a.status, a.body, err)
		}
	}
	// The same key again is no duplicate of itself.
	if a := b.call(request{method: "PATCH", path: path, body: map[string]any{"api_key": "new-key-0123456789"}}); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestRenameAsksForAPollUnlessPaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e, paused := b.connect("acme"), b.connect("paused")
	b.call(request{method: "PATCH", path: "/v1/connections/" + paused.ID, body: map[string]any{"paused": true}})
	for _, c := range []struct {
		connection string
		body       map[string]any
	}{
		{paused.ID, map[string]any{"employer_name": "New"}},
		{e.ID, map[string]any{"poll_interval": "2h"}},
		{e.ID, map[string]any{"employer_name": "New"}},
	} {
		if a := b.call(request{method: "PATCH", path: "/v1/connections/" + c.connection, body: c.body}); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	var polls []mirror.Hint
	eventually(t, "a hint to poll after the rename", func() bool {
		polls = slices.DeleteFunc(b.bus.published(), func(h mirror.Hint) bool { return h.Kind != mirror.HintPoll })
		return len(polls) > 0
	})
	if len(polls) != 1 || polls[0].Connection != e.ID {
		t.Errorf("hints to poll %v", polls)
	}
}

func TestRotatedSecretWorksAtOnceAndTheOldOneStill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	if a := b.deliver(e, postingUpdate("a1", "p1")); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := b.call(request{
		method: "PATCH", path: "/v1/connections/" + e.ID,
		body: map[string]any{"rotate_webhook_secret": true},
	})
	var c connectionJSON
	a.into(t, &c)
	rotated := e
	rotated.secret = ashby.Secret(c.WebhookSetup.Secret)
	if rotated.secret == "" || rotated.secret == e.secret {
		t.Fatalf("%s", a.body)
	}
	for i, who := range []employer{rotated, e} {
		if a := b.deliver(who, postingUpdate(fmt.Sprint("b", i), "p1")); a.status != http.StatusOK {
			t.Errorf("secret %d: %d %s", i, a.status, a.body)
		}
	}
}

func TestRotatedSecretIsNotLostWhenTheStoreFailsAfterwards(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Connections = failingView{o.Connections, new(atomic.Int32)} })
	e := b.connect("acme")
	a := b.call(request{
		method: "PATCH", path: "/v1/connections/" + e.ID,
		body: map[string]any{"rotate_webhook_secret": true, "employer_name": "New"},
	})
	var c connectionJSON
	a.into(t, &c)
	if a.status != http.StatusOK || c.WebhookSetup.Secret == "" || c.EmployerName != "New" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// failingView reads a connection once.
type failingView struct {
	Connections
	views *atomic.Int32
}

func (f failingView) View(ctx context.Context, id string) (mirror.View, error) {
	if f.views.Add(1) > 1 {
		return mirror.View{}, errors.New("gone away")
	}
	return f.Connections.View(ctx, id)
}
