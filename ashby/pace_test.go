package ashby

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counter is Ashby's limit of a key: requests a minute by the clock, of which another user of the key takes a part.
type counter struct {
	mu                  sync.Mutex
	limit, others       float64 // a minute
	hasHeaders, hasWait bool
	begun               time.Time
	minute              int
	used                float64
	good, refused       int
	late                int // of those, after the first ten minutes
	lateRefused         int
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	select { // a usual answering time, by the bubble's clock
	case <-time.After(80 * time.Millisecond):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.begun)
	if minute := int(now / time.Minute); minute != c.minute {
		c.minute, c.used = minute, 0
	}
	into := (now % time.Minute).Seconds()
	left := c.limit - c.used - c.others*into/60
	status, body := http.StatusOK, good.body
	if left < 1 {
		status, body = http.StatusTooManyRequests, ""
		c.refused++
	} else {
		c.used++
		c.good++
		left--
	}
	if now > 10*time.Minute {
		c.late++
		if status != http.StatusOK {
			c.lateRefused++
		}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if c.hasHeaders {
		header.Set("X-RateLimit-Limit", strconv.Itoa(int(c.limit)))
		header.Set("X-RateLimit-Remaining", strconv.Itoa(int(max(left, 0))))
		header.Set("X-RateLimit-Reset", strconv.Itoa(60-int(into)))
	}
	if c.hasWait && status != http.StatusOK {
		header.Set("Retry-After", strconv.Itoa(60-int(into)))
	}
	return &http.Response{StatusCode: status, Header: header, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (c *counter) client(t *testing.T, p *Pace) *Client {
	t.Helper()
	c.begun = time.Now()
	client, err := NewClient(Options{Key: testKey, HTTPClient: &http.Client{Transport: c}, Pace: p})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// hammer calls as fast as the pace allows, with several callers, until the context is over.
func hammer(ctx context.Context, wg *sync.WaitGroup, c *Client, callers int) {
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.APIKeyInfo(ctx); err != nil { // a brake that outlasts the context fails at once
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
				}
			}
		})
	}
}

func TestSteadyStateHasHardlyA429(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]*counter{
		"alone":                                  {hasHeaders: true},
		"alone, without headers":                 {},
		"another takes half":                     {others: 500, hasHeaders: true},
		"another takes half, without headers":    {others: 500, hasWait: true},
		"another takes half, and ashby is mute":  {others: 500},
		"another takes most":                     {others: 900, hasHeaders: true},
		"the limit is lower than is documented":  {limit: 300, hasHeaders: true},
		"another takes half of a lower one":      {limit: 300, others: 150, hasHeaders: true},
		"the limit is lower, without any header": {limit: 300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if of.limit == 0 {
					of.limit = 1000
				}
				c := of.client(t, NewPace(880))
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				hammer(ctx, &wg, c, 8)
				wg.Wait()
				share := float64(of.lateRefused) / float64(of.late)
				used := float64(of.good) / 25 / (of.limit - of.others)
				t.Logf("%d good and %d refused; after ten minutes %.2f %% refused; %.0f %% of what was free is used",
					of.good, of.refused, 100*share, 100*used)
				if share >= 0.01 || used < 0.35 {
					t.Errorf("%.2f %% refused, %.0f %% used", 100*share, 100*used)
				}
			})
		})
	}
}

// inMinutes counts the calls that a Pace lets go within some minutes, when there are always callers.
func inMinutes(ctx context.Context, minutes int, p *Pace, callers int) int {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(minutes)*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var went atomic.Int64
	for range callers {
		wg.Go(func() {
			for p.wait(ctx) == nil {
				went.Add(1)
			}
		})
	}
	wg.Wait()
	return int(went.Load())
}

func about(got, want int) bool { return got >= want*98/100-2 && got <= want*102/100+2 }

