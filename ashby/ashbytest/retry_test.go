package ashbytest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// network answers the n-th try of a delivery without a network, so that waits can be measured on a fake clock.
type network func(n int) (status int, err error)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// deliverTo sends one webhook over the network and gives its tries, without the ping.
func deliverTo(t *testing.T, opts Options, answer network) []Attempt {
	t.Helper()
	sim := New(opts)
	defer sim.Close()
	tries := 0
	sim.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		status := http.StatusOK
		if r.Header.Get("Ashby-Signature") != "" { // all but the ping
			tries++
			var err error
			if status, err = answer(tries); err != nil {
				return nil, err
			}
		}
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
	})
	sim.opts.UnsignedPings = true
	org := sim.AddOrganization("acme", "Acme")
	org.Generate(1)
	if err := org.AddWebhook("jobPostingUpdate", "http://receiver.example/hook", "secret"); err != nil {
		t.Fatal(err)
	}
	org.Retitle(org.Postings()[0].ID, "Changed")
	if err := sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sim.Deliveries()[1:]
}

func TestRetrySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := deliverTo(t, Options{}, func(int) (int, error) { return http.StatusServiceUnavailable, nil })
		want := []time.Duration{ // as worked out from Ashby's formula, from the first try on
			0, 10 * time.Second, 40 * time.Second, 110 * time.Second, 260 * time.Second, 570 * time.Second, 1200 * time.Second,
			2470 * time.Second, 5020 * time.Second, 10130 * time.Second,
		}
		if len(got) != len(want) {
			t.Fatalf("%d attempts", len(got))
		}
		for i, a := range got {
			if since := a.SentAt.Sub(got[0].SentAt); since != want[i] || a.Attempt != i+1 || a.ActionID != got[0].ActionID {
				t.Errorf("attempt %d came after %s, want %s: %+v", i+1, since, want[i], a)
			}
		}
	})
}

func TestRetryScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := deliverTo(t, Options{RetryScale: 0.001}, func(n int) (int, error) {
			if n < 3 {
				return 0, errors.New("connection refused")
			}
			return http.StatusOK, nil
		})
		if len(got) != 3 || got[0].Status != 0 || got[2].Status != http.StatusOK {
			t.Fatalf("attempts %+v", got)
		}
		if since := got[2].SentAt.Sub(got[0].SentAt); since != 40*time.Millisecond {
			t.Errorf("third try after %s", since)
		}
	})
}

func TestWhatIsRetried(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{
		200: 1, 202: 1, 401: 1, 403: 1, 404: 1, 405: 1, 410: 1,
		302: 2, 400: 2, 409: 2, 413: 2, 415: 2, 429: 2, 500: 2, 503: 2,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			got := deliverTo(t, Options{RetryScale: 1e-6}, func(n int) (int, error) {
				if n == 1 {
					return status, nil
				}
				return http.StatusOK, nil
			})
			if len(got) != want {
				t.Errorf("%d attempts, want %d", len(got), want)
			}
		})
	}
}

func TestCloseEndsWaitingDeliveries(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{RetryScale: 1})
	r := receive(t, "secret", http.StatusOK, http.StatusInternalServerError)
	b.subscribe(r, "jobPostingUpdate")
	b.org.Retitle(b.org.Postings()[0].ID, "Changed")
	eventually(t, "the first try failed", func() bool { return len(b.sim.Deliveries()) == 2 })
	b.sim.Close() // would take 10 s if it waited for the retry
	b.org.Retitle(b.org.Postings()[0].ID, "Changed after the end")
	if err := b.sim.WaitDelivered(t.Context()); err != nil {
		t.Error(err)
	}
	if got := b.sim.Deliveries(); len(got) != 2 {
		t.Errorf("deliveries %+v", got)
	}
}
