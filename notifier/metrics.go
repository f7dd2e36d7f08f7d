package notifier

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier/fleet"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The parts that can fail.
const (
	failureStore = "store"
	failureBus   = "bus"
	failureFleet = "fleet" // figures for the metrics could not be read
)

// originNone labels the lag of connection events, which have no origin.
const originNone = "none"

type metrics struct {
	outboxRows, outboxAge, held, leaseHeld prometheus.Gauge
	published                              *prometheus.CounterVec
	changedLag, committedLag               *prometheus.HistogramVec
	connectionLag                          *prometheus.SummaryVec
	terms                                  prometheus.Counter
	resyncs, repaired, dropped, expired    prometheus.Counter
	losses                                 *prometheus.CounterVec
	failures                               *prometheus.CounterVec
	records                                recordMetrics
	boards                                 boardMetrics
}

// newMetrics registers those of records only where there are any.
func newMetrics(r prometheus.Registerer, records bool) (*metrics, error) {
	m := &metrics{
		outboxRows: gauge("outbox_rows", "Rows that the last read of the outbox returned; a read returns about 1000 at most."),
		outboxAge:  gauge("outbox_age_seconds", "Age of the oldest event in the outbox, 0 when it is empty."),
		held: gauge("held_events",
			"Events that cannot be published, being too large or malformed, and those that wait behind them."),
		leaseHeld: gauge("lease_held", "1 while this process relays, 0 while it stands by."),
		published: counters("published_total", "Events published from the outbox, by type.", "type"),
		changedLag: histograms("changed_to_published_seconds",
			"Time from the change at Ashby to its event's place in the stream, by origin."),
		committedLag: histograms("committed_to_published_seconds",
			"Time from an event's commit to its place in the stream, by origin."),
		connectionLag: prometheus.NewSummaryVec(prometheus.SummaryOpts{
			Namespace: namespace, Name: "connection_changed_to_published_seconds",
			Help: "Time from changes of a connection's jobs at Ashby to the place of their events in the stream, without the first synchronisation.",
		}, []string{"connection"}),
		terms:    counter("terms_total", "How often this process began to relay."),
		resyncs:  counter("resyncs_total", "How often the relay read the end of the stream to find its place."),
		losses:   counters("stream_losses_total", "How often the stream was found damaged, by the kind of damage.", "kind"),
		repaired: counter("repaired_events_total", "Events published again because the stream had lost them."),
		dropped:  counter("dropped_histories_total", "Subjects whose messages before a gap were removed from the stream."),
		expired:  counter("expired_total", "Jobs closed long ago that were removed from the stream."),
		failures: counters("failures_total", "Failed attempts to work, by the part that failed.", "part"),
		records:  newRecordMetrics(),
		boards:   newBoardMetrics(),
	}
	for _, t := range []events.Type{
		events.JobPublished, events.JobUpdated, events.JobClosed, events.ConnectionSynced, events.ConnectionDegraded,
		events.ConnectionRecovered, events.ConnectionRemoved,
	} {
		m.published.WithLabelValues(string(t))
	}
	for _, o := range fleet.Origins() {
		m.changedLag.WithLabelValues(string(o))
		m.committedLag.WithLabelValues(string(o))
	}
	m.committedLag.WithLabelValues(originNone)
	for _, f := range []string{failureStore, failureBus, failureFleet} {
		m.failures.WithLabelValues(f)
	}
	for _, kind := range lossKinds {
		m.losses.WithLabelValues(kind)
	}
	collectors := []prometheus.Collector{
		m.outboxRows, m.outboxAge, m.held, m.leaseHeld, m.terms, m.published, m.changedLag, m.committedLag,
		m.connectionLag, m.resyncs, m.losses, m.repaired, m.dropped, m.expired, m.failures,
	}
	collectors = append(collectors, m.boards.collectors()...)
	if records {
		collectors = append(collectors, m.records.collectors()...)
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering the relay's metrics: %w", err)
		}
	}
	return m, nil
}

