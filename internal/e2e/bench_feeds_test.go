package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// BenchmarkFeeds reads feeds of 100,000 jobs of 5 kB in each format, plain and compressed, and asks 20 times whether an
// unchanged one has changed, each time after the gateway's memory of it has gone.
func BenchmarkFeeds(b *testing.B) {
	const jobs = 100_000
	for b.Loop() {
		p := startProcesses(b, ashbytest.Options{Seed: 3}, "gateway")
		p.http.Timeout = 10 * time.Minute
		size := fillListings(b, openSQL(b, p.dbURL), jobs)
		b.ReportMetric(float64(size)/jobs, "B/job")
		f := p.feed()
		idle := p.rss("gateway")
		for url, name := range map[string]string{f.URLs.JSON: "json", f.URLs.XML: "xml", f.URLs.RSS: "rss"} {
			for _, encoding := range []string{"identity", "gzip"} {
				before, began := p.cpu("gateway"), time.Now()
				n := p.drain(url, encoding)
				took := time.Since(began)
				b.ReportMetric(took.Seconds(), name+"-"+encoding+"-s")
				b.ReportMetric(float64(n)/(1<<20), name+"-"+encoding+"-MB")
				b.Logf("%s %s: %.1f MB in %.1f s, %.1f MB/s, %.1f s of processor time", name, encoding, float64(n)/(1<<20), took.Seconds(),
					float64(n)/(1<<20)/took.Seconds(), (p.cpu("gateway") - before).Seconds())
			}
		}
		b.ReportMetric(float64(p.peak("gateway"))/(1<<20), "peak-MB")
		b.ReportMetric(float64(idle)/(1<<20), "idle-MB")
		r, err := p.fetch(f.URLs.JSON, "")
		if err != nil {
			b.Fatal(err)
		}
		tag, worst, total := r.Header.Get("ETag"), time.Duration(0), time.Duration(0)
		for range 20 {
			<-time.After(2100 * time.Millisecond) // the state is read anew after two seconds
			began := time.Now()
			r, err := p.fetch(f.URLs.JSON, tag)
			took := time.Since(began)
			if err != nil || r.Status != http.StatusNotModified {
				b.Fatal(r.Status, err)
			}
			worst, total = max(worst, took), total+took
		}
		b.ReportMetric(float64(total.Microseconds())/20/1000, "unmodified-ms")
		b.ReportMetric(float64(worst.Microseconds())/1000, "unmodified-worst-ms")
		p.stopAll()
	}
}

// drain reads a document to its end and returns its length as sent.
func (p *processes) drain(url, encoding string) int64 {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.api.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", encoding)
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%d, %d bytes, %v\n%s", res.StatusCode, n, err, p.logs.tail())
	}
	return n
}

// fillListings stores open jobs of 100 employers and returns their size in all. A thousand different texts are used over
// and over, which no compression here reaches across.
func fillListings(b *testing.B, db *sql.DB, n int) int64 {
	b.Helper()
	const texts = 1000
	docs := make([]string, texts)
	for i := range docs {
		docs[i] = jobText(b, rand.New(rand.NewPCG(7, uint64(i))))
	}
	for _, statement := range []string{
		`INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token)
			SELECT 'c' || i, 0, 'ref' || i, 'Employer ' || i, 'active', '{jobs}', 3600, '{}', 'token' || i FROM generate_series(0, 99) AS i`,
		`INSERT INTO sync_state (connection_id, next_poll_at, last_verified_at) SELECT id, now() + INTERVAL '1 day', now() FROM connections`,
	} {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	for round := range n / texts {
		if _, err := db.ExecContext(b.Context(), `
			INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at,
				event_id, event_created_at, updated_at)
			SELECT 'c' || $2 % 100, id, 'open', 1, CAST(replace(d.doc, '@id', id) AS json), 'h', 't1', now(), now(),
				gen_random_uuid(), now(), clock_timestamp()
			FROM (SELECT t.doc, CAST(gen_random_uuid() AS text) AS id FROM unnest(CAST($1 AS text[])) AS t (doc)) AS d`,
			pq.StringArray(docs), round); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.ExecContext(b.Context(), `VACUUM ANALYZE listings`); err != nil {
		b.Fatal(err)
	}
	size, err := number(b.Context(), db, `SELECT sum(octet_length(CAST(job AS text))) FROM listings`)
	if err != nil {
		b.Fatal(err)
	}
	return size
}

// jobText is a job of about 5 kB whose id is "@id".
func jobText(b *testing.B, random *rand.Rand) string {
	b.Helper()
	var html, text strings.Builder
	for range 18 {
		words := make([]string, 14)
		for i := range words {
			words[i] = fmt.Sprintf("%c%x", 'a'+rune(random.IntN(26)), random.IntN(1<<16))
		}
		line := strings.Join(words, " ")
		html.WriteString("<p>" + line + "</p>")
		text.WriteString(line + "\n\n")
	}
	date, low, high := "2026-11-20", json.Number("60000"), json.Number("80000")
	ld, err := json.Marshal(map[string]any{"@context": "https://schema.org", "@type": "JobPosting", "title": "Engineer", "description": html.String()})
	if err != nil {
		b.Fatal(err)
	}
	doc, err := json.Marshal(events.Job{
		ID: "@id", JobID: "job-@id", Connection: "c", EmployerRef: "ref", EmployerName: "Employer", Title: "Engineer @id",
		DescriptionHTML: html.String(), DescriptionText: text.String(), Department: "Engineering", DepartmentPath: []string{"Engineering"},
		Locations:     []events.Location{{ID: "l", Name: "Berlin", Primary: true, Address: events.Address{Locality: "Berlin", Country: "Germany"}}},
		WorkplaceType: "Hybrid", EmploymentType: "FullTime", JobURL: "https://jobs.example/@id", ApplyURL: "https://jobs.example/@id/apply",
		Pay: &events.Pay{Summary: "€60K – €80K", Tiers: []events.PayTier{{Components: []events.PayComponent{
			{Type: "Salary", Interval: "1 YEAR", Currency: "EUR", Min: &low, Max: &high},
		}}}},
		PublishedOn: &date, JSONLD: ld,
	})
	if err != nil {
		b.Fatal(err)
	}
	return string(doc)
}
