package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestSignedWebhookIsCommittedThenHinted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	a := b.deliver(e, postingUpdate("action-1", "posting-9"))
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := mirror.Delivery{
		Connection: e.ID, Action: "jobPostingUpdate", Dedupe: "action-1",
		Kind: mirror.HintKind(ashby.KindPosting), Object: "posting-9",
	}
	if got := b.store.stored(); len(got) != 1 || got[0] != want {
		t.Errorf("stored %+v", got)
	}
	eventually(t, "the hint", func() bool {
		return slices.Contains(b.bus.published(), want.Hint())
	})
	eventually(t, "the sighting", func() bool {
		s := b.store.sightings()
		return len(s) == 1 && s[0] == sighting{e.ID, "jobPostingUpdate", false}
	})
	// The setting's own address serves other actions too; the body's action counts.
	body := []byte(`{"action":"jobUpdate","webhookActionId":"action-2","data":{"job":{"id":"job-3"}}}`)
	if a := b.deliver(e, body); a.status != http.StatusOK || b.store.stored()[1].Action != "jobUpdate" ||
		b.store.stored()[1].Object != "job-3" {
		t.Errorf("%d, stored %+v", a.status, b.store.stored())
	}
	// Without an action in the path, and with a slash after it.
	for i, path := range []string{"/hooks/ashby/" + e.token, "/hooks/ashby/" + e.token + "/"} {
		r := hookRequest(e, postingUpdate(fmt.Sprint("action-", i+3), "p"))
		r.path = path
		if a := b.call(r); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	// Sightings are noted once a minute, not once a delivery.
	if n := len(b.store.sightings()); n > 2 {
		t.Errorf("%d sightings", n)
	}
	b.clock.add(time.Minute)
	b.deliver(e, postingUpdate("action-9", "p"))
	eventually(t, "another sighting a minute later", func() bool { return len(b.store.sightings()) == 3 })
}

// TestEveryRowOfTheWebhookTable holds the answers against what Ashby does with them.
func TestEveryRowOfTheWebhookTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	gone := b.connect("gone")
	b.call(request{method: "DELETE", path: "/v1/connections/" + gone.ID + "?jobs=keep"})
	b.clock.add(secretGrace + time.Second)
	body := postingUpdate("a1", "p1")
	forged := map[string]string{ashby.SignatureHeader: ashby.Sign(body, "whsec_forged")}
	hook := "/hooks/ashby/" + e.token + "/jobPostingUpdate"
	for name, c := range map[string]struct {
		path   string
		header map[string]string
		body   []byte
		status int
		name   string
	}{
		"unsigned":           {hook, nil, body, 401, "bad-signature"},
		"forged":             {hook, forged, body, 401, "bad-signature"},
		"malformed header":   {hook, map[string]string{ashby.SignatureHeader: "sha256=zz"}, body, 401, "bad-signature"},
		"unsigned, not JSON": {hook, nil, []byte("x"), 401, "bad-signature"},
		"empty":              {hook, nil, nil, 401, "bad-signature"},
		"unknown token":      {"/hooks/ashby/" + strings.Repeat("a", 48) + "/ping", nil, body, 404, "not-found"},
		"impossible token":   {"/hooks/ashby/x", nil, body, 404, "not-found"},
		"removed":            {"/hooks/ashby/" + gone.token, nil, body, 410, "removed"},
		"removed, forged":    {"/hooks/ashby/" + gone.token, forged, body, 410, "removed"},
		"gzip": {hook, map[string]string{
			"Content-Encoding":    "gzip",
			ashby.SignatureHeader: ashby.Sign(body, e.secret),
		}, body, 415, "encoded-body"},
		"identity":           {hook, map[string]string{"Content-Encoding": "identity"}, body, 415, "encoded-body"},
		"encoded as nothing": {hook, map[string]string{"Content-Encoding": ""}, body, 415, "encoded-body"},
	} {
		t.Run(name, func(t *testing.T) {
			b.call(request{method: "POST", path: c.path, header: c.header, body: c.body, anonymous: true}).
				problem(t, c.status, c.name)
		})
	}
	if stored := b.store.stored(); len(stored) != 0 {
		t.Errorf("a refused webhook was stored: %+v", stored)
	}
}

func TestBadSignatureIsTriedAgainForADayAfterANewSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	forged := e
	forged.secret = "whsec_other"
	b.clock.add(secretGrace - time.Second)
	b.deliver(forged, postingUpdate("a1", "p1")).problem(t, 503, "unavailable")
	b.clock.add(2 * time.Second)
	b.deliver(forged, postingUpdate("a1", "p1")).problem(t, 401, "bad-signature")
	b.call(request{method: "PATCH", path: "/v1/connections/" + e.ID, body: map[string]any{"rotate_webhook_secret": true}})
	b.deliver(forged, postingUpdate("a1", "p1")).problem(t, 503, "unavailable")
}

