package ashby

import (
	"context"
	"errors"
	"strings"
)

// WebhookSetting is one of the webhook settings of the organisation: Ashby sends each event of a type to each of them.
type WebhookSetting struct {
	ID string
	// Action is the webhook type; URL is where deliveries go.
	Action, URL string
	// Enabled is false where Ashby's ping was not answered well when the setting was saved, or where somebody turned it
	// off. A disabled setting delivers nothing, and Ashby tells nobody.
	Enabled bool
}

// CreateWebhook makes a setting; the key needs API Keys write. Ashby pings the URL, so its receiver must know the secret
// already, and may answer before or after this returns: a setting that is not Enabled is to be enabled by UpdateWebhook.
//
// ErrDuplicate: there is one of this type for this URL. Ashby has no list of settings, so its id cannot be learned; a
// call that was cut off may have made it, since a request that got no answer is sent again. Store the id before anything
// else, and give each type a URL of its own.
//
// https://developers.ashbyhq.com/reference/webhookcreate
func (c *Client) CreateWebhook(ctx context.Context, action, url string, secret Secret) (WebhookSetting, error) {
	w, err := c.hiding(secret).setting(ctx, "webhook.create",
		map[string]any{"webhookType": action, "requestUrl": url, "secretToken": secret.Reveal()})
	if err == nil && w.Action != action {
		return WebhookSetting{}, &APIError{Method: "webhook.create", Reason: ErrMalformed, Message: "the answer is another setting"}
	}
	return w, err
}

// Webhook reads a setting; the key needs API Keys read. ErrNotFound: somebody deleted it.
//
// https://developers.ashbyhq.com/reference/webhookinfo
func (c *Client) Webhook(ctx context.Context, id string) (WebhookSetting, error) {
	return c.settingOf(ctx, "webhook.info", id, map[string]any{})
}

// UpdateWebhook changes what is not nil of a setting, at least one thing; the key needs API Keys write. Enabling a setting
// makes Ashby ping it, so Enabled of the answer says whether that went well.
//
// https://developers.ashbyhq.com/reference/webhookupdate
func (c *Client) UpdateWebhook(ctx context.Context, id string, enabled *bool, url *string, secret *Secret) (WebhookSetting, error) {
	params := map[string]any{}
	if enabled != nil {
		params["enabled"] = *enabled
	}
	if url != nil {
		params["requestUrl"] = *url
	}
	if secret != nil {
		params["secretToken"] = secret.Reveal()
		c = c.hiding(*secret)
	}
	if len(params) == 0 {
		return WebhookSetting{}, errors.New("ashby: nothing of the webhook setting is to change")
	}
	return c.settingOf(ctx, "webhook.update", id, params)
}

// DeleteWebhook deletes a setting; the key needs API Keys write. ErrNotFound: it was gone already, or went with a request
// of this call that got no answer.
//
// https://developers.ashbyhq.com/reference/webhookdelete
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	if identifier(id) == "" {
		return errNoSettingID
	}
	_, err := c.call(ctx, "webhook.delete", map[string]any{"webhookId": id})
	return err
}

var errNoSettingID = errors.New("ashby: the id of the webhook setting is none")

// settingOf calls a method about one setting, whose answer must be that one.
func (c *Client) settingOf(ctx context.Context, method, id string, params map[string]any) (WebhookSetting, error) {
	if identifier(id) == "" {
		return WebhookSetting{}, errNoSettingID
	}
	w, err := c.setting(ctx, method, with(params, "webhookId", id))
	if err == nil && w.ID != id {
		return WebhookSetting{}, &APIError{Method: method, Reason: ErrMalformed, Message: "the answer is another setting"}
	}
	return w, err
}

// setting calls a method that answers with a setting. The secret in the answer is not looked at.
func (c *Client) setting(ctx context.Context, method string, params map[string]any) (WebhookSetting, error) {
	a, err := c.call(ctx, method, params)
	if err != nil {
		return WebhookSetting{}, err
	}
	w, err := settingFrom(a)
	if err != nil {
		return WebhookSetting{}, &APIError{Method: method, Reason: ErrMalformed, Cause: err}
	}
	return w, nil
}

func settingFrom(a answer) (WebhookSetting, error) {
	o, err := parseObject(a.results)
	if err != nil {
		return WebhookSetting{}, err
	}
	id, err := o.id()
	if err != nil {
		return WebhookSetting{}, err
	}
	enabled, err := o.strictFlag("enabled")
	if err != nil {
		return WebhookSetting{}, err
	}
	if enabled == nil {
		return WebhookSetting{}, errors.New("it does not say whether it is enabled")
	}
	return WebhookSetting{ID: id, Action: o.text("webhookType"), URL: o.text("requestUrl"), Enabled: *enabled}, nil
}

// hiding returns a client whose errors do not show the secret either.
func (c *Client) hiding(secret Secret) *Client {
	if secret == "" {
		return c
	}
	careful := *c
	careful.redact = func(s string) string { return strings.ReplaceAll(c.redact(s), secret.Reveal(), redacted) }
	return &careful
}
