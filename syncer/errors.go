package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

var (
	// errKeyRefused: Ashby refused the key before; the next poll tries it again.
	errKeyRefused = errors.New("connection unauthorized")
	// errStale: the answer is older than one that was applied while it was under way.
	errStale = errors.New("a newer answer was applied already")
	// errUnderWay: a listing is being read that began before the hint; a later reading answers it.
	errUnderWay = errors.New("the listing is being read")
	// errCursorLoop: the pages lead back to one that was read already.
	errCursorLoop = errors.New("cursor repeats")
)

// isOver says that there is nothing to do for the connection any more, or for now.
func isOver(err error) bool {
	return errors.Is(err, mirror.ErrRemoved) || errors.Is(err, mirror.ErrPaused) || errors.Is(err, errKeyRefused) ||
		errors.Is(err, mirror.ErrNotFound)
}

// isUnanswered says that Ashby gave no usable answer, which says nothing of the object that was asked for.
func isUnanswered(err error) bool {
	return errors.Is(err, ashby.ErrUnavailable) || errors.Is(err, ashby.ErrRateLimited) ||
		errors.Is(err, context.DeadlineExceeded)
}

// isLocal says that an error concerns one posting alone, so that a poll may go on to the others. What concerns the
// store, the key or Ashby as a whole is not local.
func isLocal(ctx context.Context, err error) bool {
	if ctx.Err() != nil || isOver(err) || isUnanswered(err) {
		return false
	}
	for _, e := range []error{mirror.ErrLeaseLost, mirror.ErrUnavailable, ashby.ErrUnauthorized, ashby.ErrMissingPermission} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}

// waitAsked is how long Ashby asked to wait, zero where it did not.
func waitAsked(err error) time.Duration {
	var limited *ashby.RateLimitError
	if errors.As(err, &limited) {
		return limited.RetryAfter
	}
	return 0
}

// outcome is how a unit of work ended, as metrics and logs name it.
type outcome string

const (
	outcomeOK           outcome = "ok"
	outcomeIncomplete   outcome = "incomplete" // a poll that could not read some postings
	outcomeStopped      outcome = "stopped"    // the process ends, or the lease is lost
	outcomeSkipped      outcome = "skipped"    // paused, removed, unauthorized
	outcomeLater        outcome = "later"      // put off, since only a later reading answers it
	outcomeBraked       outcome = "braked"     // put off, since Ashby does not answer for this connection
	outcomeUnauthorized outcome = "unauthorized"
	outcomePermission   outcome = "missing_permission"
	outcomeRateLimited  outcome = "rate_limited"
	outcomeUnavailable  outcome = "unavailable"
	outcomeMalformed    outcome = "malformed"
	outcomeImplausible  outcome = "implausible"
	outcomeStore        outcome = "store_unavailable"
	outcomeOther        outcome = "error"
)

var outcomes = []outcome{
	outcomeOK, outcomeIncomplete, outcomeStopped, outcomeSkipped, outcomeLater, outcomeBraked,
	outcomeUnauthorized, outcomePermission, outcomeRateLimited, outcomeUnavailable, outcomeMalformed,
	outcomeImplausible, outcomeStore, outcomeOther,
}

// verdicts gives each error its outcome and the sentence that the employer and the operator read. The sentences hold
// nothing of an answer or a key.
var verdicts = []struct {
	is      error
	outcome outcome
	reason  string
}{
	{ashby.ErrUnauthorized, outcomeUnauthorized, "Ashby refuses the API key: it is wrong or was disabled. Replace it."},
	{ashby.ErrMissingPermission, outcomePermission, "The API key lacks a permission that is needed: grant it read access to Jobs in Ashby."},
	{ashby.ErrRateLimited, outcomeRateLimited, "Ashby asks to slow down."},
	{ashby.ErrUnavailable, outcomeUnavailable, "Ashby cannot be reached or fails."},
	{ashby.ErrMalformed, outcomeMalformed, "Ashby's answer could not be read."},
	{ashby.ErrRestart, outcomeMalformed, "Ashby does not let an incremental reading begin anew."},
	{errCursorLoop, outcomeMalformed, "Ashby's pages repeat themselves."},
	{ashby.ErrRefused, outcomeMalformed, "Ashby refused a request."},
	{mirror.ErrImplausible, outcomeImplausible, "Ashby's answers contradict each other."},
	{errStale, outcomeImplausible, "Ashby's answers kept overtaking each other."},
	{ashby.ErrNotFound, outcomeImplausible, "Ashby's answers contradict each other."},
	{mirror.ErrUnavailable, outcomeStore, "Ashbridge's database cannot be reached."},
	{context.DeadlineExceeded, outcomeUnavailable, "Ashby did not answer in time."},
}

// judge names what an error means.
func judge(ctx context.Context, err error) (outcome, string) {
	switch {
	case err == nil:
		return outcomeOK, ""
	case ctx.Err() != nil || errors.Is(err, mirror.ErrLeaseLost):
		return outcomeStopped, ""
	case isOver(err):
		return outcomeSkipped, ""
	case errors.Is(err, errUnderWay):
		return outcomeLater, ""
	}
	for _, v := range verdicts {
		if errors.Is(err, v.is) {
			reason := v.reason
			var api *ashby.APIError
			if errors.As(err, &api) && api.Method != "" {
				reason = fmt.Sprintf("%s (%s)", reason, api.Method)
			}
			return v.outcome, reason
		}
	}
	return outcomeOther, "An unexpected error in Ashbridge; its log says more."
}

// namedUnread is how many postings a sentence names.
const namedUnread = 5

// unreadReason is the sentence on postings and listings that a poll could not read, empty where there are none; an empty
// id is a row that does not show its own.
func unreadReason(ids, listings []string) string {
	var sentences []string
	if len(ids) > 0 {
		sentences = append(sentences, unreadPostings(ids))
	}
	if len(listings) > 0 {
		sentences = append(sentences, fmt.Sprintf("Listings that could not be read: %s.", strings.Join(listings, ", ")))
	}
	return strings.Join(sentences, " ")
}

func unreadPostings(ids []string) string {
	names := slices.Compact(slices.Sorted(slices.Values(ids)))
	if len(names) > 0 && names[0] == "" {
		names[0] = "a row without an id"
	}
	more := ""
	if over := len(names) - namedUnread; over > 0 {
		names, more = names[:namedUnread], fmt.Sprintf(" and %d more", over)
	}
	return fmt.Sprintf("Postings that could not be read: %s%s.", strings.Join(names, ", "), more)
}
