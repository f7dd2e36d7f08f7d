package ashby

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const hookSecret = Secret("hook-canary-0c2f9463f87641919f8106a2c49d7a57")

func TestWebhookSettings(t *testing.T) {
	t.Parallel()
	const setting = `{"id":"w1","enabled":false,"requestUrl":"https://x/h","webhookType":"jobUpdate"`
	on, off, url, secret := true, false, "https://x/other", hookSecret
	for name, tc := range map[string]struct {
		call func(context.Context, *Client) (WebhookSetting, error)
		sent string
		says string // the results
	}{
		"create": {
			func(ctx context.Context, c *Client) (WebhookSetting, error) {
				return c.CreateWebhook(ctx, "jobUpdate", "https://x/h", hookSecret)
			},
			`webhook.create {"requestUrl":"https://x/h","secretToken":"` + hookSecret.Reveal() + `","webhookType":"jobUpdate"}`,
			setting + `,"secretToken":"` + hookSecret.Reveal() + `"}`,
		},
		"read": {
			func(ctx context.Context, c *Client) (WebhookSetting, error) { return c.Webhook(ctx, "w1") },
			`webhook.info {"webhookId":"w1"}`, setting + `}`,
		},
		"enable": {
			func(ctx context.Context, c *Client) (WebhookSetting, error) {
				return c.UpdateWebhook(ctx, "w1", &on, nil, nil)
			},
			`webhook.update {"enabled":true,"webhookId":"w1"}`, setting + `}`,
		},
		"change everything": {
			func(ctx context.Context, c *Client) (WebhookSetting, error) {
				return c.UpdateWebhook(ctx, "w1", &off, &url, &secret)
			},
			`webhook.update {"enabled":false,"requestUrl":"https://x/other","secretToken":"` + hookSecret.Reveal() + `","webhookId":"w1"}`,
			setting + `}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a asked
			c := newTestClient(t, a.before(func(string, string) string { return `{"success":true,"results":` + tc.says + `}` }), nil)
			got, err := tc.call(t.Context(), c)
			if want := (WebhookSetting{ID: "w1", Action: "jobUpdate", URL: "https://x/h"}); err != nil || got != want {
				t.Errorf("%+v, %v", got, err)
			}
			if a.list[0] != tc.sent {
				t.Errorf("sent %s, want %s", a.list[0], tc.sent)
			}
		})
	}
	var a asked
	c := newTestClient(t, a.before(func(string, string) string { return `{"success":true,"results":{"webhookId":"w1"}}` }), nil)
	if err := c.DeleteWebhook(t.Context(), "w1"); err != nil || a.list[0] != `webhook.delete {"webhookId":"w1"}` {
		t.Errorf("delete: %v, sent %q", err, a.list)
	}
}

func TestWebhookSettingsThatFail(t *testing.T) {
	t.Parallel()
	create := func(ctx context.Context, c *Client) error {
		_, err := c.CreateWebhook(ctx, "jobUpdate", "https://x/h", hookSecret)
		return err
	}
	read := func(ctx context.Context, c *Client) error { _, err := c.Webhook(ctx, "w1"); return err }
	remove := func(ctx context.Context, c *Client) error { return c.DeleteWebhook(ctx, "w1") }
	change := func(ctx context.Context, c *Client) error {
		secret := hookSecret
		_, err := c.UpdateWebhook(ctx, "w1", nil, nil, &secret)
		return err
	}
	for name, tc := range map[string]struct {
		call func(context.Context, *Client) error
		says string
		want error
	}{
		"there already":        {create, `{"success":false,"errors":[{"message":"Duplicate webhook"}]}`, ErrDuplicate},
		"no permission":        {create, `{"success":false,"errors":["missing_endpoint_permission"]}`, ErrMissingPermission},
		"an unknown type":      {create, `{"success":false,"errors":["invalid_input"]}`, ErrRefused},
		"made without an id":   {create, `{"success":true,"results":{"enabled":true,"webhookType":"jobUpdate"}}`, ErrMalformed},
		"made of another type": {create, `{"success":true,"results":{"id":"w1","enabled":true,"webhookType":"jobCreate"}}`, ErrMalformed},
		"gone":                 {read, `{"success":false,"errorInfo":{"code":"webhook_not_found","message":"Webhook not found"}}`, ErrNotFound},
		"another":              {read, `{"success":true,"results":{"id":"w2","enabled":true}}`, ErrMalformed},
		"perhaps enabled":      {read, `{"success":true,"results":{"id":"w1"}}`, ErrMalformed},
		"enabled is text":      {read, `{"success":true,"results":{"id":"w1","enabled":"yes"}}`, ErrMalformed},
		"gone before":          {remove, `{"success":false,"errors":["webhook_not_found"]}`, ErrNotFound},
		"the secret is quoted": {
			change, `{"success":false,"errorInfo":{"code":"invalid_input","message":"` + strings.Repeat("x", 290) + hookSecret.Reveal() + `"}}`,
			ErrRefused,
		},
		"the secret is quoted, of a new one": {create, `{"success":false,"errors":["` + hookSecret.Reveal() + ` is no secret"]}`, ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.call(t.Context(), newTestClient(t, says(200, tc.says), nil))
			if !errors.Is(err, tc.want) || strings.Contains(fmt.Sprintf("%v %+v", err, err), hookSecret.Reveal()[:8]) {
				t.Errorf("err = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestWebhookSettingsAreNotAskedForNothing(t *testing.T) {
	t.Parallel()
	var a asked
	c := newTestClient(t, a.before(func(string, string) string { return `{}` }), nil)
	on := true
	_, noID := c.Webhook(t.Context(), "")
	_, noChange := c.UpdateWebhook(t.Context(), "w1", nil, nil, nil)
	_, noIDToChange := c.UpdateWebhook(t.Context(), "a/b", &on, nil, nil)
	for i, err := range []error{noID, noChange, noIDToChange, c.DeleteWebhook(t.Context(), "a b")} {
		if err == nil || len(a.list) > 0 {
			t.Errorf("call %d: %v, sent %q", i, err, a.list)
		}
	}
}

func TestOwnExamplesOfWebhookSettings(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	sent := map[string]map[string]any{
		"webhook.create": {"webhookType": "x", "requestUrl": "x", "secretToken": "x"},
		"webhook.update": {"webhookId": "x", "enabled": true, "requestUrl": "x", "secretToken": "x"},
		"webhook.delete": {"webhookId": "x"}, "webhook.info": {"webhookId": "x"},
	}
	for method, params := range sent {
		requireDocumented(t, d, method, params)
	}
	for _, method := range []string{"webhook.create", "webhook.update", "webhook.info"} {
		results, _ := d.answer(method)["results"].(map[string]any)
		for _, name := range []string{"id", "enabled", "requestUrl", "webhookType"} {
			if _, ok := d.properties(results)[name]; !ok {
				t.Errorf("%s does not answer with %s", method, name)
			}
		}
	}
}
