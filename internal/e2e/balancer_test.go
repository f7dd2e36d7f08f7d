package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// balancer stands before several gateways as a load balancer does: it asks each twice a second whether it is ready, sends
// what comes to those that are, in turn, and keeps connections.
type balancer struct {
	url       string
	transport *http.Transport

	mu      sync.Mutex
	targets map[string]*target
	order   []string
	turn    int
	// broken are requests that found no gateway, or to which none answered.
	broken []string
}

type target struct {
	http, admin string
	ready       bool
}

const balancerLooks = 500 * time.Millisecond

// startBalancer runs one until the end of the test.
func startBalancer(t testing.TB) *balancer {
	t.Helper()
	b := &balancer{transport: &http.Transport{MaxIdleConnsPerHost: 16}, targets: map[string]*target{}}
	proxy := &httputil.ReverseProxy{
		Transport: b.transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: b.next()}) },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			b.mu.Lock()
			b.broken = append(b.broken, fmt.Sprintf("%s %s: %v", r.Method, r.URL.Path, err))
			b.mu.Unlock()
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(proxy)
	b.url = server.URL
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var looking sync.WaitGroup
	looking.Go(func() {
		_ = loop.Every(ctx, loop.Options{Interval: balancerLooks}, func(ctx context.Context) error {
			b.look(ctx)
			return nil
		})
	})
	t.Cleanup(func() {
		cancel()
		looking.Wait()
		server.CloseClientConnections()
		server.Close()
		b.transport.CloseIdleConnections()
	})
	return b
}

// add has an instance looked at, in place of one of the same name.
func (b *balancer) add(t testing.TB, name string, c *child) {
	t.Helper()
	b.mu.Lock()
	if b.targets[name] == nil {
		b.order = append(b.order, name)
	}
	b.targets[name] = &target{http: c.http, admin: c.admin}
	b.mu.Unlock()
	b.look(t.Context())
}

// look asks each whether it is ready.
func (b *balancer) look(ctx context.Context) {
	b.mu.Lock()
	var all []*target
	for _, x := range b.targets {
		all = append(all, x)
	}
	b.mu.Unlock()
	for _, x := range all {
		ready := b.answersReady(ctx, x.admin)
		b.mu.Lock()
		x.ready = ready
		b.mu.Unlock()
	}
}

func (b *balancer) answersReady(ctx context.Context, admin string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := b.transport.RoundTrip(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// next is where the next request goes; where none is ready, nowhere.
func (b *balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.order {
		b.turn++
		if x := b.targets[b.order[b.turn%len(b.order)]]; x.ready {
			return x.http
		}
	}
	return "127.0.0.1:1"
}

// faults are the requests that went wrong on the way.
func (b *balancer) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.broken...)
}
