package main

import (
	"log/slog"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func TestJobsHasTheRoomThatIsSet(t *testing.T) {
	t.Parallel()
	server, err := local.StartNATS(local.NATSOptions{Dir: t.TempDir(), Addr: localtest.FreeAddr(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	// The second time is an operator who found it too small.
	for _, gib := range []int{2, 5} {
		p := &process{Parts: app.Parts{Config: config.Config{JobsMaxGiB: gib}, Log: slog.New(slog.DiscardHandler)}}
		if err := p.openBus(t.Context(), bus.Options{URL: server.URL(), Logger: p.Log}); err != nil {
			t.Fatal(err)
		}
		if err := p.Bus.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		stream, err := p.Bus.JetStream().Stream(t.Context(), bus.StreamJobs)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := stream.CachedInfo().Config.MaxBytes, int64(gib)<<30; got != want {
			t.Errorf("JOBS may take %d bytes, want %d", got, want)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
