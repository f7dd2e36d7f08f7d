package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const (
	// endpointFresh is how long a token's answer is used without asking the store.
	endpointFresh = 10 * time.Second
	// endpointStale is how old an answer may be that is used because the store does not answer.
	endpointStale = time.Hour
	// endpointRest is how long the store is left alone after it failed for a token of which a stale answer is there.
	endpointRest = 3 * time.Second
	lookupTime   = 2 * time.Second
)

// tokenShape is what every token that we ever made looks like; others need no lookup.
var tokenShape = regexp.MustCompile(`^[a-z0-9]{24,64}$`)

// endpoint is an endpoint with its secrets opened.
type endpoint struct {
	mirror.Endpoint
	// secrets are those that a signature may be made with, the current one first; none once it is removed.
	secrets []ashby.Secret
	readAt  time.Time
	// restUntil is until when a failed store is not asked again.
	restUntil time.Time
}

// endpoints finds the connection of a webhook's token, from memory while it may. It never says that a token is unknown
// on anything but the store's word.
type endpoints struct {
	lookup  func(ctx context.Context, token string) (mirror.Endpoint, error)
	open    func(sealed mirror.Sealed, connection, kind string) (ashby.Secret, error)
	now     func() time.Time
	metrics *metrics

	mu      sync.Mutex
	known   map[string]*endpoint // never changed once it is here
	unknown absences
	flights map[string]*flight
}

// flight is a lookup that several requests wait for.
type flight struct {
	done chan struct{}
	ep   *endpoint
	err  error
}

func newEndpoints(
	lookup func(context.Context, string) (mirror.Endpoint, error),
	open func(mirror.Sealed, string, string) (ashby.Secret, error),
	now func() time.Time, m *metrics,
) *endpoints {
	return &endpoints{
		lookup: lookup, open: open, now: now, metrics: m, known: make(map[string]*endpoint),
		unknown: absences{}, flights: make(map[string]*flight),
	}
}

// find returns the token's endpoint, from memory if it is fresh enough or the store does not answer.
// mirror.ErrNotFound if the store said that there is none; any other error means that it is not known.
func (e *endpoints) find(ctx context.Context, token string) (*endpoint, error) {
	if !tokenShape.MatchString(token) {
		return nil, mirror.ErrNotFound
	}
	now := e.now()
	e.mu.Lock()
	cached := e.known[token]
	if cached != nil && (now.Sub(cached.readAt) < endpointFresh || now.Before(cached.restUntil)) {
		e.mu.Unlock()
		e.metrics.lookups.WithLabelValues("cached").Inc()
		return cached, nil
	}
	if e.unknown.has(token, now) {
		e.mu.Unlock()
		e.metrics.lookups.WithLabelValues("cached").Inc()
		return nil, mirror.ErrNotFound
	}
	f, waiting := e.flights[token]
	if !waiting {
		f = &flight{done: make(chan struct{})}
		e.flights[token] = f
	}
	e.mu.Unlock()
	if waiting {
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lookup of a webhook token: %w", ctx.Err())
		}
	} else {
		e.fly(ctx, token, f)
	}
	if f.err == nil || errors.Is(f.err, mirror.ErrNotFound) {
		return f.ep, f.err
	}
	return e.stale(token, f.err)
}

// fly does the lookup that f stands for.
func (e *endpoints) fly(ctx context.Context, token string, f *flight) {
	f.err = errors.New("the lookup broke off")
	defer func() {
		e.mu.Lock()
		delete(e.flights, token)
		e.mu.Unlock()
		close(f.done)
	}()
	f.ep, f.err = e.fresh(ctx, token)
}

// fresh asks the store, whatever is in memory, and remembers the answer.
func (e *endpoints) fresh(ctx context.Context, token string) (*endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	asked := e.now()
	stored, err := e.lookup(ctx, token)
	if errors.Is(err, mirror.ErrNotFound) {
		e.metrics.lookups.WithLabelValues("unknown").Inc()
		e.forgetUnknown(token, asked)
		return nil, mirror.ErrNotFound
	}
	if err != nil {
		e.metrics.lookups.WithLabelValues("failed").Inc()
		return nil, fmt.Errorf("looking up a webhook token: %w", err)
	}
	ep, err := e.opened(token, stored, asked)
	if err != nil {
		return nil, err
	}
	e.metrics.lookups.WithLabelValues("found").Inc()
	e.mu.Lock()
	defer e.mu.Unlock()
	// A slow answer must not hide a later one.
	if old := e.known[token]; old == nil || !old.readAt.After(asked) {
		e.known[token] = ep
	}
	delete(e.unknown, token)
	return ep, nil
}

// opened opens the endpoint's secrets, unless the cached ones are the same.
func (e *endpoints) opened(token string, stored mirror.Endpoint, asked time.Time) (*endpoint, error) {
	ep := &endpoint{Endpoint: stored, readAt: asked}
	if stored.Removed {
		return ep, nil
	}
	e.mu.Lock()
	old := e.known[token]
	e.mu.Unlock()
	if old != nil && old.Connection == stored.Connection && len(old.secrets) > 0 &&
		bytes.Equal(old.Secret, stored.Secret) && bytes.Equal(old.Previous, stored.Previous) {
		ep.secrets = old.secrets
		return ep, nil
	}
	for _, sealed := range []mirror.Sealed{stored.Secret, stored.Previous} {
		if len(sealed) == 0 {
			continue
		}
		secret, err := e.open(sealed, stored.Connection, seal.KindWebhookSecret)
		if err != nil {
			return nil, fmt.Errorf("opening the webhook secret of connection %s: %w", stored.Connection, err)
		}
		ep.secrets = append(ep.secrets, secret)
	}
	return ep, nil
}

// stale returns the last answer for the token where it is young enough, else the error.
func (e *endpoints) stale(token string, err error) (*endpoint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	old := e.known[token]
	if old == nil || now.Sub(old.readAt) >= endpointStale {
		return nil, err
	}
	rested := *old
	rested.restUntil = now.Add(endpointRest)
	e.known[token] = &rested
	e.metrics.lookups.WithLabelValues("stale").Inc()
	return &rested, nil
}

// forgetUnknown drops a token that does not exist, and remembers for a moment that it does not.
func (e *endpoints) forgetUnknown(token string, asked time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, token)
	e.unknown.add(token, asked)
}

// forget makes the next request ask the store, after a change that was made through this process.
func (e *endpoints) forget(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.known[token]; old != nil {
		due := *old
		if was := e.now().Add(-endpointFresh); due.readAt.After(was) {
			due.readAt = was
		}
		due.restUntil = time.Time{}
		e.known[token] = &due
	}
}
