package ashby

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// ErrNotWebhook says that a body is not a webhook of Ashby's.
var ErrNotWebhook = errors.New("not an ashby webhook")

// Webhook is what a delivery says. It says that something may have changed and carries no state worth trusting: the
// posting in it has no description, and deliveries have no order.
//
// https://developers.ashbyhq.com/docs/common-payload-data
type Webhook struct {
	// ActionID names the event: the same in each retry, and in each setting that the event is sent to. Empty where the
	// delivery has none, as a ping.
	ActionID string
	// Action is the webhook type, such as jobPostingUpdate.
	Action string
	// Ping is true for the delivery that Ashby sends when a setting is saved; PingAction is the type of that setting,
	// empty where the ping does not say.
	Ping       bool
	PingAction string
	// Kind and ObjectID are what may have changed; ObjectID is empty where the delivery does not name it.
	Kind     Kind
	ObjectID string
	// Known says that the action is in the catalogue. A new or unwanted type is normal and no error.
	Known bool
}

var (
	plainID     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	plainAction = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
)

// objectField is the member of data that holds the object of a kind.
var objectField = map[Kind]string{KindPosting: "jobPosting", KindJob: "job"}

// ParseWebhook reads a delivery's body. It is a pure function of the bytes and verifies nothing: check the signature
// first. Ids that do not look like ids are taken as absent, as they end up in subjects and queries. The error matches
// ErrNotWebhook.
func ParseWebhook(body []byte) (Webhook, error) {
	var envelope object
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Webhook{}, fmt.Errorf("%w: %w", ErrNotWebhook, err)
	}
	w := Webhook{Action: envelope.text("action"), ActionID: identifier(envelope.text("webhookActionId"))}
	if !plainAction.MatchString(w.Action) {
		return Webhook{}, fmt.Errorf("%w: it names no action", ErrNotWebhook)
	}
	data := envelope.object("data")
	if w.Action == "ping" {
		w.Ping = true
		if of := data.text("webhookActionType"); of != "ping" && plainAction.MatchString(of) {
			w.PingAction = of
		}
		return w, nil
	}
	w.Kind, w.Known = kindOfAction(w.Action)
	if w.Known {
		w.ObjectID = identifier(data.object(objectField[w.Kind]).text("id"))
	}
	return w, nil
}

// identifier returns s if it looks like an id, else nothing.
func identifier(s string) string {
	if plainID.MatchString(s) {
		return s
	}
	return ""
}
