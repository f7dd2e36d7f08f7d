package syncer

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Metrics are the syncer's. They exist before it, so that the clients it is given can count their requests.
type Metrics struct {
	polls, refreshes  *prometheus.CounterVec
	requests          *prometheus.CounterVec
	requestSeconds    prometheus.Histogram
	events            *prometheus.CounterVec
	records           prometheus.Counter
	pollSeconds       prometheus.Histogram
	held              prometheus.Counter
	badRows           *prometheus.CounterVec
	partitions, desks prometheus.Gauge
	stale             prometheus.Counter
	swept, direct     prometheus.Counter
	crowded           prometheus.Counter
	slices            *prometheus.CounterVec
	coverage          *prometheus.CounterVec
	lostRuns          prometheus.Counter
	loopErrors        *prometheus.CounterVec
	leases            *prometheus.CounterVec
	connections       connectionMetrics
	paces             paces
	methods, answers  map[string]bool
}

// NewMetrics makes the metrics and registers them. shown bounds for how many connections there are series of their own; nil
// for none.
func NewMetrics(reg prometheus.Registerer, shown *telemetry.Bounded) (*Metrics, error) {
	m := &Metrics{
		polls:     counters("polls_total", "Polls by how they ended.", "outcome"),
		refreshes: counters("refreshes_total", "Refreshes of single objects by how they ended.", "outcome"),
		requests:  counters("ashby_requests_total", "Requests to Ashby, retries included, by method and outcome.", "method", "outcome"),
		requestSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ashbridge_syncer_ashby_request_seconds", Help: "Time from sending a request to Ashby to its answer.",
			Buckets: prometheus.ExponentialBuckets(.005, 2, 14),
		}),
		events:  counters("events_total", "Job events committed, by how the change was found.", "origin"),
		records: counter("records_total", "Records written because they were new or had changed."),
		pollSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ashbridge_syncer_poll_seconds", Help: "Time that polls took.",
			Buckets: prometheus.ExponentialBuckets(.05, 2, 16),
		}),
		held:       counter("held_postings_total", "Postings whose closing was held because many vanished at once."),
		badRows:    counters("bad_rows_total", "Objects from Ashby that could not be read, by kind.", "kind"),
		partitions: gauge("partitions", "Partitions that this process owns."),
		desks:      gauge("desks", "Connections that are kept in memory because of recent work."),
		stale:      counter("stale_answers_total", "Answers dropped because a newer one was applied."),
		swept:      counter("swept_hints_total", "Hints given again because their webhook stayed unanswered."),
		direct:     counter("direct_hints_total", "Hints worked on without the bus."),
		crowded:    counter("crowded_hints_total", "Hints put off because too many of their connection were in work."),
		slices:     counters("record_slices_total", "Slices of what is not polled, by how they ended.", "outcome"),
		coverage:   counters("webhook_changes_total", "Changes that a webhook should have told, by webhook type and by what found them.", "action", "found_by"),
		lostRuns:   counter("lost_runs_total", "Runs that the store did not take, so that nobody can look at them."),
		loopErrors: counters("loop_errors_total", "Rounds of a background loop that failed, by loop.", "loop"),
		leases: counters("lease_changes_total",
			"Partitions that were taken, were lost because the lease could not be renewed in time or was another's, or were released.", "change"),
		connections: newConnectionMetrics(shown), paces: newPaces(),
		methods: map[string]bool{}, answers: map[string]bool{},
	}
	m.declare()
	var errs []error
	for _, c := range []prometheus.Collector{
		m.polls, m.refreshes, m.requests, m.requestSeconds, m.events, m.records,
		m.pollSeconds, m.held, m.badRows, m.partitions, m.desks, m.stale, m.swept, m.direct, m.crowded, m.slices, m.coverage, m.lostRuns, m.loopErrors,
		m.leases, m.paces, m.connections.runs, m.connections.events, m.connections.changes, m.connections.errors,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

const otherLabel = telemetry.Other

// expected are the answers of Ashby's whose series are there before their first count, for each method: those that alerts
// divide by and look for. All answers of all methods would be hundreds of series that stay at 0.
var expected = []string{"ok", "rate_limited", "unavailable"}

var origins = []events.Origin{events.OriginSeed, events.OriginWebhook, events.OriginPoll, events.OriginRepair}

// declare makes the label sets, so that a series is there before its first count.
func (m *Metrics) declare() {
	for _, o := range outcomes {
		m.polls.WithLabelValues(string(o))
		m.refreshes.WithLabelValues(string(o))
		m.slices.WithLabelValues(string(o))
	}
	for _, action := range ashby.WebhookActions() {
		m.coverage.WithLabelValues(action, foundByWebhook)
		m.coverage.WithLabelValues(action, foundByPoll)
	}
	for _, o := range origins {
		m.events.WithLabelValues(string(o))
	}
	for _, c := range []string{leaseTaken, leaseLost, leaseReleased} {
		m.leases.WithLabelValues(c)
	}
	for _, l := range []string{"lease", "schedule", "sweep", "watch", "diary"} {
		m.loopErrors.WithLabelValues(l)
	}
	for _, o := range []string{
		"ok", "unauthorized", "missing_permission", "not_found", "rate_limited", "unavailable",
		"malformed", "restart", "duplicate", "refused", "canceled",
	} {
		m.answers[o] = true
	}
	for _, res := range ashby.Catalogue() {
		m.badRows.WithLabelValues(string(res.Kind))
		for _, method := range []string{res.List, res.Info} {
			if method != "" {
				m.methods[method] = true
				for _, o := range expected {
					m.requests.WithLabelValues(method, o)
				}
			}
		}
	}
}

// ObserveRequest counts a request to Ashby; it is what ashby.Options.Observe wants.
func (m *Metrics) ObserveRequest(method, outcome string, took time.Duration) {
	if !m.methods[method] {
		method = otherLabel
	}
	if !m.answers[outcome] {
		outcome = otherLabel
	}
	m.requests.WithLabelValues(method, outcome).Inc()
	m.requestSeconds.Observe(took.Seconds())
}

func (m *Metrics) poll(o outcome, took time.Duration) {
	m.polls.WithLabelValues(string(o)).Inc()
	m.pollSeconds.Observe(took.Seconds())
}

// How changes are found.
const (
	foundByWebhook = "webhook"
	foundByPoll    = "poll"
)

// covered counts how changes that a webhook should have told were found.
func (m *Metrics) covered(connection string, c mirror.Coverage) {
	m.connections.covered(connection, c)
	m.coverage.WithLabelValues(c.Action, foundByWebhook).Add(float64(c.ByWebhook))
	m.coverage.WithLabelValues(c.Action, foundByPoll).Add(float64(c.ByPoll))
}

func (m *Metrics) slice(o outcome) { m.slices.WithLabelValues(string(o)).Inc() }

func (m *Metrics) refresh(o outcome) { m.refreshes.WithLabelValues(string(o)).Inc() }

func (m *Metrics) applied(connection string, origin events.Origin, done mirror.Applied) {
	m.connections.applied(connection, origin, done.Events)
	m.events.WithLabelValues(string(origin)).Add(float64(done.Events))
	m.records.Add(float64(done.Records))
}

func (m *Metrics) badRow(kind ashby.Kind) {
	if _, known := ashby.ResourceOf(kind); !known {
		kind = otherLabel
	}
	m.badRows.WithLabelValues(string(kind)).Inc()
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ashbridge_syncer_" + name, Help: help}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "ashbridge_syncer_" + name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: "ashbridge_syncer_" + name, Help: help})
}
