package e2e

import (
	"database/sql"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// BenchmarkAfterOutage measures how long it takes, after the syncer was dead for eleven seconds while a job of each of
// 1,000 employers changed without a webhook, until every employer has been compared with Ashby and every change is an
// event on the stream: with an Ashby that answers at once, and one that takes its time. Dead means killed; the time runs
// from the start of the new process.
func BenchmarkAfterOutage(b *testing.B) {
	for _, latency := range []time.Duration{0, 200 * time.Millisecond} {
		b.Run(fmt.Sprintf("Ashby-answers-in-%s", latency), func(b *testing.B) {
			for b.Loop() {
				measureAfterOutage(b, latency)
			}
		})
	}
}

const (
	outageConnections = 1000
	outagePostings    = 3
)

func measureAfterOutage(b *testing.B, latency time.Duration) {
	b.Helper()
	p := startProcesses(b, ashbytest.Options{Seed: 6, RequestsPerMinute: 1 << 24, Latency: latency}, "gateway", "syncer", "notifier")
	orgs := connectMany(b, p, outageConnections, outagePostings)
	db := openSQL(b, p.dbURL)
	eventually(b, 5*time.Minute, "all are synchronised", func() error {
		return enough(b, db, outageConnections, `SELECT count(*) FROM sync_state WHERE first_synced_at IS NOT NULL`)
	}, p.logs.tail)
	p.kill("syncer")
	back := time.After(11 * time.Second)
	for i, org := range orgs {
		org.Retitle(org.Postings()[i%outagePostings].ID, "Renamed while nobody looked")
	}
	<-back
	begin := time.Now()
	p.start("syncer")
	eventually(b, 5*time.Minute, "everything is fresh", func() error {
		if err := enough(b, db, outageConnections, `SELECT count(*) FROM sync_state WHERE last_verified_at > $1`, begin); err != nil {
			return err
		}
		return enough(b, db, outageConnections, `
			SELECT count(*) FROM listings l
			WHERE version = 2 AND NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = l.event_id)`)
	}, p.logs.tail)
	b.ReportMetric(time.Since(begin).Seconds(), "fresh-s")
	b.ReportMetric(p.cpu("syncer").Seconds(), "cpu-s")
	passes := 0
	for _, r := range p.sim.Requests() {
		if r.Method == "jobPosting.list" && r.At.After(begin) {
			passes++
		}
	}
	b.ReportMetric(float64(passes)/outageConnections, "passes/connection")
	p.stopAll()
}

// enough says with an error that a count is below what is wanted.
func enough(b *testing.B, db *sql.DB, want int, query string, args ...any) error {
	b.Helper()
	n, err := number(b.Context(), db, query, args...)
	if err != nil {
		return err
	}
	return atLeast(int(n), want)
}

// connectMany registers organisations with some postings each, without webhooks.
func connectMany(b *testing.B, p *processes, n, postings int) []*ashbytest.Organization {
	b.Helper()
	const workers = 16 // a registration mostly waits for Ashby
	orgs := make([]*ashbytest.Organization, n)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n; i += workers {
				org := p.sim.AddOrganization(fmt.Sprintf("employer-%d", i), "Employer")
				org.Generate(postings)
				orgs[i] = org
				r, err := p.call(http.MethodPost, "/v1/connections", map[string]any{
					"employer_ref": org.Slug(), "employer_name": org.Name(), "api_key": org.AddKey(ashbytest.KeyOptions{}),
				})
				if err != nil || r.Status != http.StatusCreated {
					b.Errorf("registering: %v %d %s", err, r.Status, r.Body)
				}
			}
		})
	}
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return orgs
}
