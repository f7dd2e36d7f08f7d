package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// BenchmarkSharedKey measures which share of requests is answered 429 where a connection has more to read than it may,
// against Ashby's limit of 1,000 a minute, while another client of the same key takes 400 of them: two windows of the
// limit in real time. It reads postings, which may have the whole pace, under the default of 900 a minute.
func BenchmarkSharedKey(b *testing.B) {
	for b.Loop() {
		measureSharedKey(b)
	}
}

func measureSharedKey(b *testing.B) {
	b.Helper()
	const others, postings, windows = 400, 3000, 2
	p := startProcesses(b, ashbytest.Options{Seed: 4, RequestsPerMinute: 1000})
	p.env = append(p.env, "ASHBRIDGE_REQUESTS_PER_MINUTE=900")
	for _, service := range []string{"gateway", "syncer"} {
		p.start(service)
		p.waitReady(service)
	}
	org := p.sim.AddOrganization("shared", "Shared Ltd")
	org.Generate(postings)
	key := org.AddKey(ashbytest.KeyOptions{})
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": "shared", "employer_name": "Shared Ltd", "api_key": key,
	})
	from := time.Now()
	ctx, cancel := context.WithTimeout(b.Context(), windows*time.Minute)
	var other sync.WaitGroup
	other.Go(func() { useKey(ctx, p.ashby.URL, key, others) })
	<-ctx.Done()
	other.Wait()
	cancel()
	var ours, theirs answers
	for _, r := range p.sim.Requests() {
		switch {
		case r.At.Before(from):
		case r.Method == otherMethod:
			theirs.add(r)
		default:
			ours.add(r)
		}
	}
	b.ReportMetric(ours.all/windows, "requests/min")
	b.ReportMetric(ours.limited/ours.all*100, "429-%")
	b.ReportMetric(theirs.all/windows, "other-requests/min")
	b.ReportMetric(theirs.limited/theirs.all*100, "other-429-%")
	p.stopAll()
}

// answers counts answers, and those that were 429.
type answers struct{ all, limited float64 }

func (a *answers) add(r ashbytest.Request) {
	a.all++
	if r.Status == http.StatusTooManyRequests {
		a.limited++
	}
}

// otherMethod is one that the services do not call once a connection is registered.
const otherMethod = "apiKey.info"

// useKey is another client of a key, which asks at a steady pace and does not mind what is answered.
func useKey(ctx context.Context, url, key string, perMinute int) {
	tick := time.NewTicker(time.Minute / time.Duration(perMinute))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/"+otherMethod, strings.NewReader("{}"))
		if err != nil {
			return
		}
		req.SetBasicAuth(key, "")
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
}
