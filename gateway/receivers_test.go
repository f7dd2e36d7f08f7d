package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const boardURL = "https://board.example.com/hooks/canary-path-token-77aa"

func (b *bundle) endpoint(body map[string]any) receiverJSON {
	b.t.Helper()
	a := b.call(request{method: "POST", path: "/v1/endpoints", body: body})
	if a.status != http.StatusCreated {
		b.t.Fatalf("creating an endpoint: %d %s", a.status, a.body)
	}
	var r receiverJSON
	a.into(b.t, &r)
	if a.header.Get("Location") != "/v1/endpoints/"+r.ID || !strings.HasPrefix(r.ID, "ep_") {
		b.t.Errorf("%s at %s", r.ID, a.header.Get("Location"))
	}
	return r
}

// act calls something of an endpoint and decodes the answer.
func (b *bundle) act(method, path string, body any, want int, into any) {
	b.t.Helper()
	a := b.call(request{method: method, path: "/v1/endpoints/" + path, body: body})
	if a.status != want {
		b.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if into != nil {
		a.into(b.t, into)
	}
}

// stored opens the secret that the store has of an endpoint.
func (b *bundle) stored(id string) (current string, sealed mirror.Sealed) {
	b.t.Helper()
	v, err := b.store.Receiver(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := b.keyset.Open(v.Secret, id, seal.KindEndpointSecret)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Reveal(), v.Secret
}

func TestEndpointIsMadeShownAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	r := b.endpoint(map[string]any{"url": " " + boardURL, "description": "Our board", "employers": []string{e.ID, e.ID}})
	if r.URL != boardURL || r.Status != "active" || len(r.Employers) != 1 || r.Employers[0] != e.ID || r.Replayed != nil ||
		r.PreviousSecretUntil != nil {
		t.Errorf("made %+v", r)
	}
	secret, sealed := b.stored(r.ID)
	if secret != r.Secret || !strings.HasPrefix(secret, "whsec_") || bytes.Contains(sealed, []byte(secret)) {
		t.Error("the secret shown is not the one that is stored, sealed")
	}
	var shown receiverJSON
	b.act("GET", r.ID, nil, 200, &shown)
	if shown.Secret != "" || shown.URL != boardURL || shown.Description != "Our board" {
		t.Errorf("shown %+v", shown)
	}
	b.act("DELETE", r.ID, nil, 204, nil)
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", r.ID, nil},
		{"DELETE", r.ID, nil},
		{"PATCH", r.ID, map[string]any{"description": "x"}},
		{"POST", r.ID + "/rotate", nil},
		{"POST", r.ID + "/test", nil},
		{"POST", r.ID + "/pause", nil},
		{"POST", r.ID + "/resume", nil},
		{"POST", r.ID + "/replay", map[string]any{"failed": true}},
		{"GET", r.ID + "/deliveries", nil},
		{"GET", "ep_nonsense", nil},
	} {
		b.call(request{method: c.method, path: "/v1/endpoints/" + c.path, body: c.body}).problem(t, 404, "not-found")
	}
	if b.bus.webhookWakes != 2 {
		t.Errorf("the sender was woken %d times", b.bus.webhookWakes)
	}
	for _, canary := range []string{r.Secret, "canary-path-token"} {
		if strings.Contains(b.logs.String(), canary) {
			t.Errorf("%s is in the log", canary)
		}
	}
}

func TestEndpointIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	good := func(change map[string]any) map[string]any {
		body := map[string]any{"url": boardURL}
		for k, v := range change {
			body[k] = v
		}
		return body
	}
	for _, c := range []struct {
		body  any
		field string
	}{
		{map[string]any{}, "url"},
		{good(map[string]any{"url": "http://board.example.com"}), "url"},
		{good(map[string]any{"url": "https://127.0.0.1/"}), "url"},
		{good(map[string]any{"url": "https://u:p@board.example.com/"}), "url"},
		{good(map[string]any{"employers": []string{}}), "employers"},
		{good(map[string]any{"employers": "all"}), "employers"},
		{good(map[string]any{"employers": []string{"a b"}}), "employers"},
		{good(map[string]any{"secret": "whsec_short"}), "secret"},
		{good(map[string]any{"secret": "0123456789abcdef0123456789abcdef"}), "secret"},
		{good(map[string]any{"description": strings.Repeat("x", 1001)}), "description"},
		{good(map[string]any{"snapshot": "yes"}), "snapshot"},
		{good(map[string]any{"events": []string{"job.closed"}}), "events"},
		{[]byte("[]"), ""},
	} {
		p := b.call(request{method: "POST", path: "/v1/endpoints", body: c.body}).problem(t, 400, "invalid-request")
		if len(p.Errors) != 1 || p.Errors[0].Field != c.field {
			t.Errorf("%v: %+v", c.body, p.Errors)
		}
	}
	b.call(request{method: "POST", path: "/v1/endpoints", body: good(map[string]any{"employers": []string{e.ID, "nobody"}})}).
		problem(t, 422, "unknown-employers")
	if len(b.store.receivers) != 0 {
		t.Error("something was stored")
	}
	b.call(request{method: "GET", path: "/v1/endpoints", anonymous: true}).problem(t, 401, "unauthorized")
}

func TestEndpointIsChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	r := b.endpoint(map[string]any{"url": boardURL, "secret": "whsec_" + strings.Repeat("QUJD", 8)})
	if r.Secret != "whsec_"+strings.Repeat("QUJD", 8) {
		t.Error("the secret given is not the one in use")
	}
	var got receiverJSON
	b.act("PATCH", r.ID, map[string]any{"employers": []string{e.ID}, "description": "New"}, 200, &got)
	if got.URL != boardURL || len(got.Employers) != 1 || got.Description != "New" {
		t.Errorf("%+v", got)
	}
	b.act("PATCH", r.ID, map[string]any{"url": "https://other.example.com:8443/x"}, 200, &got)
	if got.URL != "https://other.example.com:8443/x" || len(got.Employers) != 1 {
		t.Errorf("%+v", got)
	}
	got = receiverJSON{}
	b.act("PATCH", r.ID, map[string]any{"employers": nil}, 200, &got)
	if got.Employers != nil || got.Description != "New" {
		t.Errorf("%+v", got)
	}
	for _, body := range []map[string]any{
		{}, {"url": "ftp://x.example.com"}, {"employers": []string{}}, {"secret": "x"}, {"status": "paused"},
	} {
		b.call(request{method: "PATCH", path: "/v1/endpoints/" + r.ID, body: body}).problem(t, 400, "invalid-request")
	}
}

func TestSecretIsRotated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.endpoint(map[string]any{"url": boardURL})
	var rotated receiverJSON
	b.act("POST", r.ID+"/rotate", nil, 200, &rotated)
	if rotated.Secret == r.Secret || rotated.PreviousSecretUntil == nil ||
		!rotated.PreviousSecretUntil.Equal(b.clock.now().Add(24*time.Hour)) {
		t.Errorf("rotated to %+v", rotated)
	}
	own := "whsec_" + strings.Repeat("MTIz", 8)
	// The answer has the secret even if the store does not answer any more: it is stored.
	b.store.change(func() { b.store.receiverErr, b.store.readsLeft = errBoom, 1 })
	b.act("POST", r.ID+"/rotate", map[string]any{"secret": own}, 200, &rotated)
	b.store.change(func() { b.store.receiverErr = nil })
	if stored, _ := b.stored(r.ID); rotated.Secret != own || stored != own || rotated.PreviousSecretUntil == nil {
		t.Errorf("rotated to %+v", rotated)
	}
	b.clock.add(25 * time.Hour)
	rotated = receiverJSON{}
	b.act("GET", r.ID, nil, 200, &rotated)
	if rotated.PreviousSecretUntil != nil || rotated.Secret != "" {
		t.Errorf("a day later %+v", rotated)
	}
	b.call(request{method: "POST", path: "/v1/endpoints/" + r.ID + "/rotate", body: map[string]any{"secret": "x"}}).
		problem(t, 400, "invalid-request")
}

