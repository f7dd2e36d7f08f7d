package ashbytest

import (
	"fmt"
	"net/http"
	"testing"
)

func TestWebhooksByAPI(t *testing.T) {
	t.Parallel()
	_, valid := lockMayDocument(t)
	b := setup(t, 1, Options{})
	b.key = b.org.AddKey(KeyOptions{Scopes: AllScopes()})
	r := receive(t, "secret", http.StatusServiceUnavailable)
	body := fmt.Sprintf(`{"webhookType":"jobPostingUpdate","requestUrl":%q,"secretToken":"secret"}`, r.URL+"/hook")
	id := "00000000-0000-4000-8000-000000000000"
	for _, step := range []struct {
		method, body string
		enabled      bool
		pings        int
	}{
		{"webhook.create", body, false, 1}, // the receiver refuses the first ping
		{"webhook.info", `{"webhookId":%q}`, false, 0},
		{"webhook.update", `{"webhookId":%q,"secretToken":"other"}`, false, 0},
		{"webhook.update", `{"webhookId":%q,"secretToken":"secret","enabled":true}`, true, 1},
		{"webhook.info", `{"webhookId":%q}`, true, 0},
		{"webhook.update", `{"webhookId":%q,"requestUrl":"` + r.URL + `/moved"}`, true, 1},
		{"webhook.update", `{"webhookId":%q,"enabled":false}`, false, 0},
		{"webhook.update", `{"webhookId":%q,"enabled":true}`, true, 1},
	} {
		sent := step.body
		if step.method != "webhook.create" {
			sent = fmt.Sprintf(step.body, id)
		}
		got := b.good(step.method, sent)
		validate(t, valid, b, step.method, sent, got.raw)
		one := got.one(t)
		id, _ = one["id"].(string)
		_, hasSecret := one["secretToken"]
		if one["enabled"] != step.enabled || hasSecret == (step.method == "webhook.info") {
			t.Errorf("%s %s: %s", step.method, sent, got.raw)
		}
		pings := r.take()
		if len(pings) != step.pings || len(pings) > 0 && (pings[0].Action != "ping" || !pings[0].signed) {
			t.Errorf("%s %s sent %+v", step.method, sent, pings)
		}
	}
	b.org.Retitle(b.org.Postings()[0].ID, "Heard")
	b.settled()
	if got := r.take(); len(got) != 1 || !got[0].signed || got[0].path != "/moved" {
		t.Errorf("webhooks %+v", got)
	}
	if all := b.org.Webhooks(); len(all) != 1 || all[0] != (WebhookState{ID: id, Action: "jobPostingUpdate", URL: r.URL + "/moved", Enabled: true}) {
		t.Errorf("settings %+v", all)
	}
	b.refusedWebhooks(id, r.URL+"/moved")
	gone := b.good("webhook.delete", fmt.Sprintf(`{"webhookId":%q}`, id))
	validate(t, valid, b, "webhook.delete", fmt.Sprintf(`{"webhookId":%q}`, id), gone.raw)
	softly(200, "webhook_not_found")(t, b.ask("webhook.info", fmt.Sprintf(`{"webhookId":%q}`, id)), nil)
}

// refusedWebhooks asks for what Ashby refuses.
func (b *bench) refusedWebhooks(id, taken string) {
	b.t.Helper()
	if err := b.org.AddWebhook("jobPostingUpdate", taken+"/other", "secret"); err != nil {
		b.t.Fatal(err)
	}
	for _, refused := range [][2]string{
		{"webhook.create", fmt.Sprintf(`{"webhookType":"jobPostingUpdate","requestUrl":%q,"secretToken":"x"}`, taken)},
		{"webhook.update", fmt.Sprintf(`{"webhookId":%q,"requestUrl":%q}`, id, taken+"/other")},
		{"webhook.update", fmt.Sprintf(`{"webhookId":%q}`, id)},
		{"webhook.create", fmt.Sprintf(`{"webhookType":"application.created","requestUrl":%q,"secretToken":"x"}`, taken)},
		{"webhook.create", `{"webhookType":"jobUpdate","requestUrl":"nowhere","secretToken":"x"}`},
		{"webhook.create", fmt.Sprintf(`{"webhookType":"jobUpdate","requestUrl":%q}`, taken)},
	} {
		softly(200, "invalid_input")(b.t, b.ask(refused[0], refused[1]), nil)
	}
	for _, method := range []string{"webhook.update", "webhook.delete"} {
		got := b.ask(method, `{"webhookId":"00000000-0000-4000-8000-000000000000"`+map[string]string{"webhook.update": `,"enabled":true`}[method]+"}")
		softly(200, "webhook_not_found")(b.t, got, nil)
	}
	own := b.key
	b.key = b.org.AddKey(KeyOptions{}) // may read keys, and not write
	b.good("webhook.info", fmt.Sprintf(`{"webhookId":%q}`, id))
	softly(403, "missing_endpoint_permission")(b.t, b.ask("webhook.delete", fmt.Sprintf(`{"webhookId":%q}`, id)), nil)
	b.key = own
	b.org.SetWebhookEnabled(id, false)
	if one := b.good("webhook.info", fmt.Sprintf(`{"webhookId":%q}`, id)).one(b.t); one["enabled"] != false {
		b.t.Errorf("after a hand switched it off: %v", one)
	}
}
