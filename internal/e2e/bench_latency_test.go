package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// percentile gives the value below which the share of the durations lies.
func percentile(ds []time.Duration, share float64) time.Duration {
	sorted := slices.Clone(ds)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}

// reportLatency reports p50, p99 and the worst, in milliseconds.
func reportLatency(b *testing.B, what string, ds []time.Duration) {
	for _, p := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"max", 1}} {
		b.ReportMetric(float64(percentile(ds, p.share).Microseconds())/1000, p.name+"-"+what+"-ms")
	}
}

// BenchmarkWebhookToEvent measures from the moment that a change is made at Ashby, just before its webhook leaves, until
// a subscriber has the event: at 50 changes a second for 20 s, Ashby answering at once, all services as processes. Each
// change sends one webhook.
func BenchmarkWebhookToEvent(b *testing.B) {
	const rate, changes = 50, 1000
	for b.Loop() {
		p := startProcesses(b, ashbytest.Options{Seed: 5, RequestsPerMinute: 1 << 20}, "gateway", "syncer", "notifier")
		org := p.sim.AddOrganization("speed", "Speed Ltd")
		org.Generate(200)
		var doc connectionDoc
		p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
			"employer_ref": "speed", "employer_name": "Speed Ltd", "api_key": org.AddKey(ashbytest.KeyOptions{}),
		}).decode(b, &doc)
		if err := org.AddWebhook("jobPostingUpdate", doc.WebhookSetup.URLs["jobPostingUpdate"], doc.WebhookSetup.Secret); err != nil {
			b.Fatal(err)
		}
		wait(b, "the first synchronisation ends", func() error {
			if p.connection(doc.ID).Sync.FirstSyncedAt == nil {
				return fmt.Errorf("not yet")
			}
			return nil
		}, p.logs.tail)
		arrivals := watch(b, p.natsURL)
		var mu sync.Mutex
		sent := map[string]time.Time{}
		ids := org.Postings()
		var senders sync.WaitGroup
		senders.Go(func() {
			tick := time.NewTicker(time.Second / rate)
			defer tick.Stop()
			for i := range changes {
				<-tick.C
				title := fmt.Sprintf("Change number %d", i)
				mu.Lock()
				sent[title] = time.Now()
				mu.Unlock()
				org.Retitle(ids[i%len(ids)].ID, title)
			}
		})
		var took []time.Duration
		deadline := time.After(patience)
		for len(took) < changes {
			select {
			case a := <-arrivals:
				var e events.Event
				var d events.JobData
				if json.Unmarshal(a.Raw, &e) != nil || json.Unmarshal(e.Data, &d) != nil {
					b.Fatal("an unreadable event")
				}
				mu.Lock()
				at, mine := sent[d.Job.Title]
				mu.Unlock()
				if mine {
					took = append(took, a.At.Sub(at))
				}
			case <-deadline:
				b.Fatalf("only %d of %d events came\n%s", len(took), changes, p.logs.tail())
			}
		}
		senders.Wait()
		reportLatency(b, "webhook-to-event", took)
		p.stopAll()
	}
}

// BenchmarkFirstSync measures the first synchronisation of 500 postings at the rate that Ashby allows, against the time
// that 500 reads take at that rate, and how long the first job event takes.
func BenchmarkFirstSync(b *testing.B) {
	const postings, perMinute = 500, 900
	for b.Loop() {
		s := start(b, func(o *settings) { o.perMinute = perMinute; o.sim.RequestsPerMinute = 1000 })
		org := s.sim.AddOrganization("first", "First Ltd")
		org.Generate(postings)
		key := org.AddKey(ashbytest.KeyOptions{})
		arrivals := watch(b, s.nats.URL())
		begin := time.Now()
		s.register(org, key, "first")
		first := <-arrivals
		last := first
		for range postings - 1 {
			select {
			case last = <-arrivals:
			case <-time.After(2 * patience):
				b.Fatal("the events stopped coming")
			}
		}
		b.ReportMetric(float64(first.At.Sub(begin).Milliseconds()), "first-event-ms")
		b.ReportMetric(last.At.Sub(begin).Seconds(), "all-events-s")
		allowed := float64(postings) / perMinute * 60
		b.ReportMetric(allowed, "allowed-s")
		b.ReportMetric(last.At.Sub(begin).Seconds()/allowed, "of-allowed")
	}
}
