package ashbytest

import "slices"

// shown is a setting as the API shows it; the secret only to who makes or changes it.
func (w *webhook) shown(withSecret bool) map[string]any {
	out := map[string]any{"id": w.id, "enabled": w.enabled, "requestUrl": w.url, "webhookType": w.action}
	if withSecret {
		out["secretToken"] = w.secret
	}
	return out
}

// noDuplicate is the answer to a type and URL that there is already. Its code is not known; the message is.
func noDuplicate() *failure {
	return &failure{code: "invalid_input", message: "Duplicate webhook: there is one of that type and URL.", parameter: "requestUrl"}
}

func noWebhook() *failure { return &failure{code: "webhook_not_found", message: "Webhook not found"} }

// createWebhook answers webhook.create. The answer waits for the ping: whether Ashby's does is not documented, and a
// setting that is there and disabled is the harder case.
//
// https://developers.ashbyhq.com/reference/webhookcreate
func (o *Organization) createWebhook(c *call) (result, *failure) {
	action, endpoint, secret := c.params.text("webhookType"), c.params.text("requestUrl"), c.params.text("secretToken")
	s := o.sim
	s.mu.Lock()
	if o.webhook(action, endpoint) != nil {
		s.mu.Unlock()
		return result{}, noDuplicate()
	}
	hook := o.newWebhook(action, endpoint, secret)
	s.mu.Unlock()
	return o.enable(hook, o.ping(endpoint, secret))
}

// enable sets a setting on or off by the answer to its ping.
func (o *Organization) enable(hook *webhook, status int) (result, *failure) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	hook.enabled = isGood(status)
	return result{one: hook.shown(true)}, nil
}

// webhookInfo answers webhook.info.
//
// https://developers.ashbyhq.com/reference/webhookinfo
func (o *Organization) webhookInfo(c *call) (result, *failure) {
	hook := o.webhookWith(c.params.text("webhookId"))
	if hook == nil {
		return result{}, noWebhook()
	}
	return result{one: hook.shown(false)}, nil
}

// updateWebhook answers webhook.update. What is or becomes enabled is pinged.
//
// https://developers.ashbyhq.com/reference/webhookupdate
func (o *Organization) updateWebhook(c *call) (result, *failure) {
	s := o.sim
	s.mu.Lock()
	hook := o.webhookWith(c.params.text("webhookId"))
	endpoint := c.params.text("requestUrl")
	if hook == nil {
		s.mu.Unlock()
		return result{}, noWebhook()
	}
	if other := o.webhook(hook.action, endpoint); other != nil && other != hook {
		s.mu.Unlock()
		return result{}, noDuplicate()
	}
	if endpoint != "" {
		hook.url = endpoint
	}
	if secret, given := c.params["secretToken"].(string); given {
		hook.secret = secret
	}
	if enabled, given := c.params["enabled"].(bool); given {
		hook.enabled = enabled
	}
	if !hook.enabled {
		defer s.mu.Unlock()
		return result{one: hook.shown(true)}, nil
	}
	endpoint, secret := hook.url, hook.secret
	s.mu.Unlock()
	return o.enable(hook, o.ping(endpoint, secret))
}

// deleteWebhook answers webhook.delete.
//
// https://developers.ashbyhq.com/reference/webhookdelete
func (o *Organization) deleteWebhook(c *call) (result, *failure) {
	hook := o.webhookWith(c.params.text("webhookId"))
	if hook == nil {
		return result{}, noWebhook()
	}
	o.webhooks = slices.DeleteFunc(o.webhooks, func(w *webhook) bool { return w == hook })
	return result{one: map[string]any{"webhookId": hook.id}}, nil
}

func (o *Organization) webhookWith(id string) *webhook {
	for _, w := range o.webhooks {
		if w.id == id {
			return w
		}
	}
	return nil
}

// WebhookState is the truth about a webhook setting, for tests to compare with.
type WebhookState struct {
	ID, Action, URL string
	Enabled         bool
}

// Webhooks gives all settings, made by hand and by the API, in the order in which they were made.
func (o *Organization) Webhooks() []WebhookState {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	out := make([]WebhookState, 0, len(o.webhooks))
	for _, w := range o.webhooks {
		out = append(out, WebhookState{ID: w.id, Action: w.action, URL: w.url, Enabled: w.enabled})
	}
	return out
}

// SetWebhookEnabled switches a setting on or off without a ping, as somebody may do by hand; false when there is none of
// that id.
func (o *Organization) SetWebhookEnabled(id string, enabled bool) bool {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	hook := o.webhookWith(id)
	if hook != nil {
		hook.enabled = enabled
	}
	return hook != nil
}
