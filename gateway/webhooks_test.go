package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// settle has the employer's webhooks set up and returns what became of each type.
func (b *bundle) settle(e employer, body any) map[string]settledJSON {
	b.t.Helper()
	a := b.call(request{method: "POST", path: "/v1/connections/" + e.ID + "/webhooks", body: body})
	if a.status != http.StatusOK {
		b.t.Fatalf("%d %s", a.status, a.body)
	}
	var list settledListJSON
	a.into(b.t, &list)
	settled := map[string]settledJSON{}
	var types []string
	for _, s := range list.Webhooks {
		settled[s.EventType] = s
		types = append(types, s.EventType)
	}
	if want := ashby.WebhookActions(b.store.conns[e.ID].Modules...); !slices.Equal(types, want) || list.Connection != e.ID {
		b.t.Errorf("settled %v, want %v", types, want)
	}
	return settled
}

// connectAdmin connects an employer whose key may manage webhooks.
func (b *bundle) connectAdmin(ref string) employer {
	b.t.Helper()
	e := b.connect(ref)
	b.admins.change(func() { b.admins.keys[goodKey+"-"+ref] = true })
	return e
}

func actionsOf(settled map[string]settledJSON) map[settledAction]int {
	count := map[settledAction]int{}
	for _, s := range settled {
		count[s.Action]++
	}
	return count
}

func TestWebhooksAreCreatedThenChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	stored := 0
	b.admins.onCreate = func(string) {
		// The id of the one before is stored before the next is made.
		if n := len(b.store.puts); n != stored {
			t.Errorf("%d stored, %d made", n, stored)
		}
		stored++
	}
	types := ashby.WebhookActions()
	if n := actionsOf(b.settle(e, nil)); n[settledCreated] != len(types) {
		t.Errorf("first: %v", n)
	}
	for _, s := range b.admins.settings {
		if s.secret != e.secret || s.URL != e.WebhookSetup.URLs[s.Action] {
			t.Errorf("setting %+v", s.WebhookSetting)
		}
	}
	b.admins.onCreate = nil
	before := len(b.admins.asked())
	settled := b.settle(e, map[string]any{})
	if n := actionsOf(settled); n[settledChecked] != len(types) || len(b.admins.asked())-before != len(types) {
		t.Errorf("second: %v with %v", n, b.admins.asked()[before:])
	}
	if s := settled["jobUpdate"]; s.SettingID == "" || s.Enabled == nil || !*s.Enabled || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

func TestWebhooksAreRepaired(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	made := b.settle(e, nil)
	of := func(eventType string) string { return made[eventType].SettingID }
	b.admins.change(func() {
		s := b.admins.settings[of("jobUpdate")]
		s.Enabled = false
		b.admins.settings[of("jobUpdate")] = s
		s = b.admins.settings[of("jobCreate")]
		s.URL = "https://old.example.com"
		b.admins.settings[of("jobCreate")] = s
		delete(b.admins.settings, of("jobPostingPublish"))
	})
	settled := b.settle(e, nil)
	for eventType, want := range map[string]settledAction{
		"jobUpdate": settledRepaired, "jobCreate": settledRepaired, "jobPostingPublish": settledCreated,
		"jobPostingUpdate": settledChecked,
	} {
		s := settled[eventType]
		at := b.admins.settings[s.SettingID]
		if s.Action != want || !at.Enabled || at.URL != e.WebhookSetup.URLs[eventType] {
			t.Errorf("%s: %+v, at Ashby %+v", eventType, s, at.WebhookSetting)
		}
	}
	// A secret that was rotated since is sent to all of them.
	b.clock.add(time.Minute)
	var c connectionJSON
	b.call(request{method: "PATCH", path: "/v1/connections/" + e.ID, body: map[string]any{"rotate_webhook_secret": true}}).
		into(t, &c)
	b.clock.add(time.Minute)
	if n := actionsOf(b.settle(e, nil)); n[settledRepaired] != len(made) {
		t.Errorf("after the rotation: %v", n)
	}
	for _, s := range b.admins.settings {
		if s.secret.Reveal() != c.WebhookSetup.Secret {
			t.Errorf("%s has the old secret", s.Action)
		}
	}
	if n := actionsOf(b.settle(e, nil)); n[settledChecked] != len(made) {
		t.Errorf("after that: %v", n)
	}
}

func TestWebhooksThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	b.admins.byHand["jobUpdate"] = true
	b.admins.fail["jobCreate"] = fmt.Errorf("webhook.create: no %s at %s: %w", e.secret.Reveal(),
		e.WebhookSetup.URLs["jobCreate"], ashby.ErrRefused)
	b.admins.fail["jobPostingDelete"] = ashby.ErrMalformed
	settled := b.settle(e, nil)
	if s := settled["jobUpdate"]; s.Action != settledExists || s.Enabled != nil || s.SettingID != "" || s.Problem != settingByHand {
		t.Errorf("%+v", s)
	}
	if s := settled["jobCreate"]; s.Action != settledFailed || s.Problem != settingRefused {
		t.Errorf("%+v", s)
	}
	if s := settled["jobPostingDelete"]; s.Action != settledFailed || s.Problem != settingUntried {
		t.Errorf("%+v", s)
	}
	if s := settled["openingCreate"]; s.Action != settledCreated {
		t.Errorf("the next one: %+v", s)
	}
	if logs := b.logs.String(); !strings.Contains(logs, "no [redacted] at") || strings.Contains(logs, e.token) ||
		strings.Contains(logs, e.secret.Reveal()) {
		t.Errorf("what Ashby repeats is logged: %s", logs)
	}
	if s := b.typesOf(e)["jobUpdate"]; s.State != settingUnknown || s.WhatToDo != settingByHand {
		t.Errorf("%+v", s)
	}
	if s := b.typesOf(e)["jobCreate"]; s.State != settingNeverSeen {
		t.Errorf("%+v", s)
	}
}

func TestDisabledWebhookIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	b.admins.unreached = true
	for _, want := range []settledAction{settledCreated, settledFailed} {
		if s := b.settle(e, nil)["jobUpdate"]; s.Action != want || *s.Enabled || s.Problem != settingUnreached {
			t.Errorf("%+v, want %s", s, want)
		}
	}
	if s := b.typesOf(e)["jobUpdate"]; s.State != settingDisabled || s.SettingID == "" {
		t.Errorf("%+v", s)
	}
	b.admins.change(func() { b.admins.unreached = false })
	if s := b.settle(e, nil)["jobUpdate"]; s.Action != settledRepaired || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

// A new setting is disabled while its ping is on the way.
func TestWebhookIsEnabledOnceItsPingCame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	b.admins.slow = true
	if s := b.settle(e, nil)["jobUpdate"]; s.Action != settledCreated || !*s.Enabled || s.Problem != "" {
		t.Errorf("%+v", s)
	}
	if s := b.typesOf(e)["jobUpdate"]; s.State != settingUnknown || s.Enabled == nil || !*s.Enabled {
		t.Errorf("%+v", s)
	}
}

// Another gateway may make the same settings at the same time: its ids are not overwritten.
func TestWebhookOfAnotherGatewayIsTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	yes := true
	b.admins.byHand["jobUpdate"] = true
	b.admins.onCreate = func(action string) {
		if action == "jobUpdate" {
			_ = b.store.PutSetting(t.Context(), e.ID, mirror.WebhookSeen{Action: action, SettingID: "theirs", Enabled: &yes})
		}
	}
	if s := b.settle(e, nil)["jobUpdate"]; s.Action != settledChecked || s.SettingID != "theirs" || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

func TestWebhooksByAOneTimeKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e, other := b.connect("acme"), b.connect("other")
	path := "/v1/connections/" + e.ID + "/webhooks"
	p := b.call(request{method: "POST", path: path}).problem(t, 422, "webhooks-forbidden")
	if !strings.Contains(p.Detail, "API Keys") || len(p.Steps) < 6 || strings.Contains(fmt.Sprint(p.Steps), e.secret.Reveal()) {
		t.Errorf("%+v", p)
	}
	const once = "canary-one-time-key"
	b.admins.change(func() { b.admins.keys[once] = true })
	b.store.change(func() { b.store.conns[e.ID].postings = []string{"p1"} })
	b.prober.set(once, probeAnswer{report: okReport(), postings: []string{"x1"}})
	b.call(request{method: "POST", path: path, body: map[string]any{"api_key": once}}).problem(t, 409, "other-organization")
	b.call(request{method: "POST", path: path, body: map[string]any{"api_key": "canary-wrong"}}).problem(t, 422, "wrong-key")
	// One that may manage webhooks and nothing else cannot be told from one of another organization.
	b.prober.set(once, probeAnswer{})
	if n := actionsOf(b.settle(e, map[string]any{"api_key": " " + once + " "})); n[settledCreated] != len(ashby.WebhookActions()) {
		t.Errorf("%v", n)
	}
	stored, err := json.Marshal(b.store.conns[e.ID].NewConnection)
	if err != nil || strings.Contains(string(stored)+b.logs.String(), once) {
		t.Errorf("the one-time key was kept: %v", err)
	}
	p = b.call(request{method: "POST", path: path, body: map[string]any{"api_key": goodKey + "-other"}}).
		problem(t, 409, "duplicate-key")
	if fmt.Sprint(p.Connections) != "["+other.ID+"]" {
		t.Errorf("connections %v", p.Connections)
	}
	for _, body := range []any{
		map[string]any{"key": "x"}, map[string]any{"api_key": ""}, map[string]any{"api_key": 1}, []byte("x"),
	} {
		b.call(request{method: "POST", path: path, body: body}).problem(t, 400, "invalid-request")
	}
	b.call(request{method: "POST", path: "/v1/connections/none/webhooks"}).problem(t, 404, "not-found")
}

