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
	// Kind and ObjectID are what may have changed; ObjectID is empty where the delivery does not name it. Of an action
	// that touches several objects they are the one that it is about: the application that was hired, not its offer.
	Kind     Kind
	ObjectID string
	// Known says that the action is in the catalogue, of whatever module. A new type is normal and no error.
	Known bool
}

var (
	plainID     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	plainAction = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
)

// delivery is what is read of a body, in one pass: webhooks are taken by the ten thousand a second.
type delivery struct {
	Action          string `json:"action"`
	WebhookActionID string `json:"webhookActionId"`
	Data            struct {
		WebhookActionType string `json:"webhookActionType"`
		JobPosting        named  `json:"jobPosting"`
		Job               named  `json:"job"`
		Opening           named  `json:"opening"`
		Candidate         named  `json:"candidate"`
		DeletedCandidate  named  `json:"deletedCandidate"`
		Application       named  `json:"application"`
		SurveySubmission  named  `json:"surveySubmission"`
		InterviewSchedule named  `json:"interviewSchedule"`
		Offer             named  `json:"offer"`
		JobID             string `json:"jobId"`
		ApplicationID     string `json:"applicationId"`
		OfferID           string `json:"offerId"`
		RelatedEntityType string `json:"relatedEntityType"`
	} `json:"data"`
}

type named struct {
	ID string `json:"id"`
}

// target is the kind that the action touches, and the id of the object as far as the body names it.
func (d *delivery) target() (kind Kind, id string, known bool) {
	if kind, known = kindsByAction[d.Action]; !known {
		return "", "", false
	}
	switch d.Action {
	case "interviewPlanTransition":
		return KindJob, d.Data.JobID, true
	case "candidateMerge": // the one that is gone; the one that stays comes with what changed
		return KindCandidate, d.Data.DeletedCandidate.ID, true
	case "signatureRequestUpdate": // of a document that belongs to an offer or to an application
		if d.Data.RelatedEntityType == "application" || d.Data.RelatedEntityType != "offer" && d.Data.OfferID == "" {
			return KindApplication, d.Data.ApplicationID, true
		}
		return KindOffer, d.Data.OfferID, true
	}
	return kind, d.object(kind), true
}

// object is the id of the object of a kind, under which the action's own object lies.
func (d *delivery) object(kind Kind) string {
	switch kind {
	case KindPosting:
		return d.Data.JobPosting.ID
	case KindJob:
		return d.Data.Job.ID
	case KindOpening:
		return d.Data.Opening.ID
	case KindCandidate:
		return d.Data.Candidate.ID
	case KindApplication:
		return d.Data.Application.ID
	case KindSurveySubmission:
		return d.Data.SurveySubmission.ID
	case KindInterviewSchedule:
		return d.Data.InterviewSchedule.ID
	case KindOffer:
		return d.Data.Offer.ID
	default:
		return ""
	}
}

// ParseWebhook reads a delivery's body. It is a pure function of the bytes and verifies nothing: check the signature
// first. Ids that do not look like ids are taken as absent, as they end up in subjects and queries, and so is a member
// of an unexpected type. The error matches ErrNotWebhook.
func ParseWebhook(body []byte) (Webhook, error) {
	var d delivery
	var mismatch *json.UnmarshalTypeError // the other members were read all the same
	if err := json.Unmarshal(body, &d); err != nil && !errors.As(err, &mismatch) {
		return Webhook{}, fmt.Errorf("%w: %w", ErrNotWebhook, err)
	}
	w := Webhook{Action: d.Action, ActionID: identifier(d.WebhookActionID)}
	if !plainAction.MatchString(w.Action) {
		return Webhook{}, fmt.Errorf("%w: it names no action", ErrNotWebhook)
	}
	if w.Action == "ping" {
		w.Ping = true
		if of := d.Data.WebhookActionType; of != "ping" && plainAction.MatchString(of) {
			w.PingAction = of
		}
		return w, nil
	}
	w.Kind, w.ObjectID, w.Known = d.target()
	w.ObjectID = identifier(w.ObjectID)
	return w, nil
}

var kindsByAction = func() map[string]Kind {
	kinds := map[string]Kind{}
	for _, r := range catalogue {
		for _, action := range r.Actions {
			kinds[action] = r.Kind
		}
	}
	return kinds
}()

// identifier returns s if it looks like an id, else nothing.
func identifier(s string) string {
	if plainID.MatchString(s) {
		return s
	}
	return ""
}
