package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/jobfeed"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// feedUser is a subscriber of the benchmarks. The server asks for no password; its consumer is as Ashbridge makes it.
const feedUser = "sub_bench-1"

// feedOptions are those of a subscriber, or of a reader of the stream.
func feedOptions(b *testing.B, nats *bus.Bus, url string, subscriber bool) jobfeed.Options {
	b.Helper()
	if !subscriber {
		return jobfeed.Options{URL: url}
	}
	_, err := nats.JetStream().CreateConsumer(b.Context(), bus.StreamJobs, jetstream.ConsumerConfig{
		Durable: feedUser, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: 1000, MaxDeliver: -1,
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: events.Subjects(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return jobfeed.Options{URL: url, User: feedUser, Password: "any"}
}

// follow subscribes until the returned function is called.
func follow(b *testing.B, o jobfeed.Options, h jobfeed.Handler) (stop func()) {
	b.Helper()
	f, err := jobfeed.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.Subscribe(ctx, h); err != nil {
			b.Error(err)
		}
	})
	return func() {
		cancel()
		wg.Wait()
		if err := f.Close(); err != nil {
			b.Error(err)
		}
	}
}

// feedJob is an event of about 5 KB, as an ordinary posting makes.
func feedJob(b *testing.B, i int) bus.Msg {
	b.Helper()
	posting, id := fmt.Sprintf("0198c0de-1234-7abc-8def-%012d", i), uuid.Must(uuid.NewV7()).String()
	sentence := "You build and run what our customers rely on every day, with a team that cares for how it is done. "
	data, err := json.Marshal(events.JobData{
		Version: 1, Origin: events.OriginSeed, Changed: []string{},
		Job: events.Job{
			ID: posting, Connection: "bench", Title: fmt.Sprint("Engineer ", i),
			DescriptionHTML: "<p>" + strings.Repeat(sentence, 16) + "</p>", DescriptionText: strings.Repeat(sentence, 16),
			JSONLD: json.RawMessage(`{"@type":"JobPosting","description":"` + strings.Repeat(sentence, 10) + `"}`),
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := json.Marshal(events.Event{
		SpecVersion: events.SpecVersion, ID: id, Source: "/connections/bench", Type: events.JobPublished, Subject: posting,
		Time: time.Now().UTC(), DataContentType: "application/json", Data: data,
	})
	if err != nil {
		b.Fatal(err)
	}
	return bus.Msg{Subject: events.JobSubject("bench", posting), ID: id, Version: 1, Type: events.JobPublished, Data: raw}
}

// BenchmarkFeedSnapshot measures how long 100,000 jobs of 5 KB take to reach the handler of a new subscriber, decoded and
// acknowledged, and of a reader of the stream.
func BenchmarkFeedSnapshot(b *testing.B) {
	const jobs = 100_000
	srv := bustest.StartServer(b)
	nats := bustest.Ready(b, bustest.Connect(b, srv.URL()))
	size, last := 0, uint64(0)
	for i := 0; i < jobs; {
		var msgs []bus.Msg
		for ; len(msgs) < bus.MaxBatch; i++ {
			m := feedJob(b, i)
			size += len(m.Data)
			msgs = append(msgs, m)
		}
		var err error
		if last, err = nats.PublishBatch(b.Context(), msgs, last); err != nil {
			b.Fatal(err)
		}
	}
	for _, subscriber := range []bool{true, false} {
		b.Run(map[bool]string{true: "subscriber", false: "stream"}[subscriber], func(b *testing.B) {
			for b.Loop() {
				o := feedOptions(b, nats, srv.URL(), subscriber)
				caught := make(chan struct{})
				o.OnCaughtUp = func() { close(caught) }
				var n atomic.Int64
				began := time.Now()
				stop := follow(b, o, func(context.Context, jobfeed.Event) error { n.Add(1); return nil })
				<-caught
				took := time.Since(began)
				stop()
				if n.Load() != jobs {
					b.Fatalf("%d jobs were handed over", n.Load())
				}
				b.ReportMetric(took.Seconds(), "snapshot-s")
				b.ReportMetric(jobs/took.Seconds(), "jobs/s")
				b.ReportMetric(float64(size)/jobs, "bytes/job")
				if subscriber {
					if err := nats.JetStream().DeleteConsumer(b.Context(), bus.StreamJobs, feedUser); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkFeedLatency measures from the return of the transaction that changed a job, in Postgres, by way of the outbox
// and the relay, until a subscriber's handler is called: 200 changes a second for 20 s, by 4 writers. Beside it stands how long
// the transactions themselves took, since the relay makes one of the same kind between two batches.
func BenchmarkFeedLatency(b *testing.B) {
	const rate, changes, at = 200, 4000, 4
	for b.Loop() {
		srv := bustest.StartServer(b)
		syncer := bustest.Ready(b, bustest.Connect(b, srv.URL()))
		apply := feedDatabase(b, bustest.Ready(b, bustest.Connect(b, srv.URL())))
		var arrived, committed [changes]time.Time
		var n atomic.Int64
		done := make(chan struct{})
		o := feedOptions(b, syncer, srv.URL(), true)
		stop := follow(b, o, func(_ context.Context, e jobfeed.Event) error {
			var i int
			if _, err := fmt.Sscanf(e.Job.Job.Title, "change %d", &i); err != nil {
				return err
			}
			arrived[i] = time.Now()
			if n.Add(1) == changes {
				close(done)
			}
			return nil
		})
		applied := make([]time.Duration, changes)
		var committers sync.WaitGroup
		for c := range at {
			committers.Go(func() {
				tick := time.NewTicker(time.Second * at / rate)
				defer tick.Stop()
				for i := c; i < changes; i += at {
					<-tick.C
					began := time.Now()
					apply(fmt.Sprintf("p%d", i%500), fmt.Sprintf("change %d", i))
					committed[i] = time.Now()
					applied[i] = committed[i].Sub(began)
					syncer.WakeRelay()
				}
			})
		}
		committers.Wait()
		select {
		case <-done:
		case <-time.After(patience):
			b.Errorf("only %d of %d events came", n.Load(), changes)
		}
		stop()
		took := make([]time.Duration, changes)
		for i := range took {
			took[i] = max(0, arrived[i].Sub(committed[i]))
		}
		reportLatency(b, "commit-to-handler", took)
		reportLatency(b, "transaction", applied)
	}
}

// feedDatabase runs a notifier on a fresh database, and returns what changes a posting's title there.
func feedDatabase(b *testing.B, nats *bus.Bus) (apply func(posting, title string)) {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	db, err := postgres.Open(b.Context(), postgres.Options{URL: localtest.Database(b)})
	must(err)
	b.Cleanup(func() { must(db.Close()) })
	must(db.Migrate(b.Context()))
	must(db.Gateway().Create(b.Context(), mirror.NewConnection{
		Connection: mirror.Connection{
			ID: "bench", EmployerRef: "bench", EmployerName: "Bench Ltd", Modules: []string{"jobs"}, PollInterval: time.Hour,
			WebhookToken: "bench",
		},
		Key: []byte("x"), KeyFingerprint: []byte("x"), WebhookSecret: []byte("x"),
	}))
	leases, err := db.Syncer().Renew(b.Context(), "bench", time.Hour)
	must(err)
	n, err := notifier.New(notifier.Options{Store: db.Notifier(), Bus: nats, Owner: "bench"})
	must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { must(n.Run(ctx)) })
	b.Cleanup(func() { cancel(); wg.Wait() })
	like := feedJob(b, 0)
	var e events.Event
	var data events.JobData
	must(json.Unmarshal(like.Data, &e))
	must(json.Unmarshal(e.Data, &data))
	return func(posting, title string) {
		job := data.Job
		job.ID, job.Title = posting, title
		now := time.Now()
		u := mirror.Unit{Connection: "bench", Origin: events.OriginWebhook, Listings: []mirror.Desired{{
			Posting: posting, Job: &job, ObservedAt: now, VerifiedAt: now, VerifiedBy: events.ProofInfo, Translator: "t1",
		}}}
		for _, l := range leases {
			if l.Part == mirror.Part("bench") {
				u.Lease = l
			}
		}
		_, err := db.Syncer().Apply(context.WithoutCancel(ctx), u)
		must(err)
	}
}
