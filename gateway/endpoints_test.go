package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// finder is an endpoints on a clock, with a store that can be made to fail, and counters.
type finder struct {
	*endpoints
	clock          *fakeClock
	stored         map[string]mirror.Endpoint
	err            error
	lookups, opens int
}

func newFinder(t *testing.T) *finder {
	t.Helper()
	f := &finder{clock: &fakeClock{t: time.Unix(1e9, 0)}, stored: map[string]mirror.Endpoint{}}
	lookup := func(_ context.Context, token string) (mirror.Endpoint, error) {
		f.lookups++
		if f.err != nil {
			return mirror.Endpoint{}, f.err
		}
		ep, ok := f.stored[token]
		if !ok {
			return ep, mirror.ErrNotFound
		}
		return ep, nil
	}
	open := func(s mirror.Sealed, connection, kind string) (ashby.Secret, error) {
		f.opens++
		return ashby.Secret(connection + "/" + kind + "/" + string(s)), nil
	}
	f.endpoints = newEndpoints(lookup, open, f.clock.now, prepare(t).metrics)
	return f
}

func token(n int) string { return fmt.Sprintf("%048d", n) }

func TestEndpointIsFreshForTenSecondsAndStaleForAnHour(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	f.stored[token(1)] = mirror.Endpoint{Connection: "c", Secret: mirror.Sealed("now"), Previous: mirror.Sealed("old")}
	find := func() error {
		t.Helper()
		ep, err := f.find(t.Context(), token(1))
		if err == nil && (ep.Connection != "c" || fmt.Sprint(len(ep.secrets)) != "2" ||
			ep.secrets[0].Reveal() != "c/webhook_secret/now" || ep.secrets[1].Reveal() != "c/webhook_secret/old") {
			t.Errorf("found %+v", ep.Endpoint)
		}
		return err
	}
	for range 3 {
		if err := find(); err != nil {
			t.Fatal(err)
		}
	}
	if f.lookups != 1 || f.opens != 2 {
		t.Errorf("%d lookups, %d opened", f.lookups, f.opens)
	}
	f.clock.add(endpointFresh)
	if err := find(); err != nil || f.lookups != 2 || f.opens != 2 {
		t.Errorf("after ten seconds: %v, %d lookups; %d opened although nothing changed", err, f.lookups, f.opens)
	}
	f.err = errBoom
	f.clock.add(endpointFresh)
	for range 3 {
		if err := find(); err != nil {
			t.Errorf("stale: %v", err)
		}
	}
	if f.lookups != 3 {
		t.Errorf("a store that is down was asked %d times at once", f.lookups-2)
	}
	f.clock.add(endpointStale - endpointFresh - time.Second)
	if err := find(); err != nil {
		t.Errorf("nearly an hour: %v", err)
	}
	f.clock.add(time.Second + endpointRest)
	if err := find(); !errors.Is(err, errBoom) {
		t.Errorf("after an hour: %v", err)
	}
	f.err = nil
	if err := find(); err != nil {
		t.Errorf("the store is back: %v", err)
	}
}

func TestUnknownTokenIsTheStoresWordAlone(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	f.err = errBoom
	if _, err := f.find(t.Context(), token(1)); !errors.Is(err, errBoom) {
		t.Errorf("store down: %v", err)
	}
	f.err = nil
	for range 3 {
		if _, err := f.find(t.Context(), token(1)); !errors.Is(err, mirror.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
	}
	if f.lookups != 2 {
		t.Errorf("%d lookups", f.lookups)
	}
	f.stored[token(1)] = mirror.Endpoint{Connection: "c", Secret: mirror.Sealed("s")}
	f.clock.add(unknownFresh)
	if _, err := f.find(t.Context(), token(1)); err != nil {
		t.Errorf("made a moment ago: %v", err)
	}
	for i := range unknownMax + 100 {
		_, _ = f.find(t.Context(), token(i+2))
	}
	if len(f.unknown) > unknownMax {
		t.Errorf("%d unknown tokens are remembered", len(f.unknown))
	}
	f.clock.add(unknownFresh)
	_, _ = f.find(t.Context(), token(unknownMax+1000))
	if len(f.unknown) != 1 {
		t.Errorf("%d are remembered too long", len(f.unknown))
	}
	before := f.lookups
	for _, odd := range []string{"", "short", strings.Repeat("x", 65), strings.Repeat("X", 48), token(1) + "'"} {
		if _, err := f.find(t.Context(), odd); !errors.Is(err, mirror.ErrNotFound) || f.lookups != before {
			t.Errorf("%q was looked up: %v", odd, err)
		}
	}
}

func TestRemovedEndpointIsSeenAfterTenSeconds(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	f.stored[token(1)] = mirror.Endpoint{Connection: "c", Secret: mirror.Sealed("s")}
	if ep, err := f.find(t.Context(), token(1)); err != nil || ep.Removed {
		t.Fatal(ep, err)
	}
	f.stored[token(1)] = mirror.Endpoint{Connection: "c", Removed: true}
	f.clock.add(endpointFresh)
	if ep, err := f.find(t.Context(), token(1)); err != nil || !ep.Removed || len(ep.secrets) != 0 {
		t.Errorf("%+v %v", ep, err)
	}
	delete(f.stored, token(1))
	f.clock.add(endpointFresh)
	if _, err := f.find(t.Context(), token(1)); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("gone: %v", err)
	}
}

func TestManyRequestsShareOneLookup(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	entered, release := make(chan struct{}, 100), make(chan struct{})
	f.lookup = func(context.Context, string) (mirror.Endpoint, error) {
		entered <- struct{}{}
		<-release
		return mirror.Endpoint{Connection: "c", Secret: mirror.Sealed("s")}, nil
	}
	done := make(chan error, 20)
	inParallelThen(20, func(int) {
		_, err := f.find(t.Context(), token(1))
		done <- err
	}, func() {
		<-entered
		close(release)
	})
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(entered) > 1 {
		t.Errorf("%d more lookups", len(entered))
	}
}

func TestWaitingForALookupEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	entered, release := make(chan struct{}), make(chan struct{})
	f.lookup = func(context.Context, string) (mirror.Endpoint, error) {
		close(entered)
		<-release
		return mirror.Endpoint{}, mirror.ErrNotFound
	}
	inParallelThen(1, func(int) { _, _ = f.find(t.Context(), token(1)) }, func() {
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.find(ctx, token(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		close(release)
	})
}

func TestSecretThatDoesNotOpenIsOurFault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.store.change(func() { b.store.conns[e.ID].WebhookSecret = mirror.Sealed("made with another keyset") })
	b.clock.add(secretGrace)
	b.deliver(e, postingUpdate("a1", "p1")).problem(t, http.StatusServiceUnavailable, "unavailable")
	if !strings.Contains(b.logs.String(), "opening the webhook secret of connection "+e.ID) {
		t.Error("the cause is not in the log")
	}
}
