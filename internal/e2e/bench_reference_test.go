package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The load of the reference figures: webhooks over so many connections.
const (
	referenceWebhooks    = 10_000
	referenceConnections = 64
)

// BenchmarkClosedLoop sends 10,000 webhooks over 64 connections, each as soon as the one before it was answered, and waits
// until a subscriber has all that they told of: each webhook follows a change of a posting at Ashby, and counts as
// delivered when an event with that change or a later one of the posting arrives. Here each is of another posting, of
// 100 employers, so that no read of Ashby answers two of them.
func BenchmarkClosedLoop(b *testing.B) { benchmarkClosedLoop(b, 100, 100) }

// BenchmarkClosedLoopBusy is the same with a tenth of the postings, each of which changes ten times.
func BenchmarkClosedLoopBusy(b *testing.B) { benchmarkClosedLoop(b, 100, 10) }

func benchmarkClosedLoop(b *testing.B, employers, postings int) {
	for b.Loop() {
		r := newReference(b, employers, postings)
		begin := time.Now()
		var next atomic.Int64
		r.send(referenceConnections, func() (int, bool) {
			i := int(next.Add(1)) - 1
			return i, i < referenceWebhooks
		})
		accepted := time.Since(begin)
		r.awaitAll()
		b.ReportMetric(referenceWebhooks/accepted.Seconds(), "accepted/s")
		b.ReportMetric(referenceWebhooks/r.lastArrival().Sub(begin).Seconds(), "delivered/s")
		reportLatency(b, "accept", r.accepts())
		reportLatency(b, "end-to-end", r.latencies())
		r.p.stopAll()
	}
}

// BenchmarkOpenLoop sends 1,000 webhooks a second for ten seconds, whatever comes of them.
func BenchmarkOpenLoop(b *testing.B) { benchmarkOpenLoop(b, 100, 100) }

func benchmarkOpenLoop(b *testing.B, employers, postings int) {
	const rate = 1000
	for b.Loop() {
		r := newReference(b, employers, postings)
		var next atomic.Int64
		begin := time.Now()
		r.send(referenceConnections, func() (int, bool) {
			i := int(next.Add(1)) - 1
			if i >= referenceWebhooks {
				return 0, false
			}
			<-time.After(time.Until(begin.Add(time.Duration(i) * time.Second / rate)))
			return i, true
		})
		b.ReportMetric(referenceWebhooks/time.Since(begin).Seconds(), "sent/s")
		r.awaitAll()
		reportLatency(b, "accept", r.accepts())
		reportLatency(b, "end-to-end", r.latencies())
		r.p.stopAll()
	}
}

// reference is a whole system of processes with synchronised employers, and what was sent and seen.
type reference struct {
	b         *testing.B
	p         *processes
	employers []referenceEmployer
	arrivals  <-chan arrival

	mu    sync.Mutex
	sent  map[string][]sending // by subject, in the order of the changes
	took  []time.Duration
	taken []time.Duration // to accept
	open  int
	last  time.Time
}

type referenceEmployer struct {
	org      *ashbytest.Organization
	id       string
	hook     string
	secret   string
	postings []string
}

// sending is a change and when its webhook began to be sent.
type sending struct {
	number int
	at     time.Time
}

