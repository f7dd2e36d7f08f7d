package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	// relayRows is how many events wait in the outbox when the relay begins.
	relayRows = 100_000
	// relayRounds is how often both are measured, in turn; their medians are reported, for the disk is not always as fast.
	relayRounds = 3
)

// BenchmarkRelayBacklog measures, in one run, what this machine's NATS takes in atomic batches of 1,000, each fsynced,
// and how much of that is left when the same messages come out of Postgres: read from the outbox, published, the rows
// deleted and the stream's state noted. Once with small events, and once with descriptions of 5 KB.
func BenchmarkRelayBacklog(b *testing.B) {
	for name, padding := range map[string]int{"small": 0, "5KB": 5000} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var ceilings, relays []float64
				for range relayRounds {
					ceilings = append(ceilings, relayRows/bareBatches(b, padding).Seconds())
					relays = append(relays, (relayRows-bus.MaxBatch)/relayBacklog(b, padding).Seconds())
				}
				ceiling, relayed := median(ceilings), median(relays)
				b.ReportMetric(ceiling, "ceiling-rows/s")
				b.ReportMetric(relayed, "relay-rows/s")
				b.ReportMetric(relayed/ceiling, "of-ceiling")
			}
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// relayData is the data of a job's first event.
func relayData(posting string, padding int) []byte {
	return fmt.Appendf(nil, `{"version":1,"origin":"seed","changed":[],"reason":null,"changed_at":"2026-11-20T10:00:00Z",`+
		`"observed_at":"2026-11-20T10:00:01Z","job":{"id":%q,"title":"Database Engineer","employer_ref":"acme",`+
		`"description_html":"%s"}}`, posting, strings.Repeat("x", padding))
}

// bareBatches publishes the relay's messages straight through the bus. The time that it takes to make them does not count.
func bareBatches(b *testing.B, padding int) time.Duration {
	nats := benchBus(b, localtest.NATS(b).URL())
	took, last := time.Duration(0), uint64(0)
	for range relayRows / bus.MaxBatch {
		msgs := make([]bus.Msg, bus.MaxBatch)
		for i := range msgs {
			o := mirror.Outgoing{
				EventID: uuid.Must(uuid.NewV7()).String(), Connection: "acme",
				Posting: fmt.Sprintf("%08d-0000-4000-8000-000000000000", int(last)+i), Version: 1, Type: events.JobPublished,
			}
			o.Data = relayData(o.Posting, padding)
			body, err := mirror.EncodeEvent(o.Envelope(time.Now()))
			if err != nil {
				b.Fatal(err)
			}
			msgs[i] = bus.Msg{Subject: o.Subject(), ID: o.EventID, Version: 1, Type: o.Type, Data: body}
		}
		began := time.Now()
		var err error
		if last, err = nats.PublishBatch(b.Context(), msgs, last); err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
	}
	return took
}

// relayBacklog fills an outbox as an outage of NATS does, then runs a notifier until it is empty. What is measured begins
// with the answer to the first batch: before that, the relay compares the stream with Postgres.
func relayBacklog(b *testing.B, padding int) time.Duration {
	url := localtest.Database(b)
	db, err := postgres.Open(b.Context(), postgres.Options{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	pool := openSQL(b, url)
	fillOutbox(b, pool, padding)
	var began time.Time
	published, done := 0, make(chan struct{})
	n, err := notifier.New(notifier.Options{
		Store: db.Notifier(), Bus: benchBus(b, localtest.NATS(b).URL()), Owner: "bench",
		OnPublished: func(events.Event, mirror.Outgoing) {
			switch published++; published {
			case 1:
				began = time.Now()
			case relayRows:
				close(done)
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = n.Run(ctx) })
	defer running.Wait()
	defer cancel()
	<-done
	for left := 1; left > 0; {
		if err := pool.QueryRowContext(ctx, `SELECT count(*) FROM outbox`).Scan(&left); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// fillOutbox commits jobs with their first events.
func fillOutbox(b *testing.B, pool *sql.DB, padding int) {
	for _, fill := range []string{
		`INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token)
			VALUES ('acme', 1, 'acme', 'Acme', 'active', '{jobs}', 3600, '{}', 'token')`,
		fmt.Sprintf(`INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at,
				observed_at, event_id, event_created_at, updated_at)
			SELECT 'acme', lpad(i::text, 8, '0') || '-0000-4000-8000-000000000000', 'open', 1, '{"title":"Database Engineer"}',
				'h', 't', now(), now(), gen_random_uuid(), now(), now()
			FROM generate_series(0, %d) i`, relayRows-1),
		fmt.Sprintf(`INSERT INTO events (id, created_at, connection_id, posting_id, version, type, data)
			SELECT event_id, event_created_at, connection_id, posting_id, 1, 'job.published',
				('{"version":1,"origin":"seed","changed":[],"reason":null,"changed_at":"2026-11-20T10:00:00Z",'
				|| '"observed_at":"2026-11-20T10:00:01Z","job":{"id":"' || posting_id
				|| '","title":"Database Engineer","employer_ref":"acme","description_html":"' || repeat('x', %d) || '"}}')::json
			FROM listings`, padding),
		`INSERT INTO outbox (event_id, event_created_at)
			SELECT event_id, event_created_at FROM listings ORDER BY posting_id`,
		`VACUUM ANALYZE`, `CHECKPOINT`,
	} {
		if _, err := pool.ExecContext(b.Context(), fill); err != nil {
			b.Fatal(err)
		}
	}
}

// benchBus connects and waits until the streams are there.
func benchBus(b *testing.B, url string) *bus.Bus {
	nats, err := bus.Connect(b.Context(), bus.Options{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nats.Close)
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	if err := nats.WaitReady(ctx); err != nil {
		b.Fatal(err)
	}
	return nats
}
