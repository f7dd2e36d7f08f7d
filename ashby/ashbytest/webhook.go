package ashbytest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// webhook is one setting: a type, a URL and a secret.
type webhook struct {
	id, action, url, secret string
	enabled                 bool
}

// actions are the types of webhooks that can be set up: those of Ashby's own list, less the beta of take-home assignments.
var actions = []string{
	"jobCreate", "jobUpdate", "jobPostingUpdate", "jobPostingPublish", "jobPostingUnpublish", "jobPostingDelete", "openingCreate",
	"interviewPlanTransition", "applicationSubmit", "applicationUpdate", "candidateStageChange", "candidateHire", "candidateDelete",
	"candidateMerge", "interviewScheduleCreate", "interviewScheduleUpdate", "offerCreate", "offerUpdate", "offerDelete", "pushToHRIS",
	"surveySubmit", "signatureRequestUpdate",
}

// Errors of AddWebhook.
var (
	ErrUnknownAction    = errors.New("there is no webhook of that type")
	ErrDuplicateWebhook = errors.New("duplicate webhook")
	// ErrPingFailed means that the setting exists but is disabled.
	ErrPingFailed = errors.New("the endpoint did not accept the ping")
)

// AddWebhook makes a webhook setting, as an administrator does in Ashby under Integrations. It first sends a ping and
// waits for the answer; where that is none or an error, the setting is kept but disabled, and the error wraps
// ErrPingFailed. The same type and URL twice is ErrDuplicateWebhook. An empty secret means unsigned deliveries.
func (o *Organization) AddWebhook(action, endpoint, secret string) error {
	target, err := url.Parse(endpoint)
	if err != nil || target.Host == "" {
		return fmt.Errorf("adding webhook %s: the request URL is not a URL", action)
	}
	if !slices.Contains(actions, action) {
		return fmt.Errorf("adding webhook %q: %w", action, ErrUnknownAction)
	}
	s := o.sim
	s.mu.Lock()
	hook := o.webhook(action, endpoint)
	if hook != nil && hook.enabled {
		s.mu.Unlock()
		return fmt.Errorf("adding webhook %s: %w", action, ErrDuplicateWebhook)
	}
	if hook == nil {
		hook = o.newWebhook(action, endpoint, secret)
	}
	hook.secret = secret
	s.mu.Unlock()
	if status := o.ping(endpoint, secret); !isGood(status) {
		return fmt.Errorf("adding webhook %s: %w (status %d)", action, ErrPingFailed, status)
	}
	s.mu.Lock()
	hook.enabled = true
	s.mu.Unlock()
	return nil
}

// newWebhook adds a setting that is not yet enabled.
func (o *Organization) newWebhook(action, endpoint, secret string) *webhook {
	hook := &webhook{id: o.nextWebhookID(), action: action, url: endpoint, secret: secret}
	o.webhooks = append(o.webhooks, hook)
	return hook
}

func (o *Organization) nextWebhookID() string {
	o.hooksMade++
	return o.sid("webhook", o.hooksMade)
}

// ping asks an endpoint whether it is there, and gives its status. It is called without the lock.
func (o *Organization) ping(endpoint, secret string) (status int) {
	body := []byte(`{"action":"ping","data":{"webhookActionType":"ping"}}`)
	ping := delivery{org: o.slug, action: "ping", url: endpoint, body: body}
	if !o.sim.opts.UnsignedPings {
		ping.secret = secret
	}
	return o.sim.attempt(ping, 1)
}

func isGood(status int) bool { return status >= 200 && status < 300 }

func (o *Organization) webhook(action, endpoint string) *webhook {
	for _, w := range o.webhooks {
		if w.action == action && w.url == endpoint {
			return w
		}
	}
	return nil
}

// HasWebhook says whether there is an enabled setting of that type and URL.
func (o *Organization) HasWebhook(action, endpoint string) bool {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	hook := o.webhook(action, endpoint)
	return hook != nil && hook.enabled
}

// RemoveWebhooks deletes all webhook settings; what is on its way is still delivered.
func (o *Organization) RemoveWebhooks() {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.webhooks = nil
}

// SetWebhookSecret changes the secret of all settings, for the webhooks of later events.
func (o *Organization) SetWebhookSecret(secret string) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	for _, w := range o.webhooks {
		w.secret = secret
	}
}

// MuteWebhooks loses all webhooks of the edits that follow, until it is called with false.
func (o *Organization) MuteWebhooks(muted bool) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.muted = muted
}

// ShuffleWebhooks delays the first try of each delivery by a random time below window, so that they arrive out of order.
// Zero ends it.
func (o *Organization) ShuffleWebhooks(window time.Duration) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.shuffle = window
}

// DuplicateWebhooks delivers each webhook so many more times. Zero ends it.
func (o *Organization) DuplicateWebhooks(more int) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.copies = more
}

// address turns the events of one act into deliveries, one for each setting of their type, and gives the function that
// lets them go. It is called with the lock held, the function without.
func (o *Organization) address(events []event) func() {
	if o.muted || len(events) == 0 || len(o.webhooks) == 0 {
		return func() {}
	}
	actionID := newActionID()
	var out []delivery
	for _, e := range events {
		body, err := json.Marshal(map[string]any{"action": e.action, "webhookActionId": actionID, "data": e.data})
		if err != nil {
			o.sim.opts.Logger.Error("encoding a webhook", "action", e.action, "error", err)
			continue
		}
		for _, hook := range o.webhooks {
			if hook.action != e.action || !hook.enabled {
				continue
			}
			d := delivery{
				org: o.slug, action: e.action, actionID: actionID, object: e.object, url: hook.url, secret: hook.secret, body: body,
				shuffle: o.shuffle,
			}
			for range 1 + o.copies {
				out = append(out, d)
			}
		}
	}
	return o.sim.launch(out)
}

// sign gives the value of the header Ashby-Signature.
//
// https://developers.ashbyhq.com/docs/authenticating-webhooks
func sign(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// newActionID is random: receivers may keep the ids they saw, and a simulator started anew must not repeat them.
func newActionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by the contract of crypto/rand
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
