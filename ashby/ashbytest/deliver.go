package ashbytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

const (
	// deliveryTimeout bounds one try; Ashby's own timeout is not documented.
	deliveryTimeout = 10 * time.Second
	// maxAttempts counts the first try. Whether Ashby's "10 attempts" does is not documented; this is the shorter reading.
	maxAttempts = 10
)

// neverRetried are the answers that Ashby takes as final.
//
// https://developers.ashbyhq.com/docs/retries
var neverRetried = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone,
}

// delivery is one webhook on its way to one setting.
type delivery struct {
	org, action, actionID, object string
	url, secret                   string
	body                          []byte
	shuffle                       time.Duration
}

// deliveryClient sends webhooks, by the network unless a transport is given.
func deliveryClient(given http.RoundTripper) *http.Client {
	client := &http.Client{
		Transport: given, Timeout: deliveryTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if given != nil {
		return client
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxConnsPerHost = 64
	transport.MaxIdleConnsPerHost = 64
	client.Transport = transport
	return client
}

// launch counts deliveries as pending and gives the function that starts them. It is called with the lock held, so that
// Close and WaitDelivered see them from the moment of the edit; the function is called without.
func (s *Simulator) launch(out []delivery) func() {
	if s.closed || len(out) == 0 {
		return func() {}
	}
	if s.pending == 0 {
		s.idle = make(chan struct{})
	}
	s.pending += len(out)
	s.deliveries.Add(1) // holds Close until all are started
	return func() {
		defer s.deliveries.Done()
		for _, d := range out {
			s.deliveries.Go(func() {
				defer s.settle()
				s.deliver(d)
			})
		}
	}
}

func (s *Simulator) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if s.pending == 0 {
		close(s.idle)
	}
}

// WaitDelivered returns when no delivery is pending, those between retries included, or when ctx ends.
func (s *Simulator) WaitDelivered(ctx context.Context) error {
	s.mu.Lock()
	idle, pending := s.idle, s.pending
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %d webhook deliveries: %w", pending, ctx.Err())
	}
}

// deliver tries until the receiver accepts, refuses for good, or has failed often enough.
func (s *Simulator) deliver(d delivery) {
	if d.shuffle > 0 && !s.wait(rand.N(d.shuffle)) {
		return
	}
	for n := 1; ; n++ {
		status := s.attempt(d, n)
		if isGood(status) {
			return
		}
		if slices.Contains(neverRetried, status) || n == maxAttempts {
			s.opts.Logger.Warn("webhook lost",
				slog.String("action", d.action), slog.String("object", d.object), slog.Int("status", status), slog.Int("attempts", n))
			return
		}
		if !s.wait(time.Duration(float64(retryWait(n)) * s.opts.RetryScale)) {
			return
		}
	}
}

// retryWait is Ashby's wait before retry n: (2^n − 1) · 10 s.
func retryWait(n int) time.Duration { return time.Duration(1<<n-1) * 10 * time.Second }

// wait pauses a delivery; false when the simulator closed.
func (s *Simulator) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.lifetime.Done():
		return false
	}
}

// attempt makes one try and logs it; status 0 means that there was no answer.
func (s *Simulator) attempt(d delivery, n int) (status int) {
	entry := Attempt{Org: d.org, Action: d.action, ActionID: d.actionID, Object: d.object, URL: d.url, Attempt: n, SentAt: s.opts.Now()}
	entry.Status = s.send(d)
	entry.AnsweredAt = s.opts.Now()
	s.mu.Lock()
	s.attempts.add(entry)
	s.mu.Unlock()
	return entry.Status
}

func (s *Simulator) send(d delivery) (status int) {
	req, err := http.NewRequestWithContext(s.lifetime, http.MethodPost, d.url, bytes.NewReader(d.body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Ashby-Webhooks/ashbytest")
	if d.secret != "" {
		req.Header.Set("Ashby-Signature", sign(d.body, d.secret))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()                      // the status is all that counts
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	return resp.StatusCode
}
