package localtest

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// NATS runs a NATS server, as durable as the real one, on a free port until the test ends.
func NATS(t testing.TB) *local.NATS {
	t.Helper()
	n, err := local.StartNATS(local.NATSOptions{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatalf("localtest: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Errorf("localtest: stopping NATS: %v", err)
		}
	})
	return n
}

// RestartableNATS is a NATS server for tests of its failure: it can be stopped, started again on the same port, and
// robbed of its data in between. It is safe for concurrent use.
type RestartableNATS struct {
	t    testing.TB
	dir  string
	addr string
	// accounts are who may connect; nil lets everybody do everything.
	accounts *local.Accounts

	mu      sync.Mutex
	running *local.NATS
}

// NewRestartableNATS runs one until the test ends.
func NewRestartableNATS(t testing.TB) *RestartableNATS {
	t.Helper()
	return NewGuardedNATS(t, nil)
}

// NewGuardedNATS runs one until the test ends that lets in only whom accounts name.
func NewGuardedNATS(t testing.TB, accounts *local.Accounts) *RestartableNATS {
	t.Helper()
	r := &RestartableNATS{t: t, dir: t.TempDir(), addr: FreeAddr(t), accounts: accounts}
	t.Cleanup(r.Stop)
	r.Start()
	return r
}

// URL is the server's address, the same through all restarts.
func (r *RestartableNATS) URL() string { return "nats://" + r.addr }

// Dir is the folder of the server's data.
func (r *RestartableNATS) Dir() string { return r.dir }

// Start runs the server again, on the same port and with the data there is. It does nothing when it runs.
func (r *RestartableNATS) Start() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil {
		return
	}
	// Another process may borrow the port for a moment while we are away.
	for until := time.Now().Add(20 * time.Second); ; {
		n, err := local.StartNATS(local.NATSOptions{Dir: r.dir, Addr: r.addr, Accounts: r.accounts})
		if err == nil {
			r.running = n
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(until) {
			r.t.Fatalf("localtest: %v", err)
		}
		if err := loop.Sleep(r.t.Context(), 20*time.Millisecond); err != nil {
			r.t.Fatalf("localtest: waiting for the port %s: %v", r.addr, err)
		}
	}
}

// Stop ends the server. It does nothing when it does not run.
func (r *RestartableNATS) Stop() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil {
		return
	}
	if err := r.running.Stop(); err != nil {
		r.t.Errorf("localtest: stopping NATS: %v", err)
	}
	r.running = nil
}

// Wipe stops the server and removes all its data.
func (r *RestartableNATS) Wipe() {
	r.t.Helper()
	r.Stop()
	if err := os.RemoveAll(r.dir); err != nil {
		r.t.Fatalf("localtest: wiping NATS: %v", err)
	}
}
