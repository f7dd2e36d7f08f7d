package ashby

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a transport that answers request after request, and the last one for ever. It keeps when each came; the
// time is that of a synctest bubble, so waits cost nothing and are exact.
type script struct {
	mu      sync.Mutex
	answers []reply
	at      []time.Time
}

type reply struct {
	status int
	header map[string]string
	body   string
	err    error
}

var good = reply{status: 200, body: `{"success":true,"results":{"title":"key","scopes":["jobs:read"]}}`}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.answers[min(len(s.at), len(s.answers)-1)]
	s.at = append(s.at, time.Now())
	if answer.err != nil {
		return nil, answer.err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range answer.header {
		header.Set(name, value)
	}
	return &http.Response{
		StatusCode: answer.status, Header: header, Request: r, Body: io.NopCloser(strings.NewReader(answer.body)),
	}, nil
}

func (s *script) client(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	o := Options{Key: testKey, HTTPClient: &http.Client{Transport: s}, Pace: NewPace(1e6)}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRetry(t *testing.T) {
	t.Parallel()
	broken := reply{err: errors.New("connection reset by peer")}
	limited := func(after string) reply { return reply{status: 429, header: map[string]string{"Retry-After": after}} }
	cases := []struct {
		name     string
		answers  []reply
		want     error
		tries    int
		min, max time.Duration // from the first request to the end
	}{
		{"at once", []reply{good}, nil, 1, 0, 0},
		{"a network fault", []reply{broken, good}, nil, 2, 250 * time.Millisecond, 750 * time.Millisecond},
		{"two faults of ashby", []reply{{status: 500}, {status: 503}, good}, nil, 3, 750 * time.Millisecond, 2250 * time.Millisecond},
		{"an answer cut off", []reply{{status: 200, body: `{"success":tr`}, good}, nil, 2, 250 * time.Millisecond, 750 * time.Millisecond},
		{"503 with a wait", []reply{{status: 503, header: map[string]string{"Retry-After": "7"}}, good}, nil, 2, 7 * time.Second, 7 * time.Second},
		{"429 with seconds", []reply{limited("12"), good}, nil, 2, 12 * time.Second, 12 * time.Second},
		{"429 with a date", []reply{limited("Sat, 01 Jan 2000 00:00:20 GMT"), good}, nil, 2, 20 * time.Second, 20 * time.Second},
		{"429 with a past date", []reply{limited("Sat, 01 Jan 1999 00:00:20 GMT"), good}, nil, 2, firstBrake, firstBrake},
		{"429 without a wait", []reply{{status: 429}, good}, nil, 2, firstBrake, firstBrake},
		{"429 three times without a wait", []reply{{status: 429}, {status: 429}, {status: 429}, good}, nil, 4, 7 * firstBrake, 7 * firstBrake},
		{"429 with nonsense", []reply{limited("soon"), good}, nil, 2, firstBrake, firstBrake},
		{"429 with too long a wait", []reply{limited("3600"), good}, ErrRateLimited, 1, 0, 0},
		{"always a fault", []reply{{status: 500}}, ErrUnavailable, 4, 1750 * time.Millisecond, 5250 * time.Millisecond},
		{"401", []reply{{status: 401}, good}, ErrUnauthorized, 1, 0, 0},
		{"403", []reply{{status: 403}, good}, ErrUnauthorized, 1, 0, 0},
		{"403 permission", []reply{{status: 403, body: "missing_endpoint_permission"}, good}, ErrMissingPermission, 1, 0, 0},
		{"success false", []reply{{status: 200, body: `{"success":false,"errors":["invalid_input"]}`}, good}, ErrRefused, 1, 0, 0},
		{
			"success false for a fault",
			[]reply{{status: 200, body: `{"success":false,"errors":["generic_internal_error"]}`}, good},
			ErrUnavailable, 1, 0, 0,
		},
		{"html", []reply{{status: 200, body: `<html>`}, good}, ErrMalformed, 1, 0, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: tc.answers}
				var seen []string
				c := s.client(t, func(o *Options) {
					o.Observe = func(method, outcome string, _ time.Duration) { seen = append(seen, method+" "+outcome) }
				})
				begun := time.Now()
				_, err := c.APIKeyInfo(t.Context())
				took := time.Since(begun)
				if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
					t.Errorf("err = %v, want %v", err, tc.want)
				}
				if len(s.at) != tc.tries || len(seen) != tc.tries {
					t.Errorf("%d requests, %d observed, want %d", len(s.at), len(seen), tc.tries)
				}
				if took < tc.min || took > tc.max {
					t.Errorf("took %s, want %s to %s", took, tc.min, tc.max)
				}
				if last := seen[len(seen)-1]; last != "apiKey.info "+outcome(tc.want) {
					t.Errorf("the last was observed as %q", last)
				}
			})
		})
	}
}

func TestEachTryTakesAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []reply{{status: 500}, {status: 500}, good}}
		pace := NewPace(1) // a burst of two, then one a minute
		c := s.client(t, func(o *Options) { o.Pace = pace })
		if _, err := c.APIKeyInfo(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := s.at[2].Sub(s.at[0]).Round(time.Second); len(s.at) != 3 || took != time.Minute {
			t.Errorf("%d requests, the last after %s", len(s.at), took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		if _, err := c.APIKeyInfo(ctx); !errors.Is(err, context.DeadlineExceeded) || len(s.at) != 3 {
			t.Errorf("without a token: err = %v after %d requests", err, len(s.at))
		}
	})
}

func TestBrakeHoldsEveryRequestOfTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []reply{{status: 429, header: map[string]string{"Retry-After": "30"}}, good}}
		c := s.client(t, nil)
		begun := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.APIKeyInfo(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				if _, err := c.APIKeyInfo(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(s.at) != 7 {
			t.Errorf("%d requests", len(s.at))
		}
		for _, at := range s.at[1:] {
			if at.Sub(begun) < 30*time.Second {
				t.Errorf("a request started %s after the 429", at.Sub(begun))
			}
		}
	})
}

func TestBrakeThatOutlastsTheCallFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []reply{{status: 429, header: map[string]string{"Retry-After": "600"}}, good}}
		c := s.client(t, nil)
		_, err := c.APIKeyInfo(t.Context())
		limited, ok := errors.AsType[*RateLimitError](err)
		if !ok || limited.RetryAfter != 10*time.Minute || limited.Partner || limited.Status != 429 {
			t.Fatalf("err = %v", err)
		}
		begun := time.Now()
		_, err = c.APIKeyInfo(t.Context())
		if limited, ok = errors.AsType[*RateLimitError](err); !ok || limited.RetryAfter != 10*time.Minute || limited.Status != 0 {
			t.Errorf("err = %v", err)
		}
		if len(s.at) != 1 || time.Since(begun) != 0 {
			t.Errorf("%d requests, %s", len(s.at), time.Since(begun))
		}
		<-time.After(10 * time.Minute) // by the bubble's clock
		if _, err = c.APIKeyInfo(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCancelWhileBraked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []reply{good}}
		c := s.client(t, nil)
		c.brake.hold(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { _, err = c.APIKeyInfo(ctx) })
		synctest.Wait()
		cancel()
		wg.Wait()
		if !errors.Is(err, context.Canceled) || len(s.at) != 0 {
			t.Errorf("err = %v after %d requests", err, len(s.at))
		}
	})
}

func TestPartnersThrottlingBrakesEveryClientOfThePartner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &Brake{}
		throttled := &script{answers: []reply{{status: 429, header: map[string]string{
			"Retry-After": "60", "X-RateLimit-Scope": "integration-partner",
		}}, good}}
		other, stranger := &script{answers: []reply{good}}, &script{answers: []reply{good}}
		one := throttled.client(t, func(o *Options) { o.PartnerBrake, o.MaxTries = shared, 1 })
		two := other.client(t, func(o *Options) { o.PartnerBrake = shared })
		three := stranger.client(t, nil)

		_, err := one.APIKeyInfo(t.Context())
		if limited, ok := errors.AsType[*RateLimitError](err); !ok || !limited.Partner {
			t.Fatalf("err = %v", err)
		}
		begun := time.Now()
		if _, err := three.APIKeyInfo(t.Context()); err != nil || time.Since(begun) != 0 {
			t.Errorf("another partner's client: %v after %s", err, time.Since(begun))
		}
		if _, err := two.APIKeyInfo(t.Context()); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("the partner's other client: %v after %s", err, time.Since(begun))
		}
	})
}

func TestLimitThatIsUsedUpIsFollowed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		remaining, reset string
		want             time.Duration
	}{
		"something remains": {"1", "30", 0},
		"seconds":           {"0", "30", 30 * time.Second},
		"a unix time":       {"0", "946684845", 45 * time.Second}, // a bubble's clock starts at 946684800
		"too far away":      {"0", "86400", 0},
		"garbled":           {"0", "+10000000001", 0},
		"no reset":          {"0", "", 0},
		"no header":         {"", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first := good
				first.header = map[string]string{"X-RateLimit-Remaining": tc.remaining, "X-RateLimit-Reset": tc.reset}
				s := &script{answers: []reply{first, good}}
				c := s.client(t, nil)
				for range 2 {
					if _, err := c.APIKeyInfo(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if waited := s.at[1].Sub(s.at[0]); waited != tc.want {
					t.Errorf("waited %s, want %s", waited, tc.want)
				}
			})
		})
	}
}

func TestSentAtIsTheTryThatWasAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []reply{{status: 503}, {status: 200, body: `{"success":true,"results":[]}`}}}
		list, err := s.client(t, nil).Postings(t.Context())
		if err != nil || !list.SentAt.Equal(s.at[1]) || list.SentAt.Location() != time.UTC {
			t.Errorf("sent at %s, want %s, err %v", list.SentAt, s.at[1], err)
		}
	})
}
