package local

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func startNATS(t *testing.T, opts NATSOptions) *NATS {
	t.Helper()
	n, err := StartNATS(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n
}

func connect(t *testing.T, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestNATSKeepsItsStreamsThroughARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startNATS(t, NATSOptions{Dir: dir, Addr: "127.0.0.1:0"})
	js := connect(t, first.URL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxBytes: 8 << 30}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := errors.Join(first.Stop(), first.Stop()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopped after %s", took)
	}
	second := startNATS(t, NATSOptions{Dir: dir, Addr: "127.0.0.1:0"})
	stream, err := connect(t, second.URL()).Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if info := stream.CachedInfo(); info.State.Msgs != 20 || info.State.LastSeq != 20 {
		t.Errorf("%d messages to %d after a restart, want 20", info.State.Msgs, info.State.LastSeq)
	}
}

func TestNATSIsSetToFsyncEachMessage(t *testing.T) {
	t.Parallel()
	config, err := natsConfig(NATSOptions{Dir: "/d", Addr: "127.0.0.1:4222"})
	if err != nil {
		t.Fatal(err)
	}
	if !config.SyncAlways || !config.NoSigs || config.StoreDir != "/d" || config.JetStreamMaxStore != defaultMaxStore || config.Port != 4222 {
		t.Errorf("config %+v", config)
	}
	for _, addr := range []string{"4222", "host:", "host:port"} {
		if _, err := natsConfig(NATSOptions{Dir: "/d", Addr: addr}); err == nil {
			t.Errorf("accepted the address %q", addr)
		}
	}
}

func TestNATSFolderServesOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startNATS(t, NATSOptions{Dir: dir, Addr: "127.0.0.1:0"})
	if _, err := StartNATS(NATSOptions{Dir: dir, Addr: "127.0.0.1:0"}); !errors.Is(err, ErrInUse) {
		t.Errorf("second start = %v, want ErrInUse", err)
	}
	connect(t, first.URL())
}

func TestNATSAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	taken, dir := ln.Addr().String(), t.TempDir()
	if _, err := StartNATS(NATSOptions{Dir: dir, Addr: taken}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("start = %v, want EADDRINUSE", err)
	}
	n := startNATS(t, NATSOptions{Dir: dir, Addr: taken, AnyPort: true})
	if n.Addr() == taken || n.URL() != "nats://"+n.Addr() {
		t.Errorf("listens on %s, URL %s", n.Addr(), n.URL())
	}
	connect(t, n.URL())
}

func TestNATSWithoutTheNetwork(t *testing.T) {
	t.Parallel()
	n := startNATS(t, NATSOptions{Dir: t.TempDir()})
	if n.URL() != "" || n.Addr() != "" {
		t.Errorf("URL %q, address %q, want none", n.URL(), n.Addr())
	}
	js := connect(t, "", nats.InProcessServer(n))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", nil); err != nil {
		t.Error(err)
	}
}

func TestNATSSaysSoonWhyItCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// JetStream makes this folder; a file in its place stops it.
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err := StartNATS(NATSOptions{Dir: dir, Addr: "127.0.0.1:0"})
	mustContain(t, err, "JetStream")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := os.Remove(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	startNATS(t, NATSOptions{Dir: dir})
	if _, err := StartNATS(NATSOptions{Dir: "relative"}); err == nil {
		t.Error("accepted a relative folder")
	}
}
