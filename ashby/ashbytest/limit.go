package ashbytest

import (
	"net/http"
	"strconv"
	"time"
)

const limitWindow = time.Minute

// withinLimit counts a request against its key's window of a minute, which begins with the first request in it.
func (s *Simulator) withinLimit(c *call) bool {
	s.mu.Lock()
	k := c.access
	if !c.at.Before(k.windowEnd) {
		k.windowEnd, k.used = c.at.Add(limitWindow), 0
	}
	k.used++
	remaining := s.opts.RequestsPerMinute - k.used
	end := k.windowEnd
	s.mu.Unlock()

	h := c.w.Header()
	h.Set("x-ratelimit-limit", strconv.Itoa(s.opts.RequestsPerMinute))
	h.Set("x-ratelimit-remaining", strconv.Itoa(max(0, remaining)))
	h.Set("x-ratelimit-reset", strconv.FormatInt(end.Unix(), 10))
	if remaining >= 0 {
		return true
	}
	s.throttle(c, end.Sub(c.at), false)
	return false
}

// throttle answers 429. Its body is not documented for these endpoints; this is the one documented for reports.
func (s *Simulator) throttle(c *call, after time.Duration, partner bool) {
	message := "Too many requests for this API key."
	c.retryAfter(after)
	if partner {
		c.w.Header().Set("X-RateLimit-Scope", "integration-partner")
		message = "Too many requests across all customers of this integration partner."
	}
	s.fail(c, http.StatusTooManyRequests, failure{code: "rate_limit_exceeded", message: message})
}

// retryAfter sets the header, in whole seconds; none for zero.
func (c *call) retryAfter(after time.Duration) {
	if after > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
}