func TestPaceIsWhatItWasMadeWith(t *testing.T) {
	t.Parallel()
	for made, perMinute := range map[int]int{0: 880, -5: 880, 60: 60, 900: 900, 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPace(made)
			burst := max(2, perMinute/18)
			if n := inMinutes(t.Context(), 1, p, 3); !about(n, perMinute+burst) {
				t.Errorf("%d: %d calls in the first minute", made, n)
			}
			if n := inMinutes(t.Context(), 10, p, 3); !about(n, perMinute*10) {
				t.Errorf("%d: %d calls in ten minutes", made, n)
			}
		})
	}
}

func TestPaceAfter429s(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(600)
		sent := time.Now()
		for range 5 { // requests that were under way together
			p.limited(sent, sent.Add(61*time.Second))
		}
		if n := inMinutes(t.Context(), 1, p, 3); n != 0 {
			t.Errorf("%d calls while the brake holds", n)
		}
		if n := inMinutes(t.Context(), 10, p, 3); !about(n, 3000) {
			t.Errorf("%d calls in ten minutes at the half", n)
		}
		for range 20 { // each after a good answer
			<-time.After(time.Second)
			p.answered(time.Now(), limit{})
			p.limited(time.Now(), time.Now())
		}
		if n := inMinutes(t.Context(), 10, p, 3); !about(n, 300) {
			t.Errorf("%d calls in ten minutes at the slowest", n)
		}
		begun, steps := time.Now(), 0
		for p.current(time.Now()) < 10 {
			<-time.After(time.Second)
			before := p.current(time.Now())
			p.answered(time.Now(), limit{})
			if now := p.current(time.Now()); now > before {
				steps++
			}
		}
		if took := time.Since(begun); took < 9*time.Minute || took > 10*time.Minute || steps < 50 {
			t.Errorf("recovered after %s in %d steps", took, steps)
		}
	})
}

func TestPaceTellsHowFastItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []reply{good, {status: 429, header: map[string]string{"Retry-After": "30"}}}}
		c := s.client(t, func(o *Options) { o.Pace, o.MaxElapsed = NewPace(600), time.Second })
		is := func(want PaceState) {
			t.Helper()
			if got := c.PaceState(); got != want {
				t.Errorf("the pace is %+v, want %+v", got, want)
			}
		}
		is(PaceState{PerMinute: 600})
		_, _ = c.APIKeyInfo(t.Context())
		is(PaceState{PerMinute: 600})
		_, _ = c.APIKeyInfo(t.Context())
		is(PaceState{PerMinute: 300, Slowed: true, Paused: true})
		<-time.After(31 * time.Second)
		is(PaceState{PerMinute: 300, Slowed: true})
		if c.partner.Holds() {
			t.Error("a key's 429 holds its partner")
		}
	})
}