func newReference(b *testing.B, employers, postings int) *reference {
	b.Helper()
	b.StopTimer()
	defer b.StartTimer()
	r := &reference{b: b, sent: map[string][]sending{}, open: referenceWebhooks}
	r.p = startProcesses(b, ashbytest.Options{Seed: 9, RequestsPerMinute: 1 << 24}, "gateway", "syncer", "notifier")
	for i := range employers {
		org := r.p.sim.AddOrganization(fmt.Sprintf("ref-%d", i), fmt.Sprintf("Reference %d", i))
		org.Generate(postings)
		e := referenceEmployer{org: org}
		for _, posting := range org.Postings() {
			org.Publish(posting.ID)
			org.SetListed(posting.ID, true)
		}
		var doc connectionDoc
		r.p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
			"employer_ref": org.Slug(), "employer_name": org.Name(), "api_key": org.AddKey(ashbytest.KeyOptions{}),
		}).decode(b, &doc)
		e.id, e.secret, e.hook = doc.ID, doc.WebhookSetup.Secret, doc.WebhookSetup.URLs["jobPostingUpdate"]
		r.employers = append(r.employers, e)
	}
	for i := range r.employers {
		e := &r.employers[i]
		eventually(b, 3*time.Minute, "the first synchronisation ends", func() error {
			if r.p.connection(e.id).Sync.FirstSyncedAt == nil {
				return fmt.Errorf("not yet")
			}
			return nil
		}, r.p.logs.tail)
	}
	open := map[string]bool{}
	eventually(b, time.Minute, "all jobs are on the stream", func() error {
		ms, err := readStream(b.Context(), r.p.natsURL)
		for subject, m := range folded(ms) {
			if m.Event.Type != events.JobClosed {
				open[subject] = true
			}
		}
		return err
	}, r.p.logs.tail)
	for i := range r.employers {
		e := &r.employers[i]
		for _, posting := range e.org.Postings() {
			if open[events.JobSubject(e.id, posting.ID)] {
				e.postings = append(e.postings, posting.ID)
			}
		}
		if len(e.postings) == 0 {
			b.Fatalf("employer %s has no public job", e.org.Name())
		}
	}
	r.arrivals = watch(b, r.p.natsURL)
	return r
}

// send makes the changes and sends their webhooks over n connections; next gives the number of each.
func (r *reference) send(n int, next func() (int, bool)) {
	client := &fasthttp.HostClient{Addr: r.p.httpAddr, MaxConns: n}
	defer client.CloseIdleConnections()
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(req)
			defer fasthttp.ReleaseResponse(resp)
			for {
				i, more := next()
				if !more {
					return
				}
				r.sendOne(client, req, resp, i)
			}
		})
	}
	workers.Wait()
}

func (r *reference) sendOne(client *fasthttp.HostClient, req *fasthttp.Request, resp *fasthttp.Response, i int) {
	e := &r.employers[i%len(r.employers)]
	posting := e.postings[i/len(r.employers)%len(e.postings)]
	subject := events.JobSubject(e.id, posting)
	r.mu.Lock()
	at := time.Now()
	r.sent[subject] = append(r.sent[subject], sending{i, at})
	e.org.Retitle(posting, fmt.Sprintf("Change %d", i))
	r.mu.Unlock()
	body := fmt.Appendf(nil, `{"action":"jobPostingUpdate","webhookActionId":"%d","data":{"jobPosting":{"id":"%s","title":"Change %d"}}}`, i, posting, i)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetRequestURI(e.hook)
	req.Header.Set(ashby.SignatureHeader, ashby.Sign(body, ashby.Secret(e.secret)))
	req.SetBodyRaw(body)
	begin := time.Now()
	if err := client.Do(req, resp); err != nil || resp.StatusCode() != fasthttp.StatusOK {
		r.b.Errorf("webhook %d: %d %v %s", i, resp.StatusCode(), err, resp.Body())
		return
	}
	took := time.Since(begin)
	r.mu.Lock()
	r.taken = append(r.taken, took)
	r.mu.Unlock()
}

// awaitAll reads events until every change, or a later one of the same posting, has arrived.
func (r *reference) awaitAll() {
	r.b.Helper()
	deadline := time.After(5 * time.Minute)
	for r.open > 0 {
		select {
		case a := <-r.arrivals:
			r.arrived(a)
		case <-deadline:
			r.b.Fatalf("%d of %d changes did not arrive\n%s", r.open, referenceWebhooks, r.p.logs.tail())
		}
	}
}

func (r *reference) arrived(a arrival) {
	var e events.Event
	var d events.JobData
	if json.Unmarshal(a.Raw, &e) != nil || json.Unmarshal(e.Data, &d) != nil {
		r.b.Fatal("an unreadable event")
	}
	var number int
	if _, err := fmt.Sscanf(d.Job.Title, "Change %d", &number); err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.sent[a.Subject]
	for i, s := range waiting {
		if s.number != number {
			continue
		}
		for _, told := range waiting[:i+1] {
			r.took = append(r.took, a.At.Sub(told.at))
			r.open--
			r.last = a.At
		}
		r.sent[a.Subject] = waiting[i+1:]
		return
	}
}

func (r *reference) accepts() []time.Duration { return r.taken }

func (r *reference) latencies() []time.Duration { return r.took }

func (r *reference) lastArrival() time.Time { return r.last }
