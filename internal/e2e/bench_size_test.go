package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// BenchmarkUnchangedPoll measures the syncer's processor time for a poll of 10,000 unchanged postings, and the rows
// that it writes.
func BenchmarkUnchangedPoll(b *testing.B) {
	const postings = 10_000
	for b.Loop() {
		p := startProcesses(b, ashbytest.Options{Seed: 3, RequestsPerMinute: 1 << 24}, "gateway", "syncer", "notifier")
		org := p.sim.AddOrganization("large", "Large Ltd")
		org.Generate(postings)
		var doc connectionDoc
		p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
			"employer_ref": "large", "employer_name": "Large Ltd", "api_key": org.AddKey(ashbytest.KeyOptions{}),
		}).decode(b, &doc)
		verified := p.pollDone(b, doc.ID, time.Time{}, 10*time.Minute)
		poll := func() time.Duration {
			before := p.cpu("syncer")
			p.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+doc.ID+"/sync", nil)
			verified = p.pollDone(b, doc.ID, verified, 2*time.Minute)
			return p.cpu("syncer") - before
		}
		poll() // the first incremental one may still settle something
		db := openSQL(b, p.dbURL)
		eventually(b, time.Minute, "all that is not polled is read", func() error { return resting(b.Context(), db, doc.ID) },
			func() string { return "" })
		before := rowVersions(b, db)
		used := poll()
		written := 0
		for table, n := range rowVersions(b, db) {
			if n != before[table] {
				written++
			}
		}
		b.ReportMetric(used.Seconds(), "cpu-s")
		b.ReportMetric(float64(written), "tables-written")
		b.ReportMetric(float64(p.rss("syncer"))/(1<<20), "syncer-rss-MB")
		p.stopAll()
	}
}

// pollDone waits for a complete poll that began after the time given and returns when it began.
func (p *processes) pollDone(t testing.TB, id string, after time.Time, patience time.Duration) time.Time {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		sync := p.connection(id).Sync
		if sync.LastVerifiedAt != nil && sync.LastVerifiedAt.After(after) {
			return *sync.LastVerifiedAt
		}
		<-tick.C
	}
	t.Fatalf("no complete poll in %s: %s", patience, p.logs.tail())
	return time.Time{}
}

// BenchmarkIdleMemory measures the resident memory of the three services with 1,000 connected employers, one minute
// after the last first synchronisation.
func BenchmarkIdleMemory(b *testing.B) {
	const connections = 1000
	for b.Loop() {
		p := startProcesses(b, ashbytest.Options{Seed: 3, RequestsPerMinute: 1 << 24}, "gateway", "syncer", "notifier")
		connectMany(b, p, connections, 2)
		db := openSQL(b, p.dbURL)
		wait(b, "all are synchronised", func() error {
			n, err := number(b.Context(), db, `SELECT count(*) FROM sync_state WHERE first_synced_at IS NOT NULL`)
			if err != nil {
				return err
			}
			return atLeast(int(n), connections)
		}, p.logs.tail)
		<-time.After(3 * time.Minute) // idle: clients of idle connections are let go after two
		total := 0.0
		for _, name := range []string{"gateway", "syncer", "notifier"} {
			mb := float64(p.rss(name)) / (1 << 20)
			total += mb
			b.ReportMetric(mb, name+"-rss-MB")
		}
		b.ReportMetric(total, "all-rss-MB")
		p.stopAll()
	}
}
