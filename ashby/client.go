package ashby

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	defaultBaseURL = "https://api.ashbyhq.com"
	// apiVersion is pinned because a key's default version is the newest of the day the key was made, so that two
	// employers' keys could differ. https://developers.ashbyhq.com/docs/api-versions
	apiVersion = "2026-01-01"
	// maxAnswer bounds an answer after decompression.
	maxAnswer = 32 << 20
)

// Options says how to talk to Ashby.
type Options struct {
	// BaseURL is where the API lies; empty means https://api.ashbyhq.com.
	BaseURL string
	// Key is required.
	Key Secret
	// HTTPClient is used without following redirects; nil means DefaultHTTPClient(false). Clients share connections by
	// sharing it.
	HTTPClient *http.Client
	// Pace lets each try go when it may; nil means NewPace(0). Clients that use one key share one Pace.
	Pace *Pace
	// MaxTries is how often a request is sent at most; 0 means 4, 1 means no retries.
	MaxTries int
	// MaxElapsed is when a failed call is no longer tried again, and how long a call waits for a brake; 0 means 2 min.
	MaxElapsed time.Duration
	// UserAgent is empty for "ashbridge".
	UserAgent string
	// PartnerBrake is shared by all Clients whose keys name the same integration partner; nil means that the partner's
	// throttling holds this Client alone.
	PartnerBrake *Brake
	// Observe, if given, hears of each try: the method, how long it took, and one of ok, unauthorized,
	// missing_permission, not_found, rate_limited, unavailable, malformed, restart, duplicate, refused, canceled.
	Observe func(method, outcome string, d time.Duration)
}

// Client calls Ashby's API with one key. It is safe for concurrent use.
type Client struct {
	base      string
	userAgent string
	// The key is held by closures, so that no way of printing a Client can show it.
	authorize  func(*http.Request)
	redact     func(string) string
	http       *http.Client
	pace       *Pace
	brake      *Brake
	partner    *Brake
	maxTries   int
	maxElapsed time.Duration
	observe    func(method, outcome string, d time.Duration)
}

// NewClient checks the options and returns a Client. It sends nothing.
func NewClient(o Options) (*Client, error) {
	if o.Key.Reveal() == "" {
		return nil, errors.New("ashby: the api key is empty")
	}
	base, err := url.Parse(first(o.BaseURL, defaultBaseURL))
	if err != nil {
		return nil, fmt.Errorf("ashby: reading the base url: %w", err)
	}
	if base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("ashby: the base url must be http(s)://host without user and query")
	}
	if o.HTTPClient == nil {
		o.HTTPClient = DefaultHTTPClient(false)
	}
	if o.Pace == nil {
		o.Pace = NewPace(0)
	}
	if o.PartnerBrake == nil {
		o.PartnerBrake = &Brake{}
	}
	if o.MaxTries <= 0 {
		o.MaxTries = 4
	}
	if o.MaxElapsed <= 0 {
		o.MaxElapsed = 2 * time.Minute
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	still := *o.HTTPClient
	still.CheckRedirect = noRedirect
	key := o.Key
	return &Client{
		base:       strings.TrimRight(base.String(), "/"),
		userAgent:  first(o.UserAgent, "ashbridge"),
		authorize:  func(r *http.Request) { r.SetBasicAuth(key.Reveal(), "") },
		redact:     func(s string) string { return strings.ReplaceAll(s, key.Reveal(), redacted) },
		http:       &still,
		pace:       o.Pace,
		brake:      &Brake{},
		partner:    o.PartnerBrake,
		maxTries:   o.MaxTries,
		maxElapsed: o.MaxElapsed,
		observe:    o.Observe,
	}, nil
}

