package webhook

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// openAfter is after how many failures in a row an endpoint gets one probe at a time.
	openAfter = 5
	// Between two probes there is a pause that grows from minHold to maxHold.
	minHold = 5 * time.Second
	maxHold = 5 * time.Minute
	// An endpoint may ask for a pause within these bounds.
	minRetryAfter = time.Second
	maxRetryAfter = time.Hour
	// pauseAfter is how long an endpoint may take nothing before it is paused.
	pauseAfter = 5 * 24 * time.Hour
	// successNote is how often successes are noted of an endpoint that just works.
	successNote = 30 * time.Second
)

// health is how an endpoint answers, as this term knows it.
type health struct {
	mirror.ReceiverHealth
	// countedAt is when the last failure was counted. Those of tries that began before are the same trouble, and do not
	// count again.
	countedAt time.Time
	// notedAt is the last success that was noted.
	notedAt time.Time
	// changed says that the store is to hear of it.
	changed bool
}

func healthOf(h mirror.ReceiverHealth) health { return health{ReceiverHealth: h} }

// probing says that the endpoint gets one message at a time.
func (h *health) probing() bool { return h.Failures >= openAfter }

// heldAt says that nothing may be sent yet.
func (h *health) heldAt(now time.Time) bool { return h.RetryAt != nil && now.Before(*h.RetryAt) }

func (h *health) succeeded(now time.Time) (recovered bool) {
	recovered = h.FailingSince != nil
	h.Failures, h.FailingSince, h.RetryAt, h.LastSuccessAt = 0, nil, nil, &now
	if recovered || now.Sub(h.notedAt) >= successNote {
		h.notedAt, h.changed = now, true
	}
	return recovered
}

// failed takes a failed attempt in.
func (h *health) failed(r courier.Result, now time.Time) (first bool) {
	h.LastFailureAt, h.changed = &now, true
	if h.FailingSince == nil {
		h.FailingSince, first = &now, true
	}
	if first || !r.At.Before(h.countedAt) {
		h.Failures++
		h.countedAt = now
	}
	if pause := h.pauseAfter(r); pause > 0 {
		until := now.Add(pause)
		if h.RetryAt == nil || until.After(*h.RetryAt) {
			h.RetryAt = &until
		}
	}
	return first
}

// pauseAfter is how long the whole endpoint is left alone after a failure.
func (h *health) pauseAfter(r courier.Result) time.Duration {
	switch {
	case r.RetryAfter > 0:
		return min(max(r.RetryAfter, minRetryAfter), maxRetryAfter)
	case r.Error == courier.ErrorThrottled, h.probing():
		return holdFor(h.Failures - openAfter)
	}
	return 0
}

// holdFor is the pause before a probe, where round have been in vain.
func holdFor(round int) time.Duration {
	d := minHold
	for ; round > 0 && d < maxHold; round-- {
		d *= 2
	}
	d = min(d, maxHold)
	return d - rand.N(d/10+1)
}

// verdict says what an attempt means for the endpoint as a whole: nothing where status is empty.
func (h *health) verdict(r courier.Result, now time.Time) (status, code, reason string) {
	switch {
	case r.Error == courier.ErrorGone:
		return mirror.ReceiverDisabled, mirror.DisabledGone,
			"The endpoint answered 410 Gone: it wants no more webhooks. Resume it if it is there again."
	case h.FailingSince != nil && now.Sub(*h.FailingSince) >= pauseAfter:
		return mirror.ReceiverPaused, mirror.PausedFailing,
			fmt.Sprintf("Nothing was taken since %s. The last attempt: %s Repair the endpoint, test it, and resume it with a "+
				"snapshot.", h.FailingSince.UTC().Format(time.RFC3339), r.Detail)
	}
	return "", "", ""
}
