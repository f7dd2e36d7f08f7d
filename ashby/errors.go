package ashby

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What a call to Ashby can end with. Compare with errors.Is.
var (
	// ErrUnauthorized: Ashby does not accept the key: it is missing, wrong or disabled. A disabled key cannot be
	// revived, so asking again is useless until the employer gives another one.
	ErrUnauthorized = errors.New("the api key is not accepted")
	// ErrMissingPermission: the key is good and lacks the permission that the method needs.
	ErrMissingPermission = errors.New("the api key lacks a permission")
	// ErrNotFound: the object asked for does not exist, or this key may not see it. Ashby makes no difference.
	ErrNotFound = errors.New("not found")
	// ErrRateLimited: too many requests. The error is a *RateLimitError.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnavailable: no whole answer came: network, time-out, a truncated body, a fault of Ashby's. Says nothing about
	// the object or the key.
	ErrUnavailable = errors.New("ashby is unavailable")
	// ErrMalformed: an answer came that is not one of Ashby's: HTML, another content type, bad JSON, no success field,
	// more than 32 MiB. Says nothing about the object or the key.
	ErrMalformed = errors.New("the answer is malformed")
	// ErrRestart: the sync token or cursor is no longer good. Begin again with neither, and keep the old data meanwhile.
	ErrRestart = errors.New("the sync must start again")
	// ErrRefused: Ashby understood the request and declined it for a reason not listed above.
	ErrRefused = errors.New("the request was refused")
	// ErrPrivateAddress: the base URL led to an address that is not public, and DefaultHTTPClient was told to refuse
	// those. It is a fault of the configuration, and no request was sent.
	ErrPrivateAddress = errors.New("refusing to connect to an address that is not public")
)

// APIError is a call that failed. Its texts hold nothing of the key.
type APIError struct {
	// Method is the API method, such as jobPosting.info.
	Method string
	// Status is the HTTP status, 0 where no answer came. It is 200 for most refusals.
	Status int
	// Code and Message are Ashby's, as far as the answer had them. Code is for machines, Message for people.
	Code, Message string
	// RequestID is what Ashby's support asks for; empty where unknown.
	RequestID string
	// Reason is the sentinel that the error matches.
	Reason error
	// Cause is what lay beneath, nil where the answer itself was the failure.
	Cause error
}

// Error names the method, the reason and what Ashby said.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ashby %s: %v", e.Method, e.Reason)
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("status %d", e.Status))
	}
	if e.Code != "" {
		facts = append(facts, "code "+e.Code)
	}
	if e.RequestID != "" {
		facts = append(facts, "request "+e.RequestID)
	}
	if len(facts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(facts, ", "))
	}
	if e.Message != "" && e.Message != e.Code {
		b.WriteString(": " + e.Message)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the reason. The cause is for people alone: a time-out beneath it would match the context package's
// errors and look like the caller's own.
func (e *APIError) Unwrap() error { return e.Reason }

// RateLimitError is an answer 429, or a request that was not sent because of an earlier one. It matches
// ErrRateLimited.
type RateLimitError struct {
	*APIError
	// RetryAfter is how long to wait: what Ashby asked for, or what the client chose where Ashby did not say. It is
	// positive.
	RetryAfter time.Duration
	// Partner is true where Ashby throttles an integration partner across all its customers, so that every key which
	// names this partner is concerned.
	//
	// https://developers.ashbyhq.com/changelog/2026-10-14-identify-integration-partner-rate-limit-responses
	Partner bool
}

// Error adds the wait to the APIError's text.
func (e *RateLimitError) Error() string {
	if e.APIError == nil {
		return fmt.Sprintf("%v, retry after %s", ErrRateLimited, e.RetryAfter)
	}
	return fmt.Sprintf("%v, retry after %s", e.APIError, e.RetryAfter)
}

// Unwrap returns the APIError.
func (e *RateLimitError) Unwrap() error {
	if e.APIError == nil {
		return ErrRateLimited
	}
	return e.APIError
}

// outcomes are the words by which Options.Observe hears how a try ended.
var outcomes = []struct {
	reason error
	word   string
}{
	{ErrUnauthorized, "unauthorized"},
	{ErrMissingPermission, "missing_permission"},
	{ErrNotFound, "not_found"},
	{ErrRateLimited, "rate_limited"},
	{ErrUnavailable, "unavailable"},
	{ErrMalformed, "malformed"},
	{ErrRestart, "restart"},
	{ErrRefused, "refused"},
	{ErrPrivateAddress, "unavailable"},
}

// outcome returns the word for err.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.reason) {
			return o.word
		}
	}
	return "canceled"
}
