package gateway

import (
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// receiverJSON is an endpoint as the API shows it.
type receiverJSON struct {
	ID           string    `json:"id"`
	URL          string    `json:"url"`
	Description  string    `json:"description"`
	Employers    []string  `json:"employers"` // null for all
	Status       string    `json:"status"`
	StatusCode   string    `json:"status_code"`
	StatusReason string    `json:"status_reason"`
	StatusSince  time.Time `json:"status_since"`
	CreatedAt    time.Time `json:"created_at"`
	// Secret is in the answers to creation and rotation alone.
	Secret string `json:"secret,omitempty"`
	// PreviousSecretUntil is until when webhooks are signed with the secret before too.
	PreviousSecretUntil *time.Time `json:"previous_secret_until"`
	Health              healthJSON `json:"health"`
	Waiting             int        `json:"waiting"`
	OldestWaitingAt     *time.Time `json:"oldest_waiting_at"`
	Failed              int        `json:"failed"`
	// Replayed is what was queued together with the change that this answers.
	Replayed *replayedJSON `json:"replayed,omitempty"`
}

type healthJSON struct {
	FailingSince  *time.Time `json:"failing_since"`
	Failures      int        `json:"failures"`
	RetryAt       *time.Time `json:"retry_at"`
	LastSuccessAt *time.Time `json:"last_success_at"`
	LastFailureAt *time.Time `json:"last_failure_at"`
}

type replayedJSON struct {
	Queued     int `json:"queued"`
	Superseded int `json:"superseded"`
}

// showReceiver shows the secret where it is not empty.
func (g *Gateway) showReceiver(v mirror.ReceiverView, secret ashby.Secret) receiverJSON {
	out := receiverJSON{
		ID: v.ID, URL: v.URL, Description: v.Description, Employers: v.Employers, Status: v.Status,
		StatusCode: v.StatusCode, StatusReason: v.StatusReason, StatusSince: v.StatusSince.UTC(), CreatedAt: v.CreatedAt.UTC(),
		Secret: secret.Reveal(), Waiting: v.Waiting, OldestWaitingAt: utc(v.OldestWaitingAt), Failed: v.Failed,
		Health: healthJSON{
			FailingSince: utc(v.Health.FailingSince), Failures: v.Health.Failures, RetryAt: utc(v.Health.RetryAt),
			LastSuccessAt: utc(v.Health.LastSuccessAt), LastFailureAt: utc(v.Health.LastFailureAt),
		},
	}
	if v.PreviousUntil != nil && v.PreviousUntil.After(g.opts.Now()) {
		out.PreviousSecretUntil = utc(v.PreviousUntil)
	}
	return out
}

func showReplayed(r mirror.Replayed) *replayedJSON {
	return &replayedJSON{Queued: r.Queued, Superseded: r.Superseded}
}

// parcelJSON is a delivery as the API shows it.
type parcelJSON struct {
	ID          int64            `json:"id"`
	WebhookID   string           `json:"webhook_id"`
	Type        string           `json:"type"`
	Connection  string           `json:"connection"`
	Posting     string           `json:"posting"`
	Version     int64            `json:"version"`
	State       string           `json:"state"`
	PublishedAt time.Time        `json:"published_at"`
	Tries       int              `json:"tries"`
	NextAt      *time.Time       `json:"next_at"`
	FinishedAt  *time.Time       `json:"finished_at"`
	Attempts    []mirror.Attempt `json:"attempts"`
}

func showParcel(v mirror.ParcelView) parcelJSON {
	out := parcelJSON{
		ID: v.ID, WebhookID: v.EventID, Type: v.Type, Connection: v.Connection, Posting: v.Posting, Version: v.Version,
		State: v.State, PublishedAt: v.PublishedAt.UTC(), Tries: v.Tries, FinishedAt: utc(v.FinishedAt), Attempts: v.Attempts,
	}
	if v.State == mirror.ParcelPending {
		next := v.NextAt.UTC()
		out.NextAt = &next
	}
	if out.Attempts == nil {
		out.Attempts = []mirror.Attempt{}
	}
	return out
}
