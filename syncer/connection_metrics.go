package syncer

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// How the work on a partition begins and ends.
const (
	leaseTaken    = "taken"
	leaseLost     = "lost"
	leaseReleased = "released"
)

// ended are the outcomes that a run can end with; the others are no run.
var ended = []outcome{
	outcomeOK, outcomeIncomplete, outcomeBraked, outcomeUnauthorized, outcomePermission, outcomeRateLimited, outcomeUnavailable,
	outcomeMalformed, outcomeImplausible, outcomeStore, outcomeOther,
}

// connectionMetrics are those by connection.
type connectionMetrics struct {
	shown                         *telemetry.Bounded
	runs, events, changes, errors *prometheus.CounterVec
}

func newConnectionMetrics(shown *telemetry.Bounded) connectionMetrics {
	if shown == nil {
		shown = telemetry.NewBounded("connection", 0)
	}
	of := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(
			prometheus.CounterOpts{Name: "ashbridge_connection_" + name, Help: help}, append([]string{"connection"}, labels...))
	}
	m := connectionMetrics{
		shown:   shown,
		runs:    of("runs_total", "Polls, refreshes and slices of a connection by how they ended.", "outcome"),
		events:  of("events_total", "Job events of a connection committed, by how the change was found.", "origin"),
		changes: of("changes_total", "Changes of a connection that a webhook should have told, by what found them.", "found_by"),
		errors:  of("ashby_errors_total", "Requests to Ashby for a connection that failed, retries included."),
	}
	shown.Follow(m.declare, m.runs, m.events, m.changes, m.errors)
	return m
}

func (m connectionMetrics) declare(connection string) {
	for _, o := range ended {
		m.runs.WithLabelValues(connection, string(o))
	}
	for _, o := range origins {
		m.events.WithLabelValues(connection, string(o))
	}
	for _, f := range []string{foundByWebhook, foundByPoll} {
		m.changes.WithLabelValues(connection, f)
	}
	m.errors.WithLabelValues(connection)
}

// ran counts a run that has ended, and its requests that failed.
func (m connectionMetrics) ran(connection string, o outcome, failures int) {
	connection = m.shown.Value(connection)
	m.runs.WithLabelValues(connection, string(o)).Inc()
	m.errors.WithLabelValues(connection).Add(float64(failures))
}

func (m connectionMetrics) applied(connection string, origin events.Origin, n int) {
	m.events.WithLabelValues(m.shown.Value(connection), string(origin)).Add(float64(n))
}

func (m connectionMetrics) covered(connection string, c mirror.Coverage) {
	connection = m.shown.Value(connection)
	m.changes.WithLabelValues(connection, foundByWebhook).Add(float64(c.ByWebhook))
	m.changes.WithLabelValues(connection, foundByPoll).Add(float64(c.ByPoll))
}

// paces shows how fast the keys' requests may go, of all connections with recent work.
type paces struct {
	of            *atomic.Pointer[Syncer]
	keys, slowest *prometheus.Desc
}

func newPaces() paces {
	return paces{
		of: &atomic.Pointer[Syncer]{},
		keys: prometheus.NewDesc("ashbridge_syncer_paced_keys",
			"Keys with recent work by how fast their requests may go: as asked for, slowed by Ashby's limit, or held back after a 429.",
			[]string{"state"}, nil),
		slowest: prometheus.NewDesc("ashbridge_syncer_pace_requests_per_minute",
			"Requests that the slowest of these keys may send in a minute; missing while there is none.", nil, nil),
	}
}

// Describe tells which metrics there are.
func (p paces) Describe(out chan<- *prometheus.Desc) { out <- p.keys; out <- p.slowest }

// Collect looks at the keys.
func (p paces) Collect(out chan<- prometheus.Metric) {
	s := p.of.Load()
	if s == nil {
		return
	}
	full, slowed, paused := 0, 0, 0
	states := s.paceStates()
	for _, state := range states {
		switch {
		case state.Paused:
			paused++
		case state.Slowed:
			slowed++
		default:
			full++
		}
	}
	for state, n := range map[string]int{"full": full, "slowed": slowed, "paused": paused} {
		out <- prometheus.MustNewConstMetric(p.keys, prometheus.GaugeValue, float64(n), state)
	}
	if len(states) == 0 {
		return
	}
	slowest := states[0].PerMinute
	for _, state := range states {
		slowest = min(slowest, state.PerMinute)
	}
	out <- prometheus.MustNewConstMetric(p.slowest, prometheus.GaugeValue, slowest)
}

// paced is a client that tells how fast it may send.
type paced interface{ PaceState() ashby.PaceState }

// paceStates are those of all clients.
func (s *Syncer) paceStates() []ashby.PaceState {
	s.mu.Lock()
	owned := make([]*partition, 0, len(s.owned))
	for _, p := range s.owned {
		owned = append(owned, p)
	}
	s.mu.Unlock()
	var states []ashby.PaceState
	for _, p := range owned {
		for _, d := range p.present() {
			d.mu.Lock()
			client, is := d.client.(paced)
			d.mu.Unlock()
			if is {
				states = append(states, client.PaceState())
			}
		}
	}
	return states
}

// present are the desks that are kept.
func (p *partition) present() []*desk {
	p.mu.Lock()
	defer p.mu.Unlock()
	desks := make([]*desk, 0, len(p.desks))
	for _, d := range p.desks {
		desks = append(desks, d)
	}
	return desks
}
