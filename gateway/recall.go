package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// recallRest is how long the store is left alone after it failed, recallLookup how long it has to answer.
	recallRest   = 3 * time.Second
	recallLookup = 2 * time.Second
)

// errStoreResting: the store failed a moment ago.
var errStoreResting = fmt.Errorf("the store failed a moment ago: %w", mirror.ErrUnavailable)

// recall remembers what the store said of those who show a secret, so that they come in without a question each time, and
// while the store does not answer. It says that somebody does not exist on the store's word alone.
type recall[V any] struct {
	// fresh is how long an answer is used without asking again, stale how old one may be that is used because the store
	// does not answer.
	fresh, stale time.Duration
	now          func() time.Time

	mu        sync.Mutex
	known     map[string]recalled[V]
	unknown   absences
	restUntil time.Time
}

// recalled is an answer and when the store was asked for it.
type recalled[V any] struct {
	value  V
	readAt time.Time
}

func newRecall[V any](fresh, stale time.Duration, now func() time.Time) *recall[V] {
	return &recall[V]{fresh: fresh, stale: stale, now: now, known: make(map[string]recalled[V]), unknown: absences{}}
}

// find returns the answer from memory if it is fresh enough or the store does not answer, else what ask brings, which has
// recallLookup for it. may, if there is one, can refuse that the store is asked for what is not in memory, with its error.
// mirror.ErrNotFound if the store said that there is nothing; any other error means that it is not known.
func (r *recall[V]) find(
	ctx context.Context, key string, may func() error, ask func(ctx context.Context) (V, error),
) (none V, err error) {
	now := r.now()
	r.mu.Lock()
	cached, isCached := r.known[key]
	isUnknown := r.unknown.has(key, now)
	resting := now.Before(r.restUntil)
	r.mu.Unlock()
	switch {
	case isCached && now.Sub(cached.readAt) < r.fresh:
		return cached.value, nil
	case isUnknown:
		return none, mirror.ErrNotFound
	case !isCached && may != nil:
		if err := may(); err != nil {
			return none, err
		}
	}
	err = errStoreResting
	if !resting {
		var value V
		if value, err = r.read(ctx, key, now, ask); err == nil || errors.Is(err, mirror.ErrNotFound) {
			return value, err
		}
	}
	if isCached && now.Sub(cached.readAt) < r.stale {
		return cached.value, nil
	}
	return none, err
}

// read asks the store, and remembers the answer.
func (r *recall[V]) read(ctx context.Context, key string, asked time.Time, ask func(ctx context.Context) (V, error)) (V, error) {
	bounded, cancel := context.WithTimeout(ctx, recallLookup)
	defer cancel()
	value, err := ask(bounded)
	if err != nil && !errors.Is(err, mirror.ErrNotFound) {
		r.failed(ctx, asked)
		return value, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		delete(r.known, key)
		r.unknown.add(key, asked)
		return value, err
	}
	if old, ok := r.known[key]; !ok || !old.readAt.After(asked) { // a slow answer must not hide a later one
		r.known[key] = recalled[V]{value, asked}
	}
	delete(r.unknown, key)
	return value, nil
}

// failed leaves the store alone for a while after it failed, unless it was the request that ended.
func (r *recall[V]) failed(ctx context.Context, asked time.Time) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.restUntil = asked.Add(recallRest)
}

// isResting says whether the store failed a moment ago.
func (r *recall[V]) isResting(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.restUntil)
}

// forget makes the next question the store's to answer, after a change that was made through this process.
func (r *recall[V]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, key)
	delete(r.unknown, key)
}