// TestSecretRotatedElsewhereWorksAtOnce: another process changed the secret, this one has the old one in its cache.
func TestSecretRotatedElsewhereWorksAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.deliver(e, postingUpdate("a1", "p1"))
	sealed, err := b.keyset.Seal("whsec_new", e.ID, "webhook_secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.Patch(t.Context(), e.ID, mirror.ConnectionPatch{WebhookSecret: sealed}); err != nil {
		t.Fatal(err)
	}
	e.secret = "whsec_new"
	if a := b.deliver(e, postingUpdate("a2", "p1")); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestPingTicksItsAction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	ping := []byte(`{"action":"ping","data":{"webhookActionType":"jobUpdate"}}`)
	signed := map[string]string{ashby.SignatureHeader: ashby.Sign(ping, e.secret)}
	wrong := map[string]string{ashby.SignatureHeader: ashby.Sign(ping, "whsec_other")}
	base := "/hooks/ashby/" + e.token
	for _, c := range []struct {
		path   string
		header map[string]string
		ticks  string
	}{
		{base + "/jobPostingUpdate", nil, "jobPostingUpdate"},
		{base + "/jobPostingPublish", signed, "jobPostingPublish"},
		{base, nil, "jobUpdate"},
		{base + "/nonsense", nil, "jobUpdate"},
		{base + "/jobCreate", wrong, ""},
	} {
		b.clock.add(pingEvery)
		before := len(b.store.sightings())
		a := b.call(request{method: "POST", path: c.path, header: c.header, body: ping, anonymous: true})
		got := b.store.sightings()[before:]
		if a.status != http.StatusOK || c.ticks == "" && len(got) != 0 ||
			c.ticks != "" && (len(got) != 1 || got[0] != sighting{e.ID, c.ticks, true}) {
			t.Errorf("%s: %d, ticked %v, want %q", c.path, a.status, got, c.ticks)
		}
	}
	if len(b.store.stored()) != 0 {
		t.Error("a ping was stored as a webhook")
	}
	// While the store is down, a setting that is saved now must not end up disabled.
	b.store.setDown(mirror.ErrUnavailable)
	b.clock.add(time.Minute)
	if a := b.call(request{method: "POST", path: base, header: wrong, body: ping, anonymous: true}); a.status != 200 {
		t.Errorf("store down: %d %s", a.status, a.body)
	}
}

func TestWhatTheBodyDoesNotTellLeadsToAPoll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	for i, c := range []struct {
		body, action, object string
		kind                 mirror.HintKind
	}{
		{`not json`, unknownAction, "", mirror.HintPoll},
		{`[]`, unknownAction, "", mirror.HintPoll},
		{`{"data":{}}`, unknownAction, "", mirror.HintPoll},
		{`{"action":7}`, unknownAction, "", mirror.HintPoll},
		{`{"action":"bad action!"}`, unknownAction, "", mirror.HintPoll},
		{`{"action":"jobPostingUpdate","data":{}}`, "jobPostingUpdate", "", mirror.HintPoll},
		{`{"action":"jobPostingUpdate","data":{"jobPosting":{"id":"../x"}}}`, "jobPostingUpdate", "", mirror.HintPoll},
		{`{"action":"takeHomeAssignmentSubmitted","data":{"application":{"id":"x"}}}`, "takeHomeAssignmentSubmitted", "", ""},
	} {
		if a := b.deliver(e, []byte(c.body)); a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", c.body, a.status, a.body)
		}
		stored := b.store.stored()
		if len(stored) != i+1 {
			t.Fatalf("%s was not stored", c.body)
		}
		d := stored[i]
		if d.Action != c.action || d.Kind != c.kind || d.Object != c.object || !strings.HasPrefix(d.Dedupe, "sha256:") {
			t.Errorf("%s stored as %+v", c.body, d)
		}
	}
	poll := mirror.Hint{Connection: e.ID, Kind: mirror.HintPoll}
	eventually(t, "a hint to poll", func() bool {
		for _, h := range b.bus.published() {
			if h == poll {
				return true
			}
		}
		return false
	})
	for _, h := range b.bus.published() {
		if h.Kind == "" {
			t.Errorf("a hint for an action that touches nothing: %+v", h)
		}
	}
	if text := exposition(t, b); !strings.Contains(text, `webhooks_total{outcome="unreadable"} 5`) ||
		!strings.Contains(text, `webhooks_total{outcome="uninteresting"} 1`) {
		t.Errorf("counted otherwise:\n%s", text)
	}
}

func TestWebhookIsNotTurnedAwayByATokenlessHeader(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	// Ashby sends no bearer token; a wrong one on a hook must not matter.
	r := hookRequest(e, postingUpdate("a1", "p1"))
	r.header["Authorization"] = "Bearer nonsense"
	if a := b.call(r); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}
