package ashby

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// interval says how long to wait before the next try: what the last answer asked for, else an interval that grows from
// half a second to half a minute, spread by half so that clients do not march in step.
type interval struct {
	*backoff.ExponentialBackOff
	asked time.Duration
}

func newInterval() *interval {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = 500*time.Millisecond, 30*time.Second, 2, 0.5
	return &interval{ExponentialBackOff: b}
}

// NextBackOff returns the wait.
func (i *interval) NextBackOff() time.Duration {
	return max(i.asked, i.ExponentialBackOff.NextBackOff())
}

// isWorthwhile says whether another try may end otherwise than in err, and notes what the answer asked for.
func (i *interval) isWorthwhile(err error) bool {
	i.asked = 0
	if limited, ok := errors.AsType[*RateLimitError](err); ok {
		i.asked = limited.RetryAfter
		return true
	}
	if later, ok := errors.AsType[*laterError](err); ok {
		i.asked = later.after
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
func (c *Client) throttled(failure *APIError, header http.Header, sent time.Time) error {
	limited := &RateLimitError{APIError: failure, Partner: header.Get("X-RateLimit-Scope") == "integration-partner"}
	b := c.brake
	if limited.Partner {
		b = c.partner
	}
	limited.RetryAfter = b.hold(retryAfter(header))
	if !limited.Partner {
		c.pace.limited(sent, time.Now().Add(limited.RetryAfter))
	}
	return limited
}

// limit is what the headers X-RateLimit-* say of the key's limit. Whether they are Ashby's own on every method is not
// documented, so nothing rests on them alone.
type limit struct {
	total float64 // requests a minute; 0 where it is not stated
	// isKnown says that remaining and resets were both there and make sense.
	isKnown   bool
	remaining float64
	resets    time.Duration
}

// reserve is what is left untouched of the limit: requests that are under way have not been counted yet.
func (l limit) reserve() float64 { return math.Floor(l.total / 50) }

// limitOf reads the headers. The form of the reset time is not documented: seconds from now and Unix times, in seconds
// or milliseconds, occur elsewhere; what is none of these is ignored.
func limitOf(header http.Header) limit {
	number := func(name string) (float64, bool) {
		n, err := strconv.ParseFloat(header.Get(name), 64)
		return n, err == nil && n >= 0 && n <= 1e15
	}
	var l limit
	if total, ok := number("X-RateLimit-Limit"); ok {
		l.total = total
	}
	remaining, hasRemaining := number("X-RateLimit-Remaining")
	reset, hasReset := number("X-RateLimit-Reset")
	if !hasRemaining || !hasReset {
		return l
	}
	switch {
	case reset > 1e11:
		l.resets = time.Until(time.UnixMilli(int64(reset)))
	case reset > 1e8:
		l.resets = time.Until(time.Unix(int64(reset), 0))
	default:
		l.resets = time.Duration(reset * float64(time.Second))
	}
	l.remaining, l.isKnown = remaining, l.resets > 0 && l.resets <= 2*time.Minute
	return l
}

// follow brakes before the limit is hit, where Ashby says that next to nothing remains of it.
func (c *Client) follow(l limit) {
	if l.isKnown && l.remaining <= l.reserve() {
		c.brake.hold(l.resets)
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
