package fleet

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ashbridge_"+name, help, labels, nil)
}

var (
	connections = describe("fleet_connections", "Connections by status, those that are removed too.", "status")
	watched     = describe("fleet_watched_connections",
		"Connections that ought to be fresh: all but those that are paused, removed, unauthorized or in the time of their first synchronisation.")
	fresh = describe("fleet_fresh_connections",
		"Of the watched connections, those that are fresh by poll (verified within an hour, or their poll interval where that is longer, "+
			"and five minutes) and by webhook (no webhook of theirs waits for longer than 60 s).", "by")
	oldestVerified = describe("fleet_oldest_verified_seconds",
		"Time since the watched connection was verified that was so longest ago, 0 where none is watched.")
	worstVerified = describe("fleet_worst_verified_seconds",
		"Time since connections were verified, of the ten watched ones that are most overdue.", "connection", "employer")
	worstOverdue = describe("fleet_worst_overdue_seconds",
		"For how long connections ought to have been verified again (an hour, or their poll interval where that is longer, and five minutes "+
			"after the last time), of the ten watched ones that are most overdue; 0 where there is time left.", "connection", "employer")
	inboxRows = describe("fleet_inbox_rows",
		"Webhooks of active and degraded connections that no read has answered yet; 100000 are counted at most.")
	inboxOldest     = describe("fleet_inbox_oldest_seconds", "Age of the oldest of these webhooks, 0 where there is none.")
	outboxRows      = describe("fleet_outbox_rows", "Events that are not on the stream yet; 100000 are counted at most.")
	outboxOldest    = describe("fleet_outbox_oldest_seconds", "Age of the oldest event that is not on the stream yet, 0 where there is none.")
	holds           = describe("fleet_holds_waiting", "Mass disappearances of jobs that wait for proof or a person.")
	holdOldest      = describe("fleet_hold_oldest_seconds", "Age of the oldest mass disappearance that waits, 0 where there is none.")
	quarantined     = describe("fleet_quarantined_rows", "Objects of Ashby's that could not be read, by kind.", "kind")
	publicJobs      = describe("fleet_public_jobs", "Jobs that are public now, of all connections.")
	partitions      = describe("fleet_partitions", "Partitions of the work, by whether a syncer holds them.", "state")
	syncers         = describe("fleet_syncers", "Syncers that are alive.")
	databaseBytes   = describe("fleet_database_bytes", "Size of the database on disk.")
	refreshed       = describe("fleet_refreshed_timestamp_seconds", "When the fleet's figures were last read, in Unix time.")
	info            = describe("connection_info", "1 for each of the connections that were registered first.", "connection", "employer", "status")
	verified        = describe("connection_verified_seconds", "Time since the connection was last verified, or since it was registered.", "connection")
	connectionJobs  = describe("connection_public_jobs", "Jobs of the connection that are public now.", "connection")
	connectionInbox = describe("connection_inbox_rows",
		"Webhooks of the connection that no read has answered yet; 100000 are counted at most.", "connection")
	streamBytes    = describe("stream_bytes", "Size of the stream.", "stream")
	streamMaxBytes = describe("stream_max_bytes", "Size at which the stream is full, -1 where it has no bound.", "stream")
	streamMessages = describe("stream_messages", "Messages in the stream.", "stream")
	streamReplicas = describe("stream_replicas", "Servers that are to keep the stream.", "stream")
	streamCurrent  = describe("stream_current_replicas", "Servers that keep the stream and are up to date.", "stream")
	boardPending   = describe("board_pending_events",
		"Events that a job board has not acknowledged, of the ten that are furthest behind.", "subscriber", "name")

	descriptions = []*prometheus.Desc{
		connections, watched, fresh, oldestVerified, worstVerified, worstOverdue, inboxRows, inboxOldest, outboxRows, outboxOldest, holds, holdOldest,
		quarantined, publicJobs, partitions, syncers, databaseBytes, refreshed, info, verified, connectionJobs, connectionInbox,
		streamBytes, streamMaxBytes, streamMessages, streamReplicas, streamCurrent, boardPending,
	}
	statuses = []mirror.Status{
		mirror.StatusActive, mirror.StatusDegraded, mirror.StatusUnauthorized, mirror.StatusPaused, mirror.StatusRemoved,
	}
)

// Describe tells which metrics there may be.
func (w *Watcher) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		out <- d
	}
}

