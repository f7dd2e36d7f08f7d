package ashbytest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultCase is a fault with what it does to jobPosting.list of four postings.
type faultCase struct {
	fault Fault
	check func(*testing.T, reply, error)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, cases := range []map[string]faultCase{brokenAnswers(), envelopes(), bentLists()} {
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t, 4, Options{})
				tc.fault.Method, tc.fault.Count = "jobPosting.list", 1
				b.sim.Inject(tc.fault)
				b.good("job.list", "{}")
				if n := b.sim.FaultsTaken(tc.fault.Kind); n != 0 {
					t.Errorf("taken %d times before the request", n)
				}
				got, err := b.do(b.request("jobPosting.list", "{}"))
				tc.check(t, got, err)
				b.good("jobPosting.list", "{}")
				b.sim.ClearFaults()
				if n := b.sim.FaultsTaken(tc.fault.Kind); n != 1 {
					t.Errorf("taken %d times", n)
				}
			})
		}
	}
}

func brokenAnswers() map[string]faultCase {
	return map[string]faultCase{
		"status": {Fault{Kind: FaultStatus, Status: http.StatusBadGateway}, func(t *testing.T, r reply, _ error) {
			if r.status != http.StatusBadGateway {
				t.Errorf("status %d", r.status)
			}
		}},
		"429": {Fault{Kind: Fault429, RetryAfter: 1500 * time.Millisecond, Partner: true}, func(t *testing.T, r reply, _ error) {
			if r.status != 429 || r.header.Get("Retry-After") != "2" || r.header.Get("X-RateLimit-Scope") != "integration-partner" {
				t.Errorf("status %d, headers %v", r.status, r.header)
			}
		}},
		"429 bare": {Fault{Kind: Fault429}, func(t *testing.T, r reply, _ error) {
			if r.status != 429 || r.header.Get("Retry-After") != "" || r.header.Get("X-RateLimit-Scope") != "" {
				t.Errorf("status %d, headers %v", r.status, r.header)
			}
		}},
		"truncated": {Fault{Kind: FaultTruncated}, func(t *testing.T, r reply, err error) {
			if err == nil || len(r.raw) == 0 {
				t.Errorf("error %v after %d bytes", err, len(r.raw))
			}
		}},
		"html": {Fault{Kind: FaultHTML}, func(t *testing.T, r reply, _ error) {
			if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
				t.Errorf("%s", r.raw)
			}
		}},
		"forbidden": {Fault{Kind: FaultForbiddenPlain}, func(t *testing.T, r reply, _ error) {
			if r.status != 403 || string(r.raw) != "Forbidden" {
				t.Errorf("%d %s", r.status, r.raw)
			}
		}},
		"content type": {Fault{Kind: FaultWrongContentType}, func(t *testing.T, r reply, _ error) {
			if len(r.rows(t)) != 4 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
				t.Errorf("%v %s", r.header, r.raw)
			}
		}},
	}
}

func envelopes() map[string]faultCase {
	return map[string]faultCase{
		"envelope A": {Fault{Kind: FaultErrorEnvelopeA, Code: "odd"}, func(t *testing.T, r reply, _ error) {
			if r.status != 200 || r.body.Success || r.code(t) != "odd" || r.body.Errors[0] != "odd" {
				t.Errorf("%s", r.raw)
			}
		}},
		"envelope B": {Fault{Kind: FaultErrorEnvelopeB, Code: "odd"}, func(t *testing.T, r reply, _ error) {
			if r.body.Success || r.body.ErrorInfo != nil || r.body.Errors[0].(map[string]any)["message"] != "odd" {
				t.Errorf("%s", r.raw)
			}
		}},
		"envelope C": {Fault{Kind: FaultErrorEnvelopeC}, func(t *testing.T, r reply, _ error) {
			if string(r.raw) != `{"errorInfo":null,"errors":null,"success":false}` {
				t.Errorf("%s", r.raw)
			}
		}},
		"no success field": {Fault{Kind: FaultNoSuccessField}, func(t *testing.T, r reply, _ error) {
			if strings.Contains(string(r.raw), "success") {
				t.Errorf("%s", r.raw)
			}
		}},
	}
}

func bentLists() map[string]faultCase {
	return map[string]faultCase{
		"empty": {Fault{Kind: FaultEmptyList}, func(t *testing.T, r reply, _ error) {
			if !r.body.Success || len(r.rows(t)) != 0 {
				t.Errorf("%s", r.raw)
			}
		}},
		"shrunk": {Fault{Kind: FaultShrunkList, Keep: 0.5}, func(t *testing.T, r reply, _ error) {
			if got := len(r.rows(t)); got != 2 {
				t.Errorf("%d rows", got)
			}
		}},
		"duplicates": {Fault{Kind: FaultDuplicateRows}, func(t *testing.T, r reply, _ error) {
			if got := len(r.rows(t)); got != 8 {
				t.Errorf("%d rows", got)
			}
		}},
	}
}

func TestFaultTimeoutEndsWithTheClient(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	b.sim.Inject(Fault{Kind: FaultTimeout, Count: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := b.request("job.list", "{}").WithContext(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		if _, err := b.do(req); err == nil {
			t.Error("there was an answer")
		}
	})
	eventually(t, "the request hangs", func() bool {
		b.sim.mu.Lock()
		defer b.sim.mu.Unlock()
		return len(b.sim.faults) == 0
	})
	cancel()
	asking.Wait()
	eventually(t, "the cut request is in the log", func() bool {
		log := b.sim.Requests()
		return len(log) == 1 && log[0].Status == 0
	})
	b.good("job.list", "{}")
}

func TestFaultTimeoutEndsWithTheSimulator(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	b.sim.Inject(Fault{Kind: FaultTimeout, Count: 1})
	req := b.request("job.list", "{}")
	var asking sync.WaitGroup
	asking.Go(func() {
		if _, err := b.do(req); err == nil {
			t.Error("there was an answer")
		}
	})
	eventually(t, "the request hangs", func() bool {
		b.sim.mu.Lock()
		defer b.sim.mu.Unlock()
		return len(b.sim.faults) == 0
	})
	b.sim.Close()
	asking.Wait()
}

func TestRestartFaultNeedsTokenOrCursor(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	b.sim.Inject(Fault{Kind: FaultRestartCode, Code: "incremental_sync_too_large", Count: 1})
	_, token := b.pass("job.list", "", "", 100)
	if got := b.ask("job.list", `{"syncToken":"`+token+`"}`); got.body.Success || got.code(t) != "incremental_sync_too_large" {
		t.Fatalf("%s", got.raw)
	}
	b.good("job.list", `{"syncToken":"`+token+`"}`)
}

func TestFaultsOfOneEmployer(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	other := b.sim.AddOrganization("globex", "Globex")
	b.sim.Inject(Fault{Kind: FaultStatus, Org: "globex"})
	b.good("job.list", "{}")
	b.key = other.AddKey(KeyOptions{})
	for range 2 {
		if got := b.ask("job.list", "{}"); got.status != http.StatusInternalServerError {
			t.Errorf("status %d", got.status)
		}
	}
}