// call sends a request until it is answered or no further try is worth while.
func (c *Client) call(ctx context.Context, method string, params map[string]any) (answer, error) {
	body, err := json.Marshal(params)
	if err != nil {
		return answer{}, fmt.Errorf("ashby %s: encoding the parameters: %w", method, err)
	}
	deadline := time.Now().Add(c.maxElapsed)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	between := newInterval()
	a, err := backoff.Retry(ctx, func() (answer, error) {
		if err := c.admit(ctx, method, deadline); err != nil {
			return answer{}, backoff.Permanent(err)
		}
		a, err := c.try(ctx, method, body)
		if between.isWorthwhile(err) {
			return a, err
		}
		return a, backoff.Permanent(err)
	}, backoff.WithBackOff(between), backoff.WithMaxTries(uint(c.maxTries)), backoff.WithMaxElapsedTime(c.maxElapsed))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Unwrap()
	}
	if _, answered := errors.AsType[*APIError](err); err != nil && !answered && ctx.Err() != nil {
		return answer{}, fmt.Errorf("ashby %s: %w", method, ended(ctx))
	}
	return a, err
}

// PaceState returns how fast the key's requests may go at this moment.
func (c *Client) PaceState() PaceState {
	s := c.pace.State()
	s.Paused = s.Paused || c.brake.Holds()
	return s
}

// admit waits until a request may be sent. The pace comes between two looks at the brakes, since a 429 may arrive while
// requests queue for their turns.
func (c *Client) admit(ctx context.Context, method string, deadline time.Time) error {
	if err := c.unbraked(ctx, method, deadline); err != nil {
		return err
	}
	if err := c.pace.wait(ctx); err != nil {
		return err
	}
	return c.unbraked(ctx, method, deadline)
}

func (c *Client) unbraked(ctx context.Context, method string, deadline time.Time) error {
	for _, b := range []*Brake{c.partner, c.brake} {
		left, err := b.wait(ctx, deadline)
		if err != nil {
			return err
		}
		if left > 0 {
			return &RateLimitError{
				APIError:   &APIError{Method: method, Reason: ErrRateLimited, Message: "held back after an earlier answer"},
				RetryAfter: left, Partner: b == c.partner,
			}
		}
	}
	return nil
}

// try sends a request once.
func (c *Client) try(ctx context.Context, method string, body []byte) (answer, error) {
	sent := time.Now().UTC()
	a, err := c.roundTrip(ctx, method, body, sent)
	a.sentAt = sent
	traceOf(ctx).note(a, err)
	c.observe(method, outcome(err), time.Since(sent))
	return a, err
}

func (c *Client) roundTrip(ctx context.Context, method string, body []byte, sent time.Time) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/"+method, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("ashby %s: %w", method, err)
	}
	c.authorize(req)
	req.Header.Set("Accept", "application/json; version=1")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Ashby-Version", apiVersion)
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.noAnswer(ctx, method, 0, err)
	}
	defer func() { _ = resp.Body.Close() }() // an error of reading was reported, and one of closing changes nothing
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, c.noAnswer(ctx, method, resp.StatusCode, err)
	}
	a, failure := understand(method, resp.StatusCode, resp.Header, content)
	if failure == nil || failure.isRefusal() {
		c.brake.release()
		l := limitOf(resp.Header)
		c.follow(l)
		c.pace.answered(sent, l)
	}
	if failure == nil {
		a.requestID = identifier(c.redact(resp.Header.Get(requestIDHeader)))
		return a, nil
	}
	// The key goes first: a cut through it would leave a part that is no longer recognised.
	failure.Code, failure.Message = excerpt(c.redact(failure.Code)), excerpt(c.redact(failure.Message))
	failure.RequestID = excerpt(c.redact(failure.RequestID))
	if errors.Is(failure, ErrRateLimited) {
		return answer{}, c.throttled(failure, resp.Header, sent)
	}
	return answer{}, withRetryAfter(failure, resp.Header)
}

// noAnswer is the error of a request that got no whole answer.
func (c *Client) noAnswer(ctx context.Context, method string, status int, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if errors.Is(err, ErrPrivateAddress) {
		return fmt.Errorf("ashby %s: %w", method, err)
	}
	return &APIError{Method: method, Status: status, Reason: ErrUnavailable, Cause: err}
}

// ended is the error of a context that is over: its cause, which matches the context's own error too.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}