// Collect shows what was read last.
func (w *Watcher) Collect(out chan<- prometheus.Metric) {
	w.mu.Lock()
	fleet, jobs, streams, boards, boardsAt := w.fleet, w.jobs, w.streams, w.boards, w.boardsAt
	w.mu.Unlock()
	now := w.Now()
	g := gauges{out}
	if fleet != nil {
		g.fleet(fleet, now.Sub(fleet.at))
		g.connections(fleet, now.Sub(fleet.at))
	}
	if jobs != nil {
		g.show(publicJobs, float64(*jobs))
	}
	for _, s := range streams {
		g.stream(s)
	}
	if now.Sub(boardsAt) <= boardsFor {
		for _, b := range boards {
			g.show(boardPending, float64(b.Pending), b.Subscriber, b.Name)
		}
	}
}

type gauges struct{ out chan<- prometheus.Metric }

func (g gauges) show(d *prometheus.Desc, v float64, labels ...string) {
	g.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// since shows an age that has grown since it was read; what is not there has none.
func (g gauges) since(d *prometheus.Desc, age, passed time.Duration, is bool, labels ...string) {
	if !is {
		age, passed = 0, 0
	}
	g.show(d, (age + passed).Seconds(), labels...)
}

func (g gauges) fleet(f *reading, passed time.Duration) {
	for _, s := range statuses {
		g.show(connections, float64(f.Connections[s]), string(s))
	}
	g.show(watched, float64(f.Watched))
	g.show(fresh, float64(f.FreshByPoll), "poll")
	g.show(fresh, float64(f.FreshByWebhook), "webhook")
	g.since(oldestVerified, f.OldestVerified, passed, f.Watched > 0)
	for _, c := range f.Worst {
		g.since(worstVerified, c.Verified, passed, true, c.ID, c.EmployerRef)
		g.show(worstOverdue, max(0, c.Overdue+passed).Seconds(), c.ID, c.EmployerRef)
	}
	g.waiting(inboxRows, inboxOldest, f.Inbox, passed)
	g.waiting(outboxRows, outboxOldest, f.Outbox, passed)
	g.waiting(holds, holdOldest, f.Holds, passed)
	g.quarantine(f.Quarantined)
	g.show(partitions, float64(f.PartitionsHeld), "held")
	g.show(partitions, float64(mirror.Partitions-f.PartitionsHeld), "free")
	g.show(syncers, float64(f.Syncers))
	g.show(databaseBytes, float64(f.DatabaseBytes))
	g.show(refreshed, float64(f.at.UnixMilli())/1000)
}

func (g gauges) waiting(rows, oldest *prometheus.Desc, w mirror.Waiting, passed time.Duration) {
	g.show(rows, float64(w.Rows))
	g.since(oldest, w.Oldest, passed, w.Rows > 0)
}

// quarantine shows the kinds of the catalogue. Rows of a kind that an older release knew are counted together.
func (g gauges) quarantine(rows map[string]int) {
	other := 0
	for _, n := range rows {
		other += n
	}
	for _, r := range ashby.Catalogue() {
		n := rows[string(r.Kind)]
		other -= n
		g.show(quarantined, float64(n), string(r.Kind))
	}
	g.show(quarantined, float64(other), telemetry.Other)
}

func (g gauges) connections(f *reading, passed time.Duration) {
	for _, c := range f.Named {
		g.show(info, 1, c.ID, c.EmployerRef, string(c.Status))
		g.since(verified, c.Verified, passed, true, c.ID)
		g.show(connectionJobs, float64(c.PublicJobs), c.ID)
		g.show(connectionInbox, float64(c.InboxRows), c.ID)
	}
}

func (g gauges) stream(s bus.StreamSize) {
	g.show(streamBytes, float64(s.Bytes), s.Name)
	g.show(streamMaxBytes, float64(s.MaxBytes), s.Name)
	g.show(streamMessages, float64(s.Messages), s.Name)
	g.show(streamReplicas, float64(s.Replicas), s.Name)
	g.show(streamCurrent, float64(s.Current), s.Name)
}

// furthest are the boards that are furthest behind.
func furthest(boards []Board) []Board {
	boards = slices.Clone(boards)
	slices.SortFunc(boards, func(a, b Board) int {
		return cmp.Or(cmp.Compare(b.Pending, a.Pending), cmp.Compare(a.Subscriber, b.Subscriber))
	})
	return boards[:min(len(boards), furthestBehind)]
}
