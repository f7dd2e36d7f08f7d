package webhook

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/fleet"
)

// The parts that can fail.
const (
	failureStore  = "store"
	failureSecret = "secret"
)

// attemptDelivered labels an attempt that nothing was wrong with; the others are the courier's words.
const attemptDelivered = "delivered"

type metrics struct {
	leaseHeld, waiting, oldest prometheus.Gauge
	terms                      prometheus.Counter
	receivers                  *prometheus.GaugeVec
	attempts, deliveries       *prometheus.CounterVec
	ended, failures            *prometheus.CounterVec
	seconds                    *prometheus.HistogramVec
	lag                        prometheus.Histogram
	acknowledged               *prometheus.HistogramVec
}

const namespace, subsystem = "ashbridge", "webhooks"

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(
			prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{label})
	}
	buckets := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 600, 3600, 86400}
	m := &metrics{
		leaseHeld: prometheus.NewGauge(gauge("lease_held", "1 while this process sends webhooks, 0 while it stands by.")),
		waiting:   prometheus.NewGauge(gauge("waiting", "Deliveries to active endpoints that are not done.")),
		oldest:    prometheus.NewGauge(gauge("oldest_waiting_seconds", "Age of the oldest of these deliveries, 0 where there is none.")),
		terms: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "terms_total", Help: "How often this process began to send webhooks.",
		}),
		receivers: prometheus.NewGaugeVec(gauge("endpoints", "Endpoints by status."), []string{"status"}),
		attempts:  counters("attempts_total", "Messages sent, by what came of it.", "result"),
		deliveries: counters("deliveries_total",
			"Deliveries that are done: delivered, or failed after all tries.", "state"),
		ended:    counters("endpoints_stopped_total", "Endpoints that were paused or disabled by themselves, by reason.", "reason"),
		failures: counters("failures_total", "Failed attempts to work, by the part that failed.", "part"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "attempt_seconds", Help: "Time of an attempt, by whether it delivered.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"delivered"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "published_to_delivered_seconds",
			Help: "Time from an event's place on the stream, or its replay, to its delivery.", Buckets: buckets,
		}),
		acknowledged: fleet.NewAcknowledged(fleet.WayWebhook),
	}
	for _, e := range append(courier.Errors(), attemptDelivered) {
		m.attempts.WithLabelValues(e)
	}
	for _, s := range []string{mirror.ParcelDelivered, mirror.ParcelFailed} {
		m.deliveries.WithLabelValues(s)
	}
	for _, c := range []string{mirror.PausedFailing, mirror.DisabledGone} {
		m.ended.WithLabelValues(c)
	}
	for _, f := range []string{failureStore, failureSecret} {
		m.failures.WithLabelValues(f)
	}
	for _, d := range []string{"true", "false"} {
		m.seconds.WithLabelValues(d)
	}
	m.showBacklog(mirror.Backlog{}, time.Time{})
	for _, c := range []prometheus.Collector{
		m.leaseHeld, m.terms, m.waiting, m.oldest, m.receivers, m.attempts, m.deliveries, m.ended, m.failures, m.seconds, m.lag, m.acknowledged,
	} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of webhooks: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) showLease(held bool) {
	m.leaseHeld.Set(0)
	if held {
		m.leaseHeld.Set(1)
		m.terms.Inc()
	}
}

func (m *metrics) showBacklog(b mirror.Backlog, now time.Time) {
	m.waiting.Set(float64(b.Waiting))
	m.oldest.Set(0)
	if b.OldestAt != nil {
		m.oldest.Set(max(0, now.Sub(*b.OldestAt).Seconds()))
	}
	for _, s := range []string{mirror.ReceiverActive, mirror.ReceiverPaused, mirror.ReceiverDisabled} {
		m.receivers.WithLabelValues(s).Set(float64(b.Receivers[s]))
	}
}

func (m *metrics) attempted(r courier.Result, took time.Duration) {
	if r.Delivered() {
		m.attempts.WithLabelValues(attemptDelivered).Inc()
		m.seconds.WithLabelValues("true").Observe(took.Seconds())
		return
	}
	m.attempts.WithLabelValues(r.Error).Inc()
	m.seconds.WithLabelValues("false").Observe(took.Seconds())
}

func (m *metrics) delivered(p mirror.Parcel, now time.Time) {
	m.deliveries.WithLabelValues(mirror.ParcelDelivered).Inc()
	m.lag.Observe(max(0, now.Sub(p.PublishedAt).Seconds()))
	origin, changed := p.Event.Head()
	if wasReplayed(p) || changed.IsZero() || !slices.Contains(fleet.Origins(), origin) {
		return
	}
	m.acknowledged.WithLabelValues(string(origin)).Observe(max(0, now.Sub(changed).Seconds()))
}

// newsFor is how long after its commit an event is published at the latest, as a rule: the relay may be without NATS.
const newsFor = time.Hour

// wasReplayed says that the receiver asked for the event anew, as far as can be told: a delivery that a replay makes has the
// replay's time.
func wasReplayed(p mirror.Parcel) bool {
	return p.HadBefore || p.PublishedAt.Sub(p.Event.CreatedAt) > newsFor
}
