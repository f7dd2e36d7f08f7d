package ashby

import (
	"context"
	"errors"
	"sync"
)

// mostRequestIDs bounds what a Trace keeps of each sort.
const mostRequestIDs = 20

// Trace collects what the calls made with its context did. The zero Trace is ready for use, and safe for concurrent use.
type Trace struct {
	mu           sync.Mutex
	requests     int
	failures     int
	failed, good []string
}

type traceKey struct{}

// WithTrace returns a context whose calls are collected by t, and by no Trace that the context had before.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Requests is how many requests were sent, retries included.
func (t *Trace) Requests() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests
}

// Failures is how many of them failed. That an object is not there, or that a listing is to be begun anew, is an answer.
func (t *Trace) Failures() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

// RequestIDs are what Ashby's support asks for: at most 20, those of failed requests first.
func (t *Trace) RequestIDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := append(append([]string{}, t.failed...), t.good...)
	return ids[:min(len(ids), mostRequestIDs)]
}

// note adds a request. A nil Trace notes nothing.
func (t *Trace) note(a answer, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	switch outcome(err) {
	case "ok", "not_found", "restart", "canceled":
	default:
		t.failures++
	}
	ids, id := &t.good, a.requestID
	if err != nil {
		ids, id = &t.failed, ""
		if failure, ok := errors.AsType[*APIError](err); ok {
			id = identifier(failure.RequestID)
		}
	}
	if id != "" && len(*ids) < mostRequestIDs {
		*ids = append(*ids, id)
	}
}