func TestWebhookSetUpKeepsWhatItGotDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"the permission goes": {ashby.ErrMissingPermission, 422, "webhooks-forbidden"},
		"the key is disabled": {ashby.ErrUnauthorized, 422, "wrong-key"},
		"Ashby goes away":     {ashby.ErrUnavailable, 200, settingUntried},
		"Ashby is busy":       {ashby.ErrRateLimited, 200, settingUntried},
		"something else":      {errBoom, 200, settingNotKept},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			e := b.connectAdmin("acme")
			b.admins.fail["jobPostingUpdate"] = fmt.Errorf("webhook.create: %w", c.err)
			path := "/v1/connections/" + e.ID + "/webhooks"
			a := b.call(request{method: "POST", path: path})
			if a.status != c.status || !strings.Contains(string(a.body), c.says) || strings.Contains(string(a.body), "boom") {
				t.Errorf("%d %s", a.status, a.body)
			}
			if calls := b.admins.asked(); len(calls) != 3 {
				t.Errorf("asked %v", calls)
			}
			if s := b.typesOf(e)["jobPostingPublish"]; s.SettingID == "" {
				t.Errorf("%+v", s)
			}
			b.admins.change(func() { clear(b.admins.fail) })
			if n := actionsOf(b.settle(e, nil)); n[settledChecked] != 2 || n[settledFailed] != 0 {
				t.Errorf("again: %v", n)
			}
		})
	}
}

func TestWebhookSetUpThatGotNothingDoneIsAProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	path := "/v1/connections/" + e.ID + "/webhooks"
	b.admins.fail["jobPostingPublish"] = ashby.ErrUnavailable
	b.call(request{method: "POST", path: path}).problem(t, 502, "ashby-unavailable")
	// An id that cannot be stored is not left behind at Ashby.
	b.admins.change(func() { clear(b.admins.fail) })
	b.store.change(func() { b.store.putErr = errors.Join(errBoom, mirror.ErrUnavailable) })
	b.call(request{method: "POST", path: path}).problem(t, 503, "unavailable")
	if len(b.admins.settings) != 0 || !slices.Contains(b.admins.asked(), "delete setting-1") {
		t.Errorf("left at Ashby: %v after %v", b.admins.settings, b.admins.asked())
	}
}

func TestRemovalDeletesTheWebhooksAtAshby(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e, weak, bare := b.connectAdmin("acme"), b.connectAdmin("weak"), b.connectAdmin("bare")
	b.settle(e, nil)
	b.settle(weak, nil)
	remove := func(e employer) {
		t.Helper()
		if a := b.call(request{method: "DELETE", path: "/v1/connections/" + e.ID + "?jobs=keep"}); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	types := len(ashby.WebhookActions())
	remove(e)
	if len(b.admins.settings) != types {
		t.Errorf("%d settings are left", len(b.admins.settings))
	}
	b.admins.change(func() { clear(b.admins.keys) })
	before := len(b.admins.asked())
	remove(weak)
	if tried := len(b.admins.asked()) - before; tried != 1 || !strings.Contains(b.logs.String(), "webhook settings stay at Ashby") {
		t.Errorf("tried %d times", tried)
	}
	before = len(b.admins.asked())
	remove(bare)
	if len(b.admins.asked()) != before {
		t.Error("Ashby was asked about settings that were never made")
	}
	b.call(request{method: "POST", path: "/v1/connections/" + e.ID + "/webhooks"}).problem(t, 410, "removed")
}

func TestOneSetUpOfWebhooksAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connectAdmin("acme")
	inParallelThen(4, func(int) { b.settle(e, nil) }, func() {})
	if len(b.admins.settings) != len(ashby.WebhookActions()) || actionsOf(b.settle(e, nil))[settledExists] != 0 {
		t.Errorf("made %v", b.admins.asked())
	}
}
