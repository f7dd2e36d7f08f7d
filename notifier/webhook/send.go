package webhook

import (
	"context"
	"net/url"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// errorExpired is the word for a delivery whose event can be made no more.
const errorExpired = "expired"

// open opens a receiver's secrets.
func (t *term) open(r mirror.Receiver) ([]ashby.Secret, error) {
	var secrets []ashby.Secret
	for _, sealed := range []mirror.Sealed{r.Secret, r.Previous} {
		if len(sealed) == 0 {
			continue
		}
		s, err := t.Open(sealed, r.ID, seal.KindEndpointSecret)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}

// unopened counts that the secrets of a lane do not open, and has them tried again later.
func (t *term) unopened(l *lane, now time.Time) {
	t.metrics.failures.WithLabelValues(failureSecret).Inc()
	l.retryAt = now.Add(openEvery)
}

// reopen tries again to open the secrets of a lane. The first failure was logged; the others are only counted, as there may
// be as many of them as there are endpoints.
func (t *term) reopen(ctx context.Context, l *lane, now time.Time) {
	secrets, err := t.open(l.Receiver)
	if err != nil {
		t.unopened(l, now)
		return
	}
	l.secrets, l.unusable = secrets, false
	t.Logger.InfoContext(ctx, "signing secret opens again; events are sent to the endpoint", "endpoint", l.ID)
}

// start lets messages leave, in turn of each lane one, as long as there is one that may.
func (t *term) start(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.startLocked(ctx)
}

func (t *term) startLocked(ctx context.Context) {
	if t.closing || ctx.Err() != nil {
		return
	}
	now := t.Now()
	for idle := 0; idle < len(t.order); {
		l := t.order[t.turn%len(t.order)]
		t.turn++
		if !l.mayStart(now) || l.running > 0 && t.shared == 0 {
			idle++
			continue
		}
		idle = 0
		if l.running > 0 {
			t.shared--
		}
		p := l.next()
		m := courier.Message{URL: l.URL, ID: p.Event.EventID, Secrets: l.signing(now)}
		t.sending.Go(func() { t.send(ctx, l, p, m) })
	}
}

// send sends one message. Where the term ended meanwhile, nothing is known and the next term sends it again.
func (t *term) send(ctx context.Context, l *lane, p mirror.Parcel, m courier.Message) {
	if string(p.Event.Data) == "null" {
		t.done(ctx, l, p, courier.Result{Attempt: mirror.Attempt{
			At: t.Now(), Error: errorExpired, Detail: "The event has left the log, and its job has changed since.",
		}})
		return
	}
	body, err := mirror.EncodeEvent(p.Event.Envelope(p.PublishedAt))
	if err != nil { // what the log holds is JSON
		t.done(ctx, l, p, courier.Result{Attempt: mirror.Attempt{
			At: t.Now(), Error: errorExpired, Detail: "The event cannot be read any more.",
		}})
		return
	}
	m.Body = body
	began := time.Now()
	r := t.Send(ctx, m)
	if ctx.Err() != nil && !r.Delivered() {
		t.dropped(l)
		return
	}
	t.metrics.attempted(r, time.Since(began))
	t.done(ctx, l, p, r)
}

// dropped gives the slot of a message back that the end of the term cut off.
func (t *term) dropped(l *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.freed(l)
}

func (t *term) freed(l *lane) {
	l.running--
	if l.running > 0 {
		t.shared++
	}
}

// done takes the result of an attempt in, and lets the next message leave.
func (t *term) done(ctx context.Context, l *lane, p mirror.Parcel, r courier.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer poke(t.signal)
	t.freed(l)
	now := t.Now()
	o := outcomeOf(p, r, now)
	t.results = append(t.results, result{lane: l, job: jobOf(p), outcome: o})
	l.unnoted++
	switch {
	case r.Error == errorExpired:
	case r.Delivered():
		l.allowed = min(t.PerEndpoint, l.allowed+1)
		if l.health.succeeded(now) {
			t.Logger.InfoContext(ctx, "endpoint takes webhooks again", "endpoint", l.ID)
		}
		t.metrics.delivered(p, now)
	default:
		l.allowed = max(1, l.allowed/2)
		if r.Error == courier.ErrorThrottled {
			l.allowed = 1
		}
		if l.health.failed(r, now) {
			t.Logger.InfoContext(ctx, "endpoint fails", "endpoint", l.ID, "host", hostOf(l.URL), "status", r.Status, "reason", r.Error)
		}
		t.judge(ctx, l, r, now)
	}
	if o.State == mirror.ParcelFailed {
		t.metrics.deliveries.WithLabelValues(mirror.ParcelFailed).Inc()
		t.Logger.WarnContext(ctx, "delivery given up", "endpoint", l.ID, "event", p.Event.EventID, "tries", o.Tries,
			"status", r.Status, "reason", r.Error)
	}
	t.startLocked(ctx)
}

// outcomeOf says what an attempt means for the delivery.
func outcomeOf(p mirror.Parcel, r courier.Result, now time.Time) mirror.ParcelOutcome {
	o := mirror.ParcelOutcome{
		ID: p.ID, Receiver: p.Receiver, Tries: p.Tries + 1, Attempt: r.Attempt, State: mirror.ParcelPending,
	}
	first := now
	if p.FirstTriedAt != nil {
		first = *p.FirstTriedAt
	}
	pause, again := nextTry(o.Tries, now.Sub(first))
	switch {
	case r.Delivered():
		o.State = mirror.ParcelDelivered
	case r.Error == errorExpired:
		o.State = mirror.ParcelFailed
	case r.Error == courier.ErrorGone: // it waits for the endpoint to be resumed
		o.Retry = pause
	case !again:
		o.State = mirror.ParcelFailed
	default:
		o.Retry = max(pause, min(r.RetryAfter, maxRetryAfter))
	}
	return o
}

// judge closes the lane of an endpoint that failed for too long or is gone.
func (t *term) judge(ctx context.Context, l *lane, r courier.Result, now time.Time) {
	status, code, reason := l.health.verdict(r, now)
	if status == "" || l.closed {
		return
	}
	l.closed = true
	l.status, l.statusCode, l.statusReason = status, code, reason
	t.metrics.ended.WithLabelValues(code).Inc()
	t.Logger.WarnContext(ctx, "endpoint gets no more webhooks", "endpoint", l.ID, "host", hostOf(l.URL), "state", status,
		"reason", code, "failing_since", l.health.FailingSince, "status", r.Status)
}

// hostOf is what may be logged of an address: its path may hold a token.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
