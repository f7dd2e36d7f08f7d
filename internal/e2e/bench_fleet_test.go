package e2e

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// BenchmarkFleet measures one syncer with 10,000 connections of 17 postings each that are polled hourly. Ten minutes of
// synchronising them first are left out: ten are synchronised and the others are their copies, due at times spread over
// the hour. The hourly schedule then runs in real time: one and a half minutes until memory has settled, and as long
// again in which everything is counted. What the window shows an hour shows forty times. Afterwards a fifth of the
// connections become due at once, as after a registration of all in one minute, which shows how many polls a second there
// can be, what one costs without the idle loops, and how the schedule spreads them again.
func BenchmarkFleet(b *testing.B) {
	for b.Loop() {
		measureFleet(b)
	}
}

const (
	fleetSize      = 10_000
	fleetPostings  = 17
	fleetOriginals = 10
	fleetBurst     = 2000
	fleetWindow    = 90 * time.Second
)

func measureFleet(b *testing.B) {
	b.Helper()
	p := startProcesses(b, ashbytest.Options{Seed: 9}, "gateway", "syncer")
	db := openSQL(b, p.dbURL)
	var originals []original
	for i := range fleetOriginals {
		org := p.sim.AddOrganization(fmt.Sprintf("original-%d", i), "Original Ltd")
		org.Generate(fleetPostings)
		originals = append(originals, original{org, p.connectWhole(b, db, org).ID})
	}
	p.kill("syncer")
	addCopies(b, p, db, originals, fleetSize-fleetOriginals)
	execute(b, db, `DELETE FROM heartbeats`) // this is no outage, after which all are polled at once
	p.env = append(p.env, "ASHBRIDGE_REQUESTS_PER_MINUTE=900")
	p.start("syncer")
	p.waitReady("syncer")
	<-time.After(fleetWindow)
	used, from := p.cpu("syncer"), time.Now()
	<-time.After(fleetWindow)
	used, until := p.cpu("syncer")-used, time.Now()
	b.ReportMetric(used.Seconds()/until.Sub(from).Seconds()*100, "core-%")
	b.ReportMetric(float64(p.rss("syncer"))/(1<<20), "syncer-rss-MB")
	b.ReportMetric(float64(p.peak("syncer"))/(1<<20), "syncer-peak-MB")
	reportRuns(b, p, db, from, until)
	reportBurst(b, p, db)
	p.stopAll()
}

// reportRuns reports what was asked of Ashby in a window.
func reportRuns(b *testing.B, p *processes, db *sql.DB, from, until time.Time) {
	b.Helper()
	asked := 0
	for _, r := range p.sim.Requests() {
		if !r.At.Before(from) && r.At.Before(until) {
			asked++
		}
	}
	polls, slices := runsOf(b, db, "poll", from, until), runsOf(b, db, "records", from, until)
	if polls.count == 0 || slices.count == 0 || polls.failed+slices.failed > 0 {
		b.Fatalf("%d of %d polls failed, %d of %d slices\n%s", polls.failed, polls.count, slices.failed, slices.count, p.logs.tail())
	}
	if polls.events+slices.events > 0 {
		b.Fatalf("%d events of unchanged postings", polls.events+slices.events)
	}
	hourly := 1 / until.Sub(from).Hours() / fleetSize
	b.ReportMetric(float64(polls.count)*hourly, "polls/h")
	b.ReportMetric(float64(slices.count)*hourly, "slices/h")
	b.ReportMetric(float64(asked)*hourly, "requests/h")
	b.ReportMetric(float64(polls.requests)/float64(polls.count), "requests/poll")
	b.ReportMetric(float64(slices.requests)/float64(slices.count), "requests/slice")
}

// reportBurst has polls of some connections due at once, and reports how fast they are done and how they are spread over
// the hour then.
func reportBurst(b *testing.B, p *processes, db *sql.DB) {
	b.Helper()
	const n = fleetBurst
	from, used := time.Now(), p.cpu("syncer")
	execute(b, db, `UPDATE sync_state SET next_poll_at = clock_timestamp() WHERE connection_id IN (
		SELECT connection_id FROM sync_state ORDER BY next_poll_at DESC LIMIT $1)`, n)
	eventually(b, 3*time.Minute, "the burst is polled", func() error {
		done, err := number(b.Context(), db, `SELECT count(*) FROM runs WHERE task = 'poll' AND started_at >= $1`, from)
		if err != nil {
			return err
		}
		return atLeast(int(done), n)
	}, p.logs.tail)
	took := time.Since(from)
	used = p.cpu("syncer") - used
	b.ReportMetric(float64(n)/took.Seconds(), "burst-polls/s")
	b.ReportMetric(float64(used.Milliseconds())/float64(n), "cpu-ms/poll")
	b.ReportMetric(float64(p.peak("syncer"))/(1<<20), "burst-peak-MB")
	most, err := number(b.Context(), db, `
		SELECT max(n) FROM (
			SELECT count(*) AS n FROM sync_state WHERE last_verified_at >= $1
			GROUP BY extract(minute FROM next_poll_at)
		) minutes`, from)
	if err != nil {
		b.Fatal(err)
	}
	all, err := number(b.Context(), db, `SELECT count(*) FROM sync_state WHERE last_verified_at >= $1`, from)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(most)/(float64(all)/60), "fullest-minute/mean")
}

// ran is what the runs of a task amount to.
type ran struct{ count, requests, events, failed int }

// runsOf adds up the runs of a task that began in a window.
func runsOf(b *testing.B, db *sql.DB, task string, from, until time.Time) ran {
	b.Helper()
	var r ran
	if err := db.QueryRowContext(b.Context(), `
		SELECT count(*), COALESCE(sum(requests), 0), COALESCE(sum(events), 0), count(*) FILTER (WHERE outcome <> 'ok')
		FROM runs WHERE task = $1 AND started_at >= $2 AND started_at < $3`, task, from, until).
		Scan(&r.count, &r.requests, &r.events, &r.failed); err != nil {
		b.Fatal(err)
	}
	return r
}

// execute runs a statement.
func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}
