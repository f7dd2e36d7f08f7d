package notifier_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// BenchmarkRelayOne measures one event from its commit to the server's fsynced answer.
func BenchmarkRelayOne(b *testing.B) {
	nats := bustest.Ready(b, bustest.Connect(b, bustest.StartServer(b).URL()))
	s := newStore(b)
	out := make(chan struct{}, 1)
	start(b, s, nats, "a", func(o *notifier.Options) {
		o.OnPublished = func(events.Event, mirror.Outgoing) { out <- struct{}{} }
		o.Idle, o.AuditEvery = 100*time.Millisecond, 10*time.Second
	})
	for i := 0; b.Loop(); i++ {
		s.commit("c", fmt.Sprint(i%100), 1)
		nats.WakeRelay()
		<-out
	}
}

// BenchmarkRelayBacklog measures a long outbox, as after an outage of NATS.
func BenchmarkRelayBacklog(b *testing.B) {
	nats := bustest.Ready(b, bustest.Connect(b, bustest.StartServer(b).URL()))
	s := newStore(b)
	out := make(chan struct{}, 1<<20)
	for i := range b.N {
		s.commit("c", fmt.Sprint(i), 1)
	}
	b.ResetTimer()
	start(b, s, nats, "a", func(o *notifier.Options) {
		o.OnPublished = func(events.Event, mirror.Outgoing) { out <- struct{}{} }
	})
	for range b.N {
		<-out
	}
}

// BenchmarkRecordsBacklog measures changed records of 2 KB that wait, as after a rebuild, with a real database.
func BenchmarkRecordsBacklog(b *testing.B) {
	w := fed(b)
	w.exec(`
		INSERT INTO records (connection_id, kind, id, doc, hash, fetched_at)
		SELECT 'acme', 'job', gen_random_uuid(), jsonb_build_object('text', repeat('x', 2000)), 'h', now()
		FROM generate_series(1, $1)`, b.N)
	w.exec(`ANALYZE records`) // autovacuum does it within a minute; before, the planner cannot tell the indexes apart
	b.ResetTimer()
	w.feed("a")                                   // its first start queues them all
	tick := time.NewTicker(10 * time.Millisecond) // a long backlog takes longer than Eventually waits
	defer tick.Stop()
	for range tick.C {
		info, err := w.b.RecordsInfo(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if info.LastSeq >= uint64(b.N) {
			return
		}
	}
}