func TestEndpointIsTested(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.endpoint(map[string]any{"url": boardURL})
	var rotated receiverJSON
	b.act("POST", r.ID+"/rotate", nil, 200, &rotated)
	b.act("POST", r.ID+"/pause", nil, 200, nil) // a paused one can be tested
	b.courier.result = courier.Result{Attempt: mirror.Attempt{At: b.clock.now(), Status: 200, Millis: 12}}
	busy := make(chan answer, 1)
	b.courier.during = func() {
		a, err := b.do(request{method: "POST", path: "/v1/endpoints/" + r.ID + "/test"})
		if err != nil {
			t.Error(err)
		}
		busy <- a
	}
	var got testJSON
	b.act("POST", r.ID+"/test", nil, 200, &got)
	(<-busy).problem(t, 409, "busy")
	if !got.Delivered || got.Status != 200 || got.Millis != 12 || got.WebhookID == "" {
		t.Errorf("%+v", got)
	}
	if len(b.courier.sent) != 1 {
		t.Fatalf("%d messages were sent", len(b.courier.sent))
	}
	m := b.courier.sent[0]
	if m.URL != boardURL || m.ID != got.WebhookID || len(m.Secrets) != 2 || m.Secrets[0].Reveal() != rotated.Secret ||
		m.Secrets[1].Reveal() != r.Secret {
		t.Errorf("sent to %s with %d secrets", m.URL, len(m.Secrets))
	}
	var e events.Event
	if err := json.Unmarshal(m.Body, &e); err != nil || e.Type != events.EndpointTest || e.ID != m.ID || e.Subject != r.ID {
		t.Errorf("sent %s", m.Body)
	}
	b.clock.add(25 * time.Hour)
	b.courier.during = nil
	b.courier.result = courier.Result{Attempt: mirror.Attempt{
		At: b.clock.now(), Status: 500, Error: courier.ErrorServer, Detail: "The endpoint answered 500.", Answer: "oops",
	}}
	b.act("POST", r.ID+"/test", nil, 200, &got)
	if got.Delivered || got.Error != "server" || got.Answer != "oops" || len(b.courier.sent[1].Secrets) != 1 {
		t.Errorf("%+v", got)
	}
}

// The whole way with the real courier: the test that a person makes is verified by the specification's own library.
func TestTestIsSignedByTheStandard(t *testing.T) {
	t.Parallel()
	var secret string
	board := newBoard(t, func(body []byte, h http.Header) int {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil || wh.VerifyIgnoringTimestamp(body, h) != nil {
			return http.StatusUnauthorized
		}
		return http.StatusNoContent
	})
	b := setup(t, func(o *Options) {
		o.SendWebhook, o.AllowPrivateEndpoints = courier.New(courier.Options{AllowPrivate: true}).Send, true
	})
	r := b.endpoint(map[string]any{"url": board})
	secret = r.Secret
	var got testJSON
	b.act("POST", r.ID+"/test", nil, 200, &got)
	if !got.Delivered || got.Status != 204 {
		t.Errorf("%+v", got)
	}
	secret = courier.NewSecret().Reveal()
	b.act("POST", r.ID+"/test", nil, 200, &got)
	if got.Delivered || got.Status != 401 || got.Error != courier.ErrorRefused {
		t.Errorf("with another secret: %+v", got)
	}
}

