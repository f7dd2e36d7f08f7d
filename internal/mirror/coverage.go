package mirror

import (
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Coverage counts how changes that a webhook should have told were found.
type Coverage struct {
	// Action is the webhook type that should have told.
	Action string
	// ByWebhook counts those that a webhook told first, ByPoll those that only a poll found.
	ByWebhook, ByPoll int64
	// LastWebhookAt and LastMissedAt are nil where there was none.
	LastWebhookAt, LastMissedAt *time.Time
}

// Share is the part that came by webhook, from 0 to 1; false where nothing is known yet.
func (c Coverage) Share() (float64, bool) {
	all := c.ByWebhook + c.ByPoll
	if all == 0 {
		return 0, false
	}
	return float64(c.ByWebhook) / float64(all), true
}

// IsMissing says that the setting should have told of a change and did not, and has not told of one since.
func (c Coverage) IsMissing() bool {
	return c.LastMissedAt != nil && (c.LastWebhookAt == nil || c.LastWebhookAt.Before(*c.LastMissedAt))
}

// ExpectedAction is the webhook type that tells of a job event; empty where none does, as for a job that became
// confidential.
//
// https://developers.ashbyhq.com/docs/setting-up-webhooks
func ExpectedAction(typ events.Type, reason events.Reason) string {
	switch typ {
	case events.JobPublished:
		return "jobPostingPublish"
	case events.JobUpdated:
		return "jobPostingUpdate"
	case events.JobClosed:
		switch reason {
		case events.ReasonUnpublished:
			return "jobPostingUnpublish"
		case events.ReasonDeleted:
			return "jobPostingDelete"
		case events.ReasonUnlisted, events.ReasonInternal:
			return "jobPostingUpdate"
		case events.ReasonConfidential, events.ReasonDraft:
			return "jobUpdate"
		}
	}
	return ""
}
