package e2e

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// BenchmarkOutgoingWebhooks measures what posting events to an endpoint adds: from an event's arrival at a NATS
// subscriber to its arrival at the endpoint, at 50 changes a second for 20 s, all services as processes, the endpoint
// answering at once on the same machine.
func BenchmarkOutgoingWebhooks(b *testing.B) {
	const rate, changes = 50, 1000
	for b.Loop() {
		p := startProcesses(b, ashbytest.Options{Seed: 5, RequestsPerMinute: 1 << 20}, "gateway", "syncer", "notifier")
		org, id := benchEmployer(b, p, 200)
		arrivals := watch(b, p.natsURL)
		board := newHookBoard(b)
		p.endpoint(board.URL, nil)
		ids := org.Postings()
		tick := time.NewTicker(time.Second / rate)
		for i := range changes {
			<-tick.C
			org.Retitle(ids[i%len(ids)].ID, fmt.Sprintf("Change number %d", i))
		}
		tick.Stop()
		db := openSQL(b, p.dbURL)
		events := 0
		wait(b, "all webhooks have come", func() (err error) {
			events, err = allSent(b, db, changes)
			return errors.Join(err, atLeast(len(board.got()), events))
		}, p.logs.tail)
		at := map[string]time.Time{}
		for range events {
			a := <-arrivals
			at[fmt.Sprint(a.Subject, a.Version)] = a.At
		}
		var added []time.Duration
		for _, h := range board.got() {
			if then, ok := at[fmt.Sprint("jobs.v1.", id, ".", h.Event.Subject, h.Version)]; ok {
				added = append(added, h.At.Sub(then))
			}
		}
		if len(added) != events {
			b.Fatalf("%d of %d events came by both ways", len(added), events)
		}
		reportLatency(b, "event-to-endpoint", added)
		p.stopAll()
	}
}

// allSent counts the events that webhooks from Ashby led to, once all of them are processed and nothing waits. Where the
// machine is busy, two changes of a job can be one event.
func allSent(b *testing.B, db *sql.DB, webhooks int) (int, error) {
	waiting, err := number(b.Context(), db, `
		SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM deliveries WHERE state = 'pending')
			+ (SELECT count(*) FROM webhook_inbox WHERE processed_at IS NULL)
			+ $1 - (SELECT count(*) FROM webhook_inbox)`, webhooks)
	if err != nil || waiting != 0 {
		return 0, errors.Join(err, fmt.Errorf("%d wait", waiting))
	}
	n, err := number(b.Context(), db, `SELECT count(*) FROM deliveries`)
	return int(n), err
}

// BenchmarkOutgoingSnapshot measures how many deliveries a second reach one fast endpoint: a snapshot of 20,000 jobs, from
// the request that asks for it until the last job has come.
func BenchmarkOutgoingSnapshot(b *testing.B) {
	const jobs = 20_000
	for b.Loop() {
		p := startProcesses(b, ashbytest.Options{Seed: 5, RequestsPerMinute: 1 << 20}, "gateway", "syncer", "notifier")
		_, id := benchEmployer(b, p, 10)
		db := openSQL(b, p.dbURL)
		if _, err := db.ExecContext(b.Context(), `
			INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at,
				event_id, event_created_at, updated_at)
			SELECT l.connection_id, 'copy-' || i, 'open', 1, l.job, l.hash, l.translator, l.changed_at, l.observed_at,
				gen_random_uuid(), now() - INTERVAL '40 days', now()
			FROM (SELECT * FROM listings WHERE connection_id = $1 LIMIT 1) l, generate_series(1, $2) AS i`, id, jobs); err != nil {
			b.Fatal(err)
		}
		board := newHookBoard(b)
		begin := time.Now()
		p.endpoint(board.URL, map[string]any{"snapshot": true})
		queued := time.Since(begin)
		eventually(b, 5*time.Minute, "all jobs have come", func() error { return atLeast(len(board.got()), jobs) }, p.logs.tail)
		took := time.Since(begin)
		b.ReportMetric(queued.Seconds(), "queued-s")
		b.ReportMetric(jobs/took.Seconds(), "deliveries/s")
		b.ReportMetric(p.cpu("notifier").Seconds()/jobs*1e6, "cpu-us/delivery")
		p.stopAll()
	}
}

// benchEmployer connects an employer with its webhooks and waits for the first synchronisation.
func benchEmployer(b *testing.B, p *processes, postings int) (*ashbytest.Organization, string) {
	b.Helper()
	org := p.sim.AddOrganization("speed", "Speed Ltd")
	org.Generate(postings)
	var doc connectionDoc
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": "speed", "employer_name": "Speed Ltd", "api_key": org.AddKey(ashbytest.KeyOptions{}),
	}).decode(b, &doc)
	if err := org.AddWebhook("jobPostingUpdate", doc.WebhookSetup.URLs["jobPostingUpdate"], doc.WebhookSetup.Secret); err != nil {
		b.Fatal(err)
	}
	wait(b, "the first synchronisation ends", func() error {
		if p.connection(doc.ID).Sync.FirstSyncedAt == nil {
			return errors.New("not yet")
		}
		return nil
	}, p.logs.tail)
	return org, doc.ID
}