func TestEndpointIsPausedResumedAndReplayedTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.endpoint(map[string]any{"url": boardURL, "snapshot": true})
	if r.Replayed == nil || r.Replayed.Queued != 7 || b.store.replays[0] != (mirror.Replay{Snapshot: true, OpenOnly: true}) {
		t.Errorf("%+v %+v", r.Replayed, b.store.replays)
	}
	var got receiverJSON
	b.act("POST", r.ID+"/pause", map[string]any{"reason": "Moving house"}, 200, &got)
	if got.Status != "paused" || got.StatusCode != "requested" || got.StatusReason != "Moving house" {
		t.Errorf("%+v", got)
	}
	b.call(request{method: "POST", path: "/v1/endpoints/" + r.ID + "/replay", body: map[string]any{"snapshot": true}}).
		problem(t, 409, "endpoint-not-active")
	got = receiverJSON{}
	b.act("POST", r.ID+"/resume", map[string]any{"snapshot": true}, 200, &got)
	if got.Status != "active" || got.StatusCode != "" || got.Replayed == nil || got.Replayed.Superseded != 2 {
		t.Errorf("%+v", got)
	}
	got = receiverJSON{}
	b.act("POST", r.ID+"/resume", nil, 200, &got)
	if got.Replayed != nil {
		t.Errorf("%+v", got)
	}
	var replayed replayedJSON
	for _, body := range []map[string]any{{"snapshot": true}, {"failed": true}, {"since": "2026-11-20T00:00:00Z"}} {
		b.act("POST", r.ID+"/replay", body, 202, &replayed)
	}
	last := b.store.replays[len(b.store.replays)-1]
	if replayed.Queued != 7 || !last.Since.Equal(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v %+v", replayed, last)
	}
	for _, body := range []map[string]any{
		{}, {"snapshot": true, "failed": true}, {"since": "yesterday"}, {"since": "2027-01-01T00:00:00Z"}, {"all": true},
	} {
		b.call(request{method: "POST", path: "/v1/endpoints/" + r.ID + "/replay", body: body}).problem(t, 400, "invalid-request")
	}
	b.store.change(func() { b.store.replayErr = mirror.ErrTooMany })
	b.call(request{method: "POST", path: "/v1/endpoints/" + r.ID + "/replay", body: map[string]any{"failed": true}}).
		problem(t, 422, "too-many")
	// A snapshot that fails does not lose the new secret.
	if r := b.endpoint(map[string]any{"url": boardURL, "snapshot": true}); r.Secret == "" || r.Replayed != nil {
		t.Errorf("%+v", r)
	}
}

func TestEndpointsAndDeliveriesAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := map[string]bool{}
	for range 3 {
		ids[b.endpoint(map[string]any{"url": boardURL}).ID] = true
	}
	var page, rest receiversJSON
	b.call(request{method: "GET", path: "/v1/endpoints?limit=2"}).into(t, &page)
	b.call(request{method: "GET", path: "/v1/endpoints?limit=2&cursor=" + *page.NextCursor}).into(t, &rest)
	first := page.Endpoints
	for _, r := range slices.Concat(first, rest.Endpoints) {
		delete(ids, r.ID)
	}
	if len(ids) != 0 || rest.NextCursor != nil || first[0].Secret != "" {
		t.Errorf("left out %v", ids)
	}
	at := b.clock.now()
	b.store.change(func() {
		b.store.parcels = []mirror.ParcelView{
			{
				ID: 3, EventID: "e3", Type: "job.updated", Connection: "c1", Posting: "p1", Version: 2, State: mirror.ParcelPending,
				PublishedAt: at, NextAt: at, Tries: 1, Attempts: []mirror.Attempt{{At: at, Error: "timeout", Detail: "Late."}},
			},
			{
				ID: 2, EventID: "e2", Type: "job.published", Connection: "c1", Posting: "p1", Version: 1, State: mirror.ParcelDelivered,
				PublishedAt: at, FinishedAt: &at, Tries: 1, Attempts: []mirror.Attempt{{At: at, Status: 200}},
			},
			{
				ID: 1, EventID: "e1", Type: "connection.synced", Connection: "c1", Version: 1, State: mirror.ParcelFailed,
				PublishedAt: at, FinishedAt: &at,
			},
		}
	})
	list := func(query string) (out parcelsJSON) {
		t.Helper()
		b.call(request{method: "GET", path: "/v1/endpoints/" + first[0].ID + "/deliveries" + query}).into(t, &out)
		return out
	}
	all := list("")
	if len(all.Deliveries) != 3 || all.Deliveries[0].NextAt == nil || all.Deliveries[1].NextAt != nil ||
		all.Deliveries[0].Attempts[0].Error != "timeout" || all.Deliveries[2].Attempts == nil {
		t.Errorf("%+v", all)
	}
	if got := list("?state=failed"); len(got.Deliveries) != 1 || got.Deliveries[0].WebhookID != "e1" {
		t.Errorf("%+v", got)
	}
	if got := list("?limit=2&cursor=" + *list("?limit=2").NextCursor); len(got.Deliveries) != 1 || got.Deliveries[0].ID != 1 {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"?state=lost", "?limit=0", "?cursor=1x", "?order=asc"} {
		b.call(request{method: "GET", path: "/v1/endpoints/" + first[0].ID + "/deliveries" + bad}).problem(t, 400, "invalid-request")
	}
}
