package webhook

import (
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// window is how many parcels of one endpoint are in memory at most.
	window = 64
	// startWith is how many messages are on their way to an endpoint at first; each success allows one more, and each failure
	// halves them.
	startWith = 2
)

// lane is what is in memory of one endpoint. The term's lock guards it.
type lane struct {
	mirror.Receiver
	health  health
	secrets []ashby.Secret // the current one, then the previous
	// unusable says that the secrets do not open; they are tried again at retryAt.
	unusable bool
	retryAt  time.Time
	// closed says that nothing more is sent: it was paused, disabled or deleted. gone says that the store has it no more.
	closed, gone bool
	ready        []mirror.Parcel
	running      int
	// unnoted is how many results the store has not heard of.
	unnoted int
	allowed int
	// last is what the store is to hear beside health: a new status.
	status, statusCode, statusReason string
}

// take makes the lane that of a receiver as it is stored now.
func (l *lane) take(r mirror.Receiver, secrets []ashby.Secret, unusable bool) {
	l.Receiver, l.health, l.secrets, l.unusable = r, healthOf(r.Health), secrets, unusable
	l.closed, l.gone = false, false
	l.status, l.statusCode, l.statusReason = "", "", ""
	l.allowed = startWith
}

// room is how many parcels may be read.
func (l *lane) room(now time.Time) int {
	inHand := len(l.ready) + l.running + l.unnoted
	switch {
	case l.closed || l.unusable || l.health.heldAt(now):
		return 0
	case l.health.probing():
		return max(0, 1-inHand)
	}
	return max(0, window-inHand)
}

// mayStart says whether a message may leave now.
func (l *lane) mayStart(now time.Time) bool {
	allowed := l.allowed
	if l.health.probing() {
		allowed = 1
	}
	return !l.closed && len(l.ready) > 0 && l.running < allowed && !l.health.heldAt(now)
}

// next takes the oldest parcel that is ready.
func (l *lane) next() mirror.Parcel {
	p := l.ready[0]
	l.ready = l.ready[1:]
	l.running++
	return p
}

// signing are the secrets that sign at a time.
func (l *lane) signing(now time.Time) []ashby.Secret {
	if len(l.secrets) > 1 && l.PreviousUntil != nil && now.Before(*l.PreviousUntil) {
		return l.secrets
	}
	return l.secrets[:1]
}

// change is what the store is to hear of the endpoint.
func (l *lane) change() mirror.ReceiverChange {
	return mirror.ReceiverChange{
		ID: l.ID, Revision: l.Revision, Health: l.health.ReceiverHealth,
		Status: l.status, StatusCode: l.statusCode, StatusReason: l.statusReason,
	}
}
