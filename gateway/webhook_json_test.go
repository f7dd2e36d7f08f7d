package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// typesOf are the webhook types of a connection as the API shows them.
func (b *bundle) typesOf(e employer) map[string]webhookTypeJSON {
	b.t.Helper()
	var c connectionJSON
	b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(b.t, &c)
	types := map[string]webhookTypeJSON{}
	for _, t := range c.WebhookSetup.Types {
		types[t.EventType] = t
	}
	return types
}

func TestStateOfAWebhookSetting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	yes, no := true, false
	missed := mirror.Coverage{ByPoll: 1, LastMissedAt: &now}
	for name, c := range map[string]struct {
		seen     mirror.WebhookSeen
		coverage mirror.Coverage
		want     settingState
	}{
		"nothing":               {mirror.WebhookSeen{}, mirror.Coverage{}, settingNeverSeen},
		"pinged":                {mirror.WebhookSeen{PingedAt: &now}, mirror.Coverage{}, settingWorking},
		"delivered":             {mirror.WebhookSeen{LastSeenAt: &now}, mirror.Coverage{}, settingWorking},
		"never came":            {mirror.WebhookSeen{}, missed, settingMissing},
		"came before":           {mirror.WebhookSeen{LastSeenAt: &before}, missed, settingMissing},
		"came since":            {mirror.WebhookSeen{LastSeenAt: &after}, missed, settingWorking},
		"saved since":           {mirror.WebhookSeen{PingedAt: &after}, missed, settingWorking},
		"told since":            {mirror.WebhookSeen{LastSeenAt: &now}, mirror.Coverage{LastMissedAt: &before, LastWebhookAt: &now}, settingWorking},
		"disabled":              {mirror.WebhookSeen{SettingID: "s", Enabled: &no, PingedAt: &after}, missed, settingDisabled},
		"made, not yet seen":    {mirror.WebhookSeen{SettingID: "s", Enabled: &yes}, mirror.Coverage{}, settingUnknown},
		"by hand, not yet seen": {mirror.WebhookSeen{Problem: "made by hand"}, mirror.Coverage{}, settingUnknown},
		"by hand and seen":      {mirror.WebhookSeen{Problem: "made by hand", LastSeenAt: &now}, mirror.Coverage{}, settingWorking},
	} {
		if got := stateOf(c.seen, c.coverage); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		shown := typeOf("jobUpdate", "https://x", c.seen, c.coverage)
		if (shown.WhatToDo == "") != (c.want == settingWorking) {
			t.Errorf("%s: what to do: %q", name, shown.WhatToDo)
		}
	}
}

func TestCoverageIsShownAndMissingTypesAreNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	now := b.clock.now()
	b.store.change(func() {
		b.store.conns[e.ID].coverage = []mirror.Coverage{
			{Action: "jobPostingPublish", ByWebhook: 3, ByPoll: 1, LastWebhookAt: &now},
			{Action: "jobPostingUpdate", ByPoll: 2, LastMissedAt: &now},
		}
	})
	var c connectionJSON
	b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(t, &c)
	types := b.typesOf(e)
	publish, update, none := types["jobPostingPublish"], types["jobPostingUpdate"], types["jobUpdate"]
	if publish.Coverage == nil || *publish.Coverage != 0.75 || publish.ByWebhook != 3 || publish.ByPoll != 1 {
		t.Errorf("%+v", publish)
	}
	if update.State != settingMissing || *update.Coverage != 0 || none.Coverage != nil {
		t.Errorf("%+v, %+v", update, none)
	}
	last := c.WebhookSetup.Steps[len(c.WebhookSetup.Steps)-1]
	if !strings.Contains(last, "jobPostingUpdate") || strings.Contains(last, "jobPostingPublish") {
		t.Errorf("the last step: %s", last)
	}
}

func TestEventTypesFollowTheModules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	if _, ok := b.typesOf(e)["offerUpdate"]; ok {
		t.Error("a type of offers is asked for without the module")
	}
	b.withModules(e.ID, "jobs", "offers")
	var c connectionJSON
	b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(t, &c)
	want := ashby.WebhookActions("jobs", "offers")
	if !slices.Equal(c.WebhookSetup.EventTypes, want) || len(c.WebhookSetup.Types) != len(want) ||
		!strings.HasSuffix(c.WebhookSetup.URLs["offerUpdate"], "/offerUpdate") {
		t.Errorf("%+v", c.WebhookSetup)
	}
}
