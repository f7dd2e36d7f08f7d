package gateway

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// outcome is what became of a webhook.
type outcome string

const (
	hookAccepted      outcome = "accepted"      // committed to the inbox
	hookSpilled       outcome = "spilled"       // stored in SPILL, since Postgres did not take it
	hookUninteresting outcome = "uninteresting" // committed; touches nothing that is mirrored
	hookUnreadable    outcome = "unreadable"    // signed, but of unknown shape: led to a poll
	hookPing          outcome = "ping"
	hookBadSignature  outcome = "bad_signature"
	hookGrace         outcome = "bad_signature_grace" // the same within a day of a new secret: to be tried again
	hookUnknownToken  outcome = "unknown_token"
	hookRemoved       outcome = "removed"
	hookQueueFull     outcome = "queue_full"
	hookUnavailable   outcome = "unavailable" // no store could take it, or the token could not be looked up
)

var outcomes = []outcome{
	hookAccepted, hookSpilled, hookUninteresting, hookUnreadable, hookPing, hookBadSignature,
	hookGrace, hookUnknownToken, hookRemoved, hookQueueFull, hookUnavailable,
}

// feedOutcome is what became of a request for a feed.
type feedOutcome string

const (
	feedSent       feedOutcome = "sent"
	feedUnmodified feedOutcome = "not_modified"
	feedHead       feedOutcome = "head"
	feedUnknown    feedOutcome = "unknown"   // no such token, or it could not be looked up
	feedBusy       feedOutcome = "busy"      // too many readers
	feedCut        feedOutcome = "cut_short" // the client went away or was too slow, or the jobs could not be read
)

var feedOutcomes = []feedOutcome{feedSent, feedUnmodified, feedHead, feedUnknown, feedBusy, feedCut}

// metrics are the gateway's; every label set is closed and made at the start.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	webhooks  map[outcome]prometheus.Counter
	batches   prometheus.Histogram
	commits   prometheus.Histogram
	commitErr prometheus.Counter
	queue     prometheus.Gauge
	hints     *prometheus.CounterVec
	lookups   *prometheus.CounterVec
	drained   prometheus.Counter
	drainErr  prometheus.Counter
	feeds     *prometheus.CounterVec
	// connectionWebhooks are the webhooks of the connections that are shown.
	connectionWebhooks *prometheus.CounterVec
	connections        *telemetry.Bounded
	logins             map[loginOutcome]prometheus.Counter
	denied             map[denial]prometheus.Counter
}

// newMetrics registers the metrics. connections bounds whose webhooks have series of their own; nil for none.
func newMetrics(reg prometheus.Registerer, connections *telemetry.Bounded) (*metrics, error) {
	hooks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ashbridge_gateway_webhooks_total",
		Help: "Webhooks by what became of them.",
	}, []string{"outcome"})
	logins, byOutcome := newLoginMetrics()
	failures, byReason := newTokenMetrics()
	m := &metrics{
		logins: byOutcome, denied: byReason,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ashbridge_gateway_requests_total",
			Help: "HTTP requests by route and class of status.",
		}, []string{"route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ashbridge_gateway_request_seconds",
			Help:    "Time from the request's arrival to its answer, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
		webhooks: make(map[outcome]prometheus.Counter, len(outcomes)),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ashbridge_gateway_commit_webhooks",
			Help: "Webhooks that shared one commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ashbridge_gateway_commit_seconds",
			Help:    "Time of a commit of webhooks.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		commitErr: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashbridge_gateway_commit_errors_total",
			Help: "Commits of webhooks that failed.",
		}),
		queue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ashbridge_gateway_commit_queue",
			Help: "Webhooks that waited when the latest commit began.",
		}),
		hints: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ashbridge_gateway_hints_total",
			Help: "Hints by what became of them; the sweeper repeats those that were lost.",
		}, []string{"outcome"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ashbridge_gateway_endpoint_lookups_total",
			Help: "Lookups of webhook tokens by how they were answered.",
		}, []string{"outcome"}),
		drained: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashbridge_gateway_spill_drained_total",
			Help: "Webhooks that moved from SPILL to the inbox.",
		}),
		drainErr: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ashbridge_gateway_spill_errors_total",
			Help: "Attempts to drain SPILL that failed.",
		}),
		feeds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ashbridge_gateway_feeds_total",
			Help: "Requests for feeds by what became of them.",
		}, []string{"outcome"}),
	}
	m.showConnections(connections)
	for _, o := range outcomes {
		m.webhooks[o] = hooks.WithLabelValues(string(o))
	}
	for _, o := range []string{"published", "failed", "dropped"} {
		m.hints.WithLabelValues(o)
	}
	for _, o := range []string{"cached", "stale", "found", "unknown", "failed"} {
		m.lookups.WithLabelValues(o)
	}
	for _, o := range feedOutcomes {
		m.feeds.WithLabelValues(string(o))
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.requests, m.durations, hooks, m.batches, m.commits, m.commitErr,
		m.queue, m.hints, m.lookups, m.drained, m.drainErr, m.feeds, logins, failures, m.connectionWebhooks,
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func newLoginMetrics() (*prometheus.CounterVec, map[loginOutcome]prometheus.Counter) {
	logins := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ashbridge_gateway_board_logins_total",
		Help: "Logins of job boards at NATS by what became of them.",
	}, []string{"outcome"})
	byOutcome := make(map[loginOutcome]prometheus.Counter, len(loginOutcomes))
	for _, o := range loginOutcomes {
		byOutcome[o] = logins.WithLabelValues(string(o))
	}
	return logins, byOutcome
}

func newTokenMetrics() (*prometheus.CounterVec, map[denial]prometheus.Counter) {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ashbridge_gateway_token_failures_total",
		Help: "Requests to the API that were refused for their token, by why.",
	}, []string{"reason"})
	byReason := make(map[denial]prometheus.Counter, len(denials))
	for _, why := range denials {
		byReason[why] = failures.WithLabelValues(string(why))
	}
	return failures, byReason
}

// declare makes the label sets of the routes; of the classes of status, those that each may answer.
func (m *metrics) declare(routes []route) {
	labels := []string{unmatched}
	for _, r := range routes {
		labels = append(labels, r.label())
	}
	for _, l := range labels {
		m.durations.WithLabelValues(l)
		for _, class := range []string{"2xx", "4xx", "5xx"} {
			m.requests.WithLabelValues(l, class)
		}
	}
}

func (m *metrics) request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

// showConnections makes the counter by connection. Those that belong to no connection that is there are not in it.
func (m *metrics) showConnections(connections *telemetry.Bounded) {
	if connections == nil {
		connections = telemetry.NewBounded("connection", 0)
	}
	m.connections = connections
	m.connectionWebhooks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ashbridge_connection_webhooks_total",
		Help: "Webhooks of a connection by what became of them.",
	}, []string{"connection", "outcome"})
	connections.Follow(func(id string) {
		for _, o := range outcomes {
			if o != hookUnknownToken && o != hookRemoved {
				m.connectionWebhooks.WithLabelValues(id, string(o))
			}
		}
	}, m.connectionWebhooks)
}

// webhook counts a webhook; connection is empty where it is not known.
func (m *metrics) webhook(connection string, o outcome) {
	m.webhooks[o].Inc()
	if connection != "" && o != hookRemoved {
		m.connectionWebhooks.WithLabelValues(m.connections.Value(connection), string(o)).Inc()
	}
}

func (m *metrics) feed(o feedOutcome) { m.feeds.WithLabelValues(string(o)).Inc() }
