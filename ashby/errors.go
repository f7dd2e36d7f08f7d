package ashby

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/guard"
)

// What a call to Ashby can end with. Compare with errors.Is. Each symptom has one meaning:
//
//	no connection, connection cut, time-out of the HTTP client, slow body    ErrUnavailable
//	JSON of a 2xx that ends too early, an empty body, gzip that ends early   ErrUnavailable
//	5xx and 408 of whatever form, success:false with generic_internal_error  ErrUnavailable
//	429 of whatever form, per key or of a partner; rate_limit_exceeded,
//	concurrent_limit_exceeded; a request held back after one of them         ErrRateLimited, a *RateLimitError
//	401, JSON, plain text or empty                                           ErrUnauthorized
//	403 without missing_endpoint_permission, JSON, plain text or empty       ErrUnauthorized
//	missing_endpoint_permission, with 403 or 200, wherever it stands         ErrMissingPermission
//	HTML with any status below 429, 401 and 403 included                     ErrMalformed
//	another content type with 2xx or a 4xx not named here                    ErrMalformed
//	a Content-Encoding other than gzip, 401 and 403 included                 ErrMalformed
//	more than 32 MiB, counted after decompression                            ErrMalformed
//	bad JSON, no success field, success without results, a redirect          ErrMalformed
//	another object than the one asked for, cursors that go round             ErrMalformed
//	a listing with rows of which none can be read                            ErrMalformed
//	sync_token_expired, sync_token_invalid, incremental_sync_too_large,
//	next_cursor_expired, cursor_invalid, invalid_next_cursor                 ErrRestart
//	…_not_found, "… not found", "… does not exist", of the object            ErrNotFound
//	the same of the endpoint, organisation, user, board or key               ErrRefused
//	duplicate_webhook, webhook_already_exists, "duplicate webhook"           ErrDuplicate
//	any other success:false, in each of the three forms of errors            ErrRefused
//	an address that is not public                                            ErrPrivateAddress
//	the caller's context is over                                             its own error and cause
//
// No error at all: unknown fields and enumeration values, nulls and absent fields, warnings; a row that cannot be read
// beside one that can is a BadRow.
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
	// ErrMalformed: an answer came that is not one of Ashby's: HTML, another content type or encoding, bad JSON, no success
	// field, more than 32 MiB. Says nothing about the object or the key.
	ErrMalformed = errors.New("the answer is malformed")
	// ErrRestart: the sync token or cursor is no longer good. Begin again with neither, and keep the old data meanwhile.
	ErrRestart = errors.New("the sync must start again")
	// ErrDuplicate: Ashby has a webhook setting of this type for this URL already.
	ErrDuplicate = errors.New("the webhook setting exists already")
	// ErrRefused: Ashby understood the request and declined it for a reason not listed above.
	ErrRefused = errors.New("the request was refused")
	// ErrPrivateAddress: the base URL led to an address that is not public, and DefaultHTTPClient was told to refuse
	// those. It is a fault of the configuration, and no request was sent.
	ErrPrivateAddress = guard.ErrPrivate
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

// isRefusal says whether Ashby itself answered, and let the request through its limit.
func (e *APIError) isRefusal() bool {
	return slices.Contains([]error{ErrMissingPermission, ErrNotFound, ErrRestart, ErrDuplicate, ErrRefused}, e.Reason)
}

// Brief is Error without what Ashby said and what lay beneath: those may quote the contents of an object.
func (e *APIError) Brief() string {
	short := *e
	short.Message, short.Cause = "", nil
	return short.Error()
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
	{ErrDuplicate, "duplicate"},
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
