package gateway

import (
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// How a subscriber stands.
const (
	subscriberActive  = "active"  // its consumer is there as it is to be
	subscriberPending = "pending" // its consumer is being made
	subscriberRevoked = "revoked"
)

// subscriberJSON is a subscriber as the API shows it, with all that a client of NATS needs.
type subscriberJSON struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	// Note says what happens next where something is not as it is to be; else empty.
	Note string `json:"note"`
	// Employers are connections; nil stands for all.
	Employers []string `json:"employers"`
	URL       string   `json:"url"`
	User      string   `json:"user"`
	// Password is empty but in the answer to the request that made it.
	Password    string     `json:"password,omitempty"`
	Stream      string     `json:"stream"`
	Consumer    string     `json:"consumer"`
	InboxPrefix string     `json:"inbox_prefix"`
	Generation  int        `json:"generation"`
	Replay      int        `json:"replay"`
	CreatedAt   time.Time  `json:"created_at"`
	RotatedAt   *time.Time `json:"rotated_at"`
	RevokedAt   *time.Time `json:"revoked_at"`
	// Lag is nil where it cannot be told; LagNote says why.
	Lag     *lagJSON `json:"lag"`
	LagNote string   `json:"lag_note"`
}

type lagJSON struct {
	Pending        int  `json:"pending"`
	Unacknowledged int  `json:"unacknowledged"`
	Redelivered    int  `json:"redelivered"`
	Asking         bool `json:"asking"`
	// OldestAt is since when the oldest event waits that is not acknowledged; nil where none waits.
	OldestAt       *time.Time `json:"oldest_unacknowledged_at"`
	DeliveredAt    *time.Time `json:"last_delivered_at"`
	AcknowledgedAt *time.Time `json:"last_acknowledged_at"`
}

const (
	notePending = "Its consumer is not there as described yet, because NATS did not answer. It is made as soon as NATS does."
	noteRevoked = "It was shut out for good. What is left of its consumer is removed as soon as NATS answers."
	noteNoLag   = "NATS does not answer."
	noteNoQueue = "Its consumer is not there in this moment. It is made again within seconds."
)

// showSubscriber returns the subscriber's wire shape, without its lag; password is empty but in the answer to the request
// that made it.
func (g *Gateway) showSubscriber(s mirror.Subscriber, password ashby.Secret) subscriberJSON {
	out := subscriberJSON{
		ID: s.ID, Name: s.Name, Status: subscriberActive, Employers: s.Employers, URL: g.opts.NATSURL, User: s.User(),
		Password: password.Reveal(), Stream: events.Stream, Consumer: s.User(), InboxPrefix: mirror.InboxPrefix(s.User()),
		Generation: s.Generation, Replay: s.Replay, CreatedAt: s.CreatedAt.UTC(), RotatedAt: utc(s.RotatedAt),
		RevokedAt: utc(s.RevokedAt),
	}
	switch {
	case s.RevokedAt != nil:
		out.Status = subscriberRevoked
	case s.MadeAt == nil:
		out.Status, out.Note = subscriberPending, notePending
	}
	return out
}

func showLag(l mirror.Lag) *lagJSON {
	return &lagJSON{
		Pending: l.Pending, Unacknowledged: l.Unacknowledged, Redelivered: l.Redelivered, Asking: l.Waiting > 0,
		OldestAt: utc(l.OldestAt), DeliveredAt: utc(l.DeliveredAt), AcknowledgedAt: utc(l.AcknowledgedAt),
	}
}
