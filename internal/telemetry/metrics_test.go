package telemetry_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// still is a listener to which nobody comes.
type still struct{ closed chan struct{} }

func (s still) Accept() (net.Conn, error) { <-s.closed; return nil, net.ErrClosed }
func (s still) Close() error              { close(s.closed); return nil }
func (s still) Addr() net.Addr            { return &net.TCPAddr{} }

func TestReadyIsAGaugeToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		var holds atomic.Bool
		logger, _ := telemetry.NewLogger(0, telemetry.FormatText, io.Discard)
		admin, err := telemetry.NewAdmin(telemetry.AdminOptions{Gatherer: reg, Registerer: reg, Logger: logger, Ready: []telemetry.Check{
			{Name: "nats", Run: func(context.Context) error { return nil }},
			{Name: "postgres", Run: func(context.Context) error {
				if !holds.Load() {
					return errors.New("refused")
				}
				return nil
			}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		shows := func(nats, postgres string) {
			t.Helper()
			synctest.Wait()
			if err := testutil.GatherAndCompare(reg, strings.NewReader(`
				# HELP ashbridge_ready 1 for each readiness check that held when it was last looked at, else 0.
				# TYPE ashbridge_ready gauge
				ashbridge_ready{check="nats"} `+nats+`
				ashbridge_ready{check="postgres"} `+postgres+`
			`)); err != nil {
				t.Error(err)
			}
		}
		shows("0", "0")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- admin.Run(ctx, still{make(chan struct{})}) }()
		shows("1", "0")
		holds.Store(true)
		<-time.After(10 * time.Second)
		shows("1", "1")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAProcessShowsItself(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	connects := uint64(0)
	full := errors.New("no such folder")
	p := telemetry.Process{
		Service: "up", Version: "v1", Pool: &sql.DB{}, Connected: func() bool { return connects > 0 },
		Connects: func() uint64 { return connects },
		Dir:      "/data", Disk: func(string) (free, size uint64, err error) { return 3, 7, full },
	}
	if err := telemetry.ShowProcess(reg, p); err != nil {
		t.Fatal(err)
	}
	shows := func(want string, names ...string) {
		t.Helper()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
	}
	names := []string{"ashbridge_nats_connected", "ashbridge_nats_reconnects_total", "ashbridge_disk_free_bytes", "ashbridge_disk_size_bytes"}
	// Nothing is known of the disk, and NATS was never there.
	shows(`
		# HELP ashbridge_nats_connected 1 while the connection to NATS is there, 0 while it is not.
		# TYPE ashbridge_nats_connected gauge
		ashbridge_nats_connected 0
		# HELP ashbridge_nats_reconnects_total How often the connection to NATS was made again.
		# TYPE ashbridge_nats_reconnects_total counter
		ashbridge_nats_reconnects_total 0
	`, names...)
	connects, full = 3, nil
	shows(`
		# HELP ashbridge_disk_free_bytes Room on the disk of this process's folder.
		# TYPE ashbridge_disk_free_bytes gauge
		ashbridge_disk_free_bytes{path="/data"} 3
		# HELP ashbridge_disk_size_bytes Size of the disk of this process's folder.
		# TYPE ashbridge_disk_size_bytes gauge
		ashbridge_disk_size_bytes{path="/data"} 7
		# HELP ashbridge_nats_connected 1 while the connection to NATS is there, 0 while it is not.
		# TYPE ashbridge_nats_connected gauge
		ashbridge_nats_connected 1
		# HELP ashbridge_nats_reconnects_total How often the connection to NATS was made again.
		# TYPE ashbridge_nats_reconnects_total counter
		ashbridge_nats_reconnects_total 2
	`, names...)
	if telemetry.ShowProcess(reg, p) == nil {
		t.Error("a registry takes two processes")
	}
}
