package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// webhookSetupJSON is what the employer enters in Ashby, and how far that is done.
type webhookSetupJSON struct {
	// Secret is shown once, in the answer to the request that made it.
	Secret string `json:"secret,omitempty"`
	// EventTypes are the types to create in Ashby, each with its URL in URLs.
	EventTypes []string          `json:"event_types"`
	URLs       map[string]string `json:"urls"`
	Seen       []webhookSeenJSON `json:"seen"`
	// Types tell of each of EventTypes how it stands.
	Types []webhookTypeJSON `json:"types"`
	Steps []string          `json:"steps"`
}

type webhookSeenJSON struct {
	EventType  string     `json:"event_type"`
	PingedAt   *time.Time `json:"pinged_at"`
	LastSeenAt *time.Time `json:"last_seen_at"`
}

// webhookTypeJSON is how the setting of one event type stands.
type webhookTypeJSON struct {
	EventType  string       `json:"event_type"`
	URL        string       `json:"url"`
	State      settingState `json:"state"`
	PingedAt   *time.Time   `json:"pinged_at"`
	LastSeenAt *time.Time   `json:"last_seen_at"`
	// ByWebhook counts the changes that it told first, ByPoll those that only a poll found; Coverage is the former's
	// share, nil while there was no change.
	ByWebhook int64    `json:"by_webhook"`
	ByPoll    int64    `json:"by_poll"`
	Coverage  *float64 `json:"coverage"`
	// SettingID is Ashby's, empty for a setting made by hand; Enabled is nil where unknown.
	SettingID string `json:"setting_id"`
	Enabled   *bool  `json:"enabled"`
	WhatToDo  string `json:"what_to_do"`
}

// settingState says in a word how a setting stands.
type settingState string

const (
	settingNeverSeen settingState = "never_seen"
	settingWorking   settingState = "working"
	// settingMissing: a change came that it should have told of and did not.
	settingMissing  settingState = "missing"
	settingDisabled settingState = "disabled"
	// settingUnknown: it is there and showed nothing of itself yet.
	settingUnknown settingState = "unknown"
)

// hookURL is where Ashby sends an event type of a connection.
func (g *Gateway) hookURL(token, eventType string) string {
	return g.opts.PublicURL + "/hooks/ashby/" + token + "/" + eventType
}

func (g *Gateway) webhookSetup(v mirror.View, secret ashby.Secret) *webhookSetupJSON {
	types := ashby.WebhookActions(v.Modules...)
	setup := &webhookSetupJSON{
		Secret: secret.Reveal(), EventTypes: types, URLs: make(map[string]string, len(types)),
		Seen: make([]webhookSeenJSON, 0, len(types)), Types: make([]webhookTypeJSON, 0, len(types)),
	}
	seen := make(map[string]mirror.WebhookSeen, len(v.Webhooks))
	for _, s := range v.Webhooks {
		seen[s.Action] = s
	}
	coverage := make(map[string]mirror.Coverage, len(v.Coverage))
	for _, c := range v.Coverage {
		coverage[c.Action] = c
	}
	for _, t := range types {
		setup.URLs[t] = g.hookURL(v.WebhookToken, t)
		setup.Seen = append(setup.Seen, webhookSeenJSON{t, utc(seen[t].PingedAt), utc(seen[t].LastSeenAt)})
		setup.Types = append(setup.Types, typeOf(t, setup.URLs[t], seen[t], coverage[t]))
	}
	for _, s := range v.Webhooks {
		if !slices.Contains(types, s.Action) {
			setup.Seen = append(setup.Seen, webhookSeenJSON{s.Action, utc(s.PingedAt), utc(s.LastSeenAt)})
		}
	}
	setup.Steps = stepsOf(setup.Types)
	return setup
}

func typeOf(eventType, url string, s mirror.WebhookSeen, c mirror.Coverage) webhookTypeJSON {
	out := webhookTypeJSON{
		EventType: eventType, URL: url, State: stateOf(s, c), PingedAt: utc(s.PingedAt), LastSeenAt: utc(s.LastSeenAt),
		ByWebhook: c.ByWebhook, ByPoll: c.ByPoll, SettingID: s.SettingID, Enabled: s.Enabled,
	}
	if share, known := c.Share(); known {
		out.Coverage = &share
	}
	out.WhatToDo = whatToDo(out, s.Problem)
	return out
}

// stateOf judges a setting. One that showed itself after it missed a change was mended since.
func stateOf(s mirror.WebhookSeen, c mirror.Coverage) settingState {
	shownAfter := func(t time.Time) bool {
		return s.PingedAt != nil && s.PingedAt.After(t) || s.LastSeenAt != nil && s.LastSeenAt.After(t)
	}
	switch {
	case s.SettingID != "" && s.Enabled != nil && !*s.Enabled:
		return settingDisabled
	case c.IsMissing() && !shownAfter(*c.LastMissedAt):
		return settingMissing
	case s.PingedAt != nil || s.LastSeenAt != nil:
		return settingWorking
	case s.SettingID != "" || s.Problem != "":
		return settingUnknown
	}
	return settingNeverSeen
}

// whatToDo says in a sentence what makes the setting work; empty where it does.
func whatToDo(t webhookTypeJSON, problem string) string {
	switch t.State {
	case settingWorking:
		return ""
	case settingDisabled:
		return "Ashby disabled this setting: enable it in Ashby under Admin, Integrations, Webhooks, or have it repaired by " +
			"POST /v1/connections/{id}/webhooks."
	case settingMissing:
		return fmt.Sprintf("Look in Ashby under Admin, Integrations, Webhooks that there is a setting of the type %s, that it "+
			"is enabled, and that its request URL is the url given here; saving it sends a ping.", t.EventType)
	case settingUnknown:
		if problem != "" {
			return problem
		}
		return "Nothing: the setting is there, and shows itself with the first event."
	}
	return fmt.Sprintf("Create a setting of the type %s in Ashby, with the url given here, as steps says.", t.EventType)
}

// stepsOf guides a person through Ashby's pages.
func stepsOf(types []webhookTypeJSON) []string {
	steps := []string{
		"In Ashby, open Admin, Integrations, Webhooks and choose New.",
		"Choose a type that event_types lists, and enter its address from urls as the request URL.",
		"Enter secret as the secret token. It is shown once; a PATCH with rotate_webhook_secret makes a new one.",
		"Save. Ashby sends a ping, and the type's pinged_at under seen shows that it arrived.",
		"Repeat this for each type in event_types. Until then, changes are found by the poll.",
	}
	for _, s := range []struct {
		state settingState
		says  string
	}{
		{settingMissing, "These types should have told of a change and did not; open each in Ashby, compare its request URL " +
			"and save it: "},
		{settingDisabled, "Ashby disabled these types; enable each: "},
	} {
		var named []string
		for _, t := range types {
			if t.State == s.state {
				named = append(named, t.EventType)
			}
		}
		if len(named) > 0 {
			steps = append(steps, s.says+strings.Join(named, ", ")+".")
		}
	}
	return steps
}
