package ashby

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// pace says how long to wait before the next try: what the last answer asked for, else an interval that grows from
// half a second to half a minute, spread by half so that clients do not march in step.
type pace struct {
	*backoff.ExponentialBackOff
	asked time.Duration
}

func newPace() *pace {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = 500*time.Millisecond, 30*time.Second, 2, 0.5
	return &pace{ExponentialBackOff: b}
}

// NextBackOff returns the wait.
func (p *pace) NextBackOff() time.Duration {
	return max(p.asked, p.ExponentialBackOff.NextBackOff())
}

// isWorthwhile says whether another try may end otherwise than in err, and notes what the answer asked for.
func (p *pace) isWorthwhile(err error) bool {
	p.asked = 0
	if limited, ok := errors.AsType[*RateLimitError](err); ok {
		p.asked = limited.RetryAfter
		return true
	}
	if later, ok := errors.AsType[*laterError](err); ok {
		p.asked = later.after
	}
	failure, ok := errors.AsType[*APIError](err)
	// A fault that Ashby reports as success:false was an answer, and is not asked for twice.
	return ok && errors.Is(err, ErrUnavailable) && (failure.Code == "" || failure.Status >= 500)
}

// laterError is a failure other than 429 that says when to come again.
type laterError struct {
	*APIError
	after time.Duration
}

func (e *laterError) Unwrap() error { return e.APIError }

// withRetryAfter keeps a Retry-After of a failure that is worth another try.
func withRetryAfter(failure *APIError, header http.Header) error {
	if after := retryAfter(header); after > 0 && errors.Is(failure, ErrUnavailable) {
		return &laterError{APIError: failure, after: after}
	}
	return failure
}

// throttled applies the brake that a 429 asks for. A partner's limit is shared by many keys, a key's is its own.
func (c *Client) throttled(failure *APIError, header http.Header) error {
	limited := &RateLimitError{APIError: failure, Partner: header.Get("X-RateLimit-Scope") == "integration-partner"}
	b := c.brake
	if limited.Partner {
		b = c.partner
	}
	limited.RetryAfter = b.hold(retryAfter(header))
	return limited
}

// followLimit brakes before the limit is hit, where Ashby says that nothing remains of it. The form of the reset time
// is not documented: seconds from now and Unix times occur elsewhere; what is neither is ignored.
func (c *Client) followLimit(header http.Header) {
	if header.Get("X-RateLimit-Remaining") != "0" {
		return
	}
	reset, err := strconv.ParseFloat(header.Get("X-RateLimit-Reset"), 64)
	if err != nil {
		return
	}
	wait := time.Duration(reset * float64(time.Second))
	if reset > 1e8 {
		wait = time.Until(time.Unix(int64(reset), 0))
	}
	if wait > 0 && wait <= 2*time.Minute {
		c.brake.hold(wait)
	}
}

// retryAfter reads Retry-After, in seconds or as an HTTP date; 0 where there is none.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		// Written so that NaN and what would overflow end up at the bounds.
		if !(seconds > 0) {
			return 0
		}
		return time.Duration(min(seconds, longestBrake.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), longestBrake)
}
