package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// BenchmarkCandidates measures the reading of 100,000 candidates, 100 a page: the syncer's peak memory, how near to the
// rate that background calls are allowed it reads, and how long webhooks of postings of the same employer take
// meanwhile, next to the same just before. Rate and limit are twice those of Ashby, so that it takes a minute.
func BenchmarkCandidates(b *testing.B) {
	for b.Loop() {
		measureCandidates(b)
	}
}

const (
	crowd          = 100_000
	crowdPerMinute = 1800
	// crowdAllowed is how many background requests a second that leaves.
	crowdAllowed = 0.7 * crowdPerMinute / 60
)

func measureCandidates(b *testing.B) {
	b.Helper()
	p := startProcesses(b, ashbytest.Options{Seed: 8, RequestsPerMinute: 2000})
	p.env = append(p.env, fmt.Sprintf("ASHBRIDGE_REQUESTS_PER_MINUTE=%d", crowdPerMinute))
	for _, service := range []string{"gateway", "syncer", "notifier"} {
		p.start(service)
		p.waitReady(service)
	}
	db := openSQL(b, p.dbURL)
	org := p.sim.AddOrganization("crowd", "Crowd Ltd")
	org.Generate(50)
	org.GenerateCandidates(crowd)
	doc := p.connectWhole(b, db, org, "jobs:read", "organization:read", "apiKeys:read", "candidates:read", "hiringProcessMetadata:read")
	if err := org.AddWebhook("jobPostingUpdate", doc.WebhookSetup.URLs["jobPostingUpdate"], doc.WebhookSetup.Secret); err != nil {
		b.Fatal(err)
	}
	arrivals := watch(b, p.natsURL)
	alone := time.Now()
	reportLatency(b, "alone", latencies(b, p, org, arrivals, func() bool { return time.Since(alone) > 40*time.Second }))
	b.ReportMetric(float64(p.peak("syncer"))/(1<<20), "peak-before-MB")
	used, from := p.cpu("syncer"), time.Now()
	// The module is added in the store, as the gateway does it when an employer allows it.
	execute(b, db, `UPDATE connections SET modules = '{jobs,candidates}' WHERE id = $1`, doc.ID)
	execute(b, db, `UPDATE sync_state SET next_records_at = clock_timestamp() WHERE connection_id = $1`, doc.ID)
	reportLatency(b, "meanwhile", latencies(b, p, org, arrivals, func() bool {
		n, err := number(b.Context(), db, `SELECT count(*) FROM sync_tokens WHERE connection_id = $1 AND kind = 'candidate'`, doc.ID)
		return err == nil && n > 0
	}))
	used = p.cpu("syncer") - used
	b.ReportMetric(used.Seconds()/time.Since(from).Seconds()*100, "core-%")
	b.ReportMetric(float64(p.peak("syncer"))/(1<<20), "peak-MB")
	stored, err := number(b.Context(), db, `SELECT count(*) FROM records WHERE connection_id = $1 AND kind = 'candidate'`, doc.ID)
	if err != nil {
		b.Fatal(err)
	}
	if slices := runsOf(b, db, "records", from, time.Now()); stored != crowd || slices.failed > 0 {
		b.Fatalf("%d candidates are stored, %d slices failed\n%s", stored, slices.failed, p.logs.tail())
	}
	reportPages(b, p.sim.Requests())
	p.stopAll()
}

// reportPages reports how fast the pages of candidates were read, and how often that was too fast.
func reportPages(b *testing.B, requests []ashbytest.Request) {
	b.Helper()
	limited := 0
	var at []time.Time
	for _, r := range requests {
		if r.Status == http.StatusTooManyRequests {
			limited++
		}
		if r.Method == "candidate.list" {
			at = append(at, r.At)
		}
	}
	rate := float64(len(at)) / at[len(at)-1].Sub(at[0]).Seconds()
	b.ReportMetric(rate, "pages/s")
	b.ReportMetric(rate/crowdAllowed, "of-allowed")
	b.ReportMetric(float64(limited), "429s")
}

// latencies changes five postings a second until it is done, and returns how long each change took from just before its
// webhook left until its event was there.
func latencies(
	b *testing.B, p *processes, org *ashbytest.Organization, arrivals <-chan arrival, done func() bool,
) []time.Duration {
	b.Helper()
	const rate = 5
	var mu sync.Mutex
	sent := map[string]time.Time{}
	finished := make(chan struct{})
	postings := org.Postings()
	var sender sync.WaitGroup
	sender.Go(func() {
		defer close(finished)
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for i := 0; !done(); i++ {
			<-tick.C
			now := time.Now()
			title := fmt.Sprintf("Change number %d of %d", i, now.UnixNano())
			mu.Lock()
			sent[title] = now
			mu.Unlock()
			org.Retitle(postings[i%len(postings)].ID, title)
		}
	})
	defer sender.Wait()
	var took []time.Duration
	var late <-chan time.Time
	for {
		select {
		case <-finished:
			finished, late = nil, time.After(patience)
		case a := <-arrivals:
			var e events.Event
			var d events.JobData
			if json.Unmarshal(a.Raw, &e) != nil || json.Unmarshal(e.Data, &d) != nil {
				b.Fatal("an unreadable event")
			}
			mu.Lock()
			if at, mine := sent[d.Job.Title]; mine {
				delete(sent, d.Job.Title)
				took = append(took, a.At.Sub(at))
			}
			mu.Unlock()
		case <-late:
			b.Fatalf("%d changes never became events\n%s", len(sent), p.logs.tail())
		}
		mu.Lock()
		left := len(sent)
		mu.Unlock()
		if finished == nil && left == 0 {
			return took
		}
	}
}
