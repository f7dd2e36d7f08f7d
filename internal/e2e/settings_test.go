package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// settledDoc is what became of a webhook setting.
type settledDoc struct {
	EventType string `json:"event_type"`
	Action    string `json:"action"`
	Enabled   *bool  `json:"enabled"`
	SettingID string `json:"setting_id"`
	Problem   string `json:"problem"`
}

// settle has the webhook settings made by API and returns what became of each, by event type.
func (s *system) settle(e employer, body any) map[string]settledDoc {
	s.t.Helper()
	var answer struct{ Webhooks []settledDoc }
	s.must(http.StatusOK, http.MethodPost, "/v1/connections/"+e.id+"/webhooks", body).decode(s.t, &answer)
	out := map[string]settledDoc{}
	for _, w := range answer.Webhooks {
		out[w.EventType] = w
	}
	if types := ashby.WebhookActions(); len(out) != len(types) {
		s.t.Errorf("%d settings were settled instead of %d: %+v", len(out), len(types), answer.Webhooks)
	}
	return out
}

// retitled retitles a posting and waits until the new title has come, through a webhook.
func (s *system) retitled(e employer, title string) {
	s.t.Helper()
	p := first(s.t, e.org)
	e.org.Retitle(p.ID, title)
	s.eventually("the new title is public", func() error {
		if got := s.jobs(e.id)[p.ID].Job.Title; got != title {
			return errors.New(got)
		}
		return nil
	})
	if last := s.history(e.id, p.ID)[0]; last.Origin != string(events.OriginWebhook) {
		s.t.Errorf("%q came through %s", title, last.Origin)
	}
}

// TestSettingsMadeByAPI has settings made, checked, repaired and made anew.
func TestSettingsMadeByAPI(t *testing.T) {
	t.Parallel()
	s := start(t)
	org := s.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(5)
	e := s.register(org, org.AddKey(ashbytest.KeyOptions{Scopes: []string{"jobs:read", "organization:read", "apiKeys:read", "apiKeys:write"}}), "acme")
	s.synced(e)
	check := func(want map[string]string) {
		t.Helper()
		for eventType, settled := range s.settle(e, nil) {
			action := want[eventType]
			if action == "" {
				action = want[""]
			}
			if settled.Action != action || settled.Enabled == nil || !*settled.Enabled || settled.SettingID == "" || settled.Problem != "" {
				t.Errorf("%s is not %s: %+v", eventType, action, settled)
			}
			if !org.HasWebhook(eventType, e.doc.WebhookSetup.URLs[eventType]) {
				t.Errorf("Ashby has no enabled setting of %s", eventType)
			}
		}
		if n := len(org.Webhooks()); n != len(ashby.WebhookActions()) {
			t.Errorf("Ashby has %d settings", n)
		}
	}
	check(map[string]string{"": "created"})
	s.retitled(e, "Told by a setting that was made")
	for _, w := range org.Webhooks() {
		if w.Action == "jobPostingUpdate" {
			org.SetWebhookEnabled(w.ID, false)
		}
	}
	check(map[string]string{"": "checked", "jobPostingUpdate": "repaired"})
	s.retitled(e, "Told by a setting that was repaired")
	org.RemoveWebhooks()
	check(map[string]string{"": "created"})
	s.retitled(e, "Told by a setting that was made anew")
	s.agreed(e)
	if s.refreshed() == 0 {
		t.Error("no webhook was judged")
	}
}

// TestMissingSettingIsNamed has a type without a setting miss a change: the steps name it, the connection's own key may
// not make it, and a key for this one request does.
func TestMissingSettingIsNamed(t *testing.T) {
	t.Parallel()
	const missing, oneTime = "jobPostingUpdate", "canary-one-time-key-0000000001"
	s := start(t)
	org := s.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(5)
	e := s.register(org, org.AddKey(ashbytest.KeyOptions{}), "acme")
	s.synced(e)
	url := e.doc.WebhookSetup.URLs[missing]
	delete(e.doc.WebhookSetup.URLs, missing)
	s.setUpByHand(e)
	p := first(t, org)
	org.Retitle(p.ID, "Nobody told of this")
	s.poll(e)
	var doc connectionDoc
	s.eventually("the missing type is noticed", func() error {
		doc = s.connection(e.id)
		if got := doc.hookType(missing); got.State != "missing" || got.ByPoll != 1 || got.ByWebhook != 0 || got.Coverage == nil || got.WhatToDo == "" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	steps := strings.Join(doc.WebhookSetup.Steps, "\n")
	if !strings.Contains(steps, missing) || strings.Contains(steps, "jobPostingUnpublish") {
		t.Errorf("the steps do not name %s alone: %s", missing, steps)
	}
	if other := doc.hookType("jobPostingPublish"); other.State != "working" {
		t.Errorf("another type: %+v", other)
	}
	var refused struct {
		Type  string
		Steps []string
	}
	s.must(http.StatusUnprocessableEntity, http.MethodPost, "/v1/connections/"+e.id+"/webhooks", nil).decode(t, &refused)
	if !strings.HasSuffix(refused.Type, "webhooks-forbidden") || !strings.Contains(strings.Join(refused.Steps, "\n"), missing) {
		t.Errorf("without the permission: %+v", refused)
	}
	org.AddKey(ashbytest.KeyOptions{Key: oneTime, Scopes: []string{"jobs:read", "apiKeys:write", "apiKeys:read"}})
	for eventType, settled := range s.settle(e, map[string]any{"api_key": oneTime}) {
		want := map[bool]string{true: "created", false: "exists"}[eventType == missing]
		if settled.Action != want {
			t.Errorf("%s: %+v", eventType, settled)
		}
	}
	if !org.HasWebhook(missing, url) {
		t.Errorf("Ashby has no setting of %s", missing)
	}
	s.retitled(e, "Told at last")
	s.eventually("the type is known to work", func() error {
		doc = s.connection(e.id)
		if got := doc.hookType(missing); got.State != "working" || got.ByWebhook != 1 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if steps := strings.Join(doc.WebhookSetup.Steps, "\n"); strings.Contains(steps, missing) {
		t.Errorf("the steps still name it: %s", steps)
	}
	if bytes.Contains(s.logs.bytes(), []byte(oneTime)) {
		t.Error("the key of one request is in the log")
	}
	s.agreed(e)
}
