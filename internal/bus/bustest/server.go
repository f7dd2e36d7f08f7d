// Package bustest runs a real NATS server for tests, with the accidents that Ashbridge must survive: restarts, lost and
// replaced store directories, and a network that breaks at a chosen moment.
package bustest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// Server is a NATS server with JetStream on one port and one directory, for the length of a test. Its methods belong to
// the test's goroutine.
type Server struct {
	t    testing.TB
	dir  string
	addr string
	stop func()
	// accounts are who may connect; nil lets everybody do everything.
	accounts *local.Accounts
	// Launch starts another kind of server at Start than the one that Ashbridge embeds; nil for that one.
	Launch func(dir, addr string) (stop func())
}

// StartServer starts a server and stops it at the end of the test.
func StartServer(t testing.TB) *Server {
	t.Helper()
	s := NewServer(t)
	s.Start()
	return s
}

// NewServer has a port, but runs only from Start on.
func NewServer(t testing.TB) *Server {
	t.Helper()
	addr := localtest.FreeAddr(t)
	s := &Server{t: t, dir: filepath.Join(t.TempDir(), "nats"), addr: addr}
	t.Cleanup(s.Stop)
	return s
}

// URL is the server's address, the same over restarts.
func (s *Server) URL() string { return "nats://" + s.addr }

// Addr is host and port.
func (s *Server) Addr() string { return s.addr }

// Start starts the server on what its directory holds.
func (s *Server) Start() {
	s.t.Helper()
	if s.Launch != nil {
		s.stop = s.Launch(s.dir, s.addr)
		return
	}
	srv, err := local.StartNATS(local.NATSOptions{Dir: s.dir, Addr: s.addr, Accounts: s.accounts})
	if err != nil {
		s.t.Fatal(err)
	}
	s.stop = func() {
		if err := srv.Stop(); err != nil {
			s.t.Error(err)
		}
	}
}

// Stop stops the server; its directory stays.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Wipe removes all that the stopped server stored.
func (s *Server) Wipe() {
	s.t.Helper()
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Fatal(err)
	}
}

// Save copies what the stopped server stored.
func (s *Server) Save() (saved string) {
	s.t.Helper()
	saved = filepath.Join(s.t.TempDir(), "saved")
	if err := os.CopyFS(saved, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	return saved
}

// Restore puts a saved copy in the place of what the stopped server stored.
func (s *Server) Restore(saved string) {
	s.t.Helper()
	s.Wipe()
	if err := os.CopyFS(s.dir, os.DirFS(saved)); err != nil {
		s.t.Fatal(err)
	}
}

// Connect opens a bus to url and closes it at the end of the test.
func Connect(t testing.TB, url string) *bus.Bus {
	t.Helper()
	return ConnectOptions(t, bus.Options{URL: url})
}

// ConnectOptions opens a bus and closes it at the end of the test.
func ConnectOptions(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Ready waits until the bus is ready.
func Ready(t testing.TB, b *bus.Bus) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// Eventually waits until cond is true and fails the test where that never comes.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}