// recordMetrics are those of the relay of records.
type recordMetrics struct {
	waiting, behind                 prometheus.Gauge
	published, failures             *prometheus.CounterVec
	bare, refused, purges, rebuilds prometheus.Counter
}

func newRecordMetrics() recordMetrics {
	m := recordMetrics{
		waiting: gauge("record_outbox_rows", "Changed records that the last look found waiting; a look finds 250 at most."),
		behind: gauge("record_behind_seconds",
			"Time since no changed record was waiting, 0 while none is."),
		published: counters("records_published_total", "States of records published, by type.", "type"),
		failures:  counters("record_failures_total", "Failed attempts to publish records, by the part that failed.", "part"),
		bare: counter("records_too_large_total",
			"States of records published without the object, which was too large for a message."),
		refused: counter("records_refused_total",
			"Records that can never be published, since their id cannot be a part of a subject."),
		purges:   counter("record_purges_total", "How often the stream of records was made to forget a connection or a kind."),
		rebuilds: counter("record_rebuilds_total", "How often the stream of records was filled anew."),
	}
	for _, t := range []events.Type{events.RecordChanged, events.RecordGone} {
		m.published.WithLabelValues(string(t))
	}
	for _, f := range []string{failureStore, failureBus} {
		m.failures.WithLabelValues(f)
	}
	return m
}

func (m recordMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.waiting, m.behind, m.published, m.failures, m.bare, m.refused, m.purges, m.rebuilds,
	}
}

// boardMetrics are those of the keeper of boards' consumers.
type boardMetrics struct {
	subscribers             prometheus.Gauge
	lost, finished, removed prometheus.Counter
	acknowledged            *prometheus.HistogramVec
}

func newBoardMetrics() boardMetrics {
	return boardMetrics{
		subscribers: gauge("board_subscribers", "Job boards that have a consumer of their own."),
		lost:        counter("board_consumers_lost_total", "Consumers of boards that NATS had lost and that began anew."),
		finished: counter("board_consumers_finished_total",
			"Consumers of boards that were made or changed here because the gateway that was asked to could not."),
		removed:      counter("board_consumers_removed_total", "Consumers that belonged to no board any more and were removed."),
		acknowledged: fleet.NewAcknowledged(fleet.WayNATS),
	}
}

func (m boardMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.subscribers, m.lost, m.finished, m.removed, m.acknowledged}
}

const namespace, subsystem = "ashbridge", "relay"

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}

func counters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(
		prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{label})
}

func histograms(name, help string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		Buckets: []float64{.002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
	}, []string{"origin"})
}

// countPublished counts an event that the stream took. connection is its label.
func (m *metrics) countPublished(o mirror.Outgoing, h head, connection string, now time.Time) {
	m.published.WithLabelValues(string(o.Type)).Inc()
	if !h.changed.IsZero() {
		lag := max(0, now.Sub(h.changed).Seconds())
		m.changedLag.WithLabelValues(string(h.origin)).Observe(lag)
		if h.origin != events.OriginSeed { // what a first synchronisation finds was changed long ago
			m.connectionLag.WithLabelValues(connection).Observe(lag)
		}
	}
	m.committedLag.WithLabelValues(string(h.origin)).Observe(max(0, now.Sub(o.CreatedAt).Seconds()))
}

// headOf is what the metrics want to know of an event.
func headOf(o mirror.Outgoing) head {
	h := head{}
	h.origin, h.changed = o.Head()
	if !slices.Contains(fleet.Origins(), h.origin) {
		h.origin = originNone
	}
	return h
}

func (m *metrics) showOutbox(rows []mirror.Outgoing, now time.Time) {
	m.outboxRows.Set(float64(len(rows)))
	m.outboxAge.Set(0)
	if len(rows) > 0 {
		m.outboxAge.Set(max(0, now.Sub(rows[0].CreatedAt).Seconds()))
	}
}

// showNothing is for who relays no more: what waits is another's to show.
func (m *metrics) showNothing() {
	m.showOutbox(nil, time.Time{})
	m.held.Set(0)
}