func TestRefusalsShowThatTheLimitLetsGo(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"success":false,"errors":["job_not_found"]}`: true, `{"success":false,"errors":["invalid_input"]}`: true,
		`{"success":false,"errors":["sync_token_expired"]}`: true, `{"success":false,"errors":["generic_internal_error"]}`: false, `<html>`: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPace(600)
			s := &script{answers: []reply{{status: 429, header: map[string]string{"Retry-After": "1"}}, {status: 200, body: body}}}
			c := s.client(t, func(o *Options) { o.Pace = p })
			_, _ = c.APIKeyInfo(t.Context())
			if p.isCut == want || p.rate != 5 {
				t.Errorf("%s: cut %t, rate %v", body, p.isCut, p.rate)
			}
		})
	}
}

func TestPaceFollowsWhatAshbySaysOfTheLimit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		says         limit
		first, later int // calls in the first minute and in the ten after it
	}{
		"nothing":                     {limit{}, 600, 6000},
		"a higher limit":              {limit{total: 1000}, 600, 6000},
		"a lower limit":               {limit{total: 300}, 270, 2700},
		"a senseless limit":           {limit{total: 1}, 30, 300},
		"much remains":                {limit{total: 1000, isKnown: true, remaining: 900, resets: time.Minute}, 600, 6000},
		"a tenth remains":             {limit{total: 1000, isKnown: true, remaining: 100, resets: time.Minute}, 40, 6000},
		"little of an unstated limit": {limit{isKnown: true, remaining: 60, resets: time.Minute}, 30, 6000},
		"a tenth, for ten seconds":    {limit{total: 1000, isKnown: true, remaining: 100, resets: 10 * time.Second}, 40 + 500, 6000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := NewPace(600)
				p.tokens, p.background = 0, 0 // no burst, to count exactly
				p.answered(time.Now(), tc.says)
				if n := inMinutes(t.Context(), 1, p, 3); !about(n, tc.first) {
					t.Errorf("%d calls in the first minute, want %d", n, tc.first)
				}
				if n := inMinutes(t.Context(), 10, p, 3); !about(n, tc.later) {
					t.Errorf("%d calls in the ten minutes after it, want %d", n, tc.later)
				}
			})
		})
	}
}

func TestBackgroundLeavesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(600)
		if n := inMinutes(WithBackground(t.Context()), 10, p, 8); n > 600*10*7/10+600/burstsPerMinute || n < 600*10*7/10*95/100 {
			t.Errorf("%d background calls in ten minutes", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		var behind atomic.Int64
		for range 8 {
			wg.Go(func() {
				for p.wait(WithBackground(ctx)) == nil {
					behind.Add(1)
				}
			})
		}
		synctest.Wait()
		for range 20 { // a burst of postings every now and then goes at once
			<-time.After(10 * time.Second)
			for range 8 {
				begun := time.Now()
				if err := p.wait(ctx); err != nil || time.Since(begun) > 0 {
					t.Errorf("waited %s behind background calls, err %v", time.Since(begun), err)
				}
			}
		}
		// Who uses the whole pace leaves nothing.
		before := behind.Load()
		if n := inMinutes(ctx, 1, p, 8); n < 590 || n > 640 || behind.Load()-before > 30 {
			t.Errorf("%d calls, and %d in the background", n, behind.Load()-before)
		}
		cancel()
		wg.Wait()
	})
}

func TestCancelWhileWaitingForTheTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(1)
		p.tokens = 0
		p.limited(time.Now(), time.Now().Add(time.Hour))
		why := errors.New("lease lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := p.wait(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel(why)
		wg.Wait()
	})
}

func TestLimitOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // a bubble's clock starts at 946684800
		for given, want := range map[[3]string]limit{
			{"", "", ""}:                        {},
			{"1000", "", ""}:                    {total: 1000},
			{"1000", "999", "60"}:               {total: 1000, isKnown: true, remaining: 999, resets: time.Minute},
			{"", "0", "0.5"}:                    {isKnown: true, resets: time.Second / 2},
			{"", "5", "946684830"}:              {isKnown: true, remaining: 5, resets: 30 * time.Second},
			{"", "5", "946684830500"}:           {isKnown: true, remaining: 5, resets: 30500 * time.Millisecond},
			{"-1", "-1", "60"}:                  {},
			{"NaN", "Inf", "60"}:                {},
			{"1e300", "1e300", "60"}:            {},
			{"many", "few", "soon"}:             {},
			{"", "5", "0"}:                      {remaining: 5},
			{"", "5", "946684000"}:              {remaining: 5, resets: -800 * time.Second},
			{"", "5", "86400"}:                  {remaining: 5, resets: 24 * time.Hour},
			{"", "5", "Sat, 01 Jan 2000 00:00"}: {},
		} {
			header := http.Header{}
			header.Set("X-RateLimit-Limit", given[0])
			header.Set("X-RateLimit-Remaining", given[1])
			header.Set("X-RateLimit-Reset", given[2])
			if got := limitOf(header); got != want {
				t.Errorf("%q: %+v, want %+v", given, got, want)
			}
		}
	})
}
