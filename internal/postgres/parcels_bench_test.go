package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

// empty is a migrated database and a way behind the package's back.
func empty(b *testing.B) (*postgres.DB, *sqlx.DB) {
	b.Helper()
	url := localtest.Database(b)
	db, err := postgres.Open(b.Context(), postgres.Options{URL: url, AllowUnsafeDurability: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	raw, err := sqlx.Open("postgres", url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = raw.Close() })
	return db, raw
}

// BenchmarkDue reads and notes with 100,000 deliveries waiting, of which most are behind others.
func BenchmarkDue(b *testing.B) {
	db, raw := empty(b)
	n := db.Notifier()
	if _, err := raw.ExecContext(b.Context(), `
		INSERT INTO deliveries (endpoint_id, connection_id, posting_id, version, event_id, event_created_at, type, published_at)
		SELECT 'ep_a', 'acme', 'p' || i % 10000, i / 10000 + 1, gen_random_uuid(), now(), 'job.updated', now()
		FROM generate_series(0, 99999) AS i`); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cycle(b.Context(), b, n)
	}
}

func cycle(ctx context.Context, b *testing.B, n postgres.Notifier) {
	b.Helper()
	ps, err := n.Due(ctx, []mirror.Room{{Receiver: "ep_a", Limit: 64}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	var os []mirror.ParcelOutcome
	for _, p := range ps {
		os = append(os, outcome(p, mirror.ParcelDelivered, 0))
	}
	if err := n.NoteParcels(ctx, os, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(ps)), "parcels/op")
}

// BenchmarkPublished notes batches of 1,000 events as the relay does, with deliveries to as many endpoints.
func BenchmarkPublished(b *testing.B) {
	for _, endpoints := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(endpoints, " endpoints"), func(b *testing.B) {
			db, raw := empty(b)
			for i := range endpoints {
				if err := db.Gateway().CreateReceiver(b.Context(), mirror.Receiver{ID: fmt.Sprint("ep_", i), Secret: []byte("s")}); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				b.StopTimer()
				if _, err := raw.ExecContext(b.Context(), `
					WITH e AS (
						INSERT INTO events (id, created_at, connection_id, posting_id, version, type, data)
						SELECT gen_random_uuid(), now(), 'acme', gen_random_uuid(), 1, 'job.published', '{}' FROM generate_series(1, 1000)
						RETURNING id, created_at
					)
					INSERT INTO outbox (event_id, event_created_at) SELECT id, created_at FROM e`); err != nil {
					b.Fatal(err)
				}
				out, err := db.Notifier().Pending(b.Context(), nil, 1000)
				if err != nil {
					b.Fatal(err)
				}
				ps := make([]mirror.Published, 0, len(out))
				for i, o := range out {
					ps = append(ps, mirror.Published{Outgoing: o, Seq: uint64(i + 1), At: time.Now()})
				}
				b.StartTimer()
				if err := db.Notifier().Published(b.Context(), ps, mirror.StreamState{CreatedAt: time.Unix(1, 0), LastSeq: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
