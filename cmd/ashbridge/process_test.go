package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
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

// TestUpSaysThatPostgresIsAwayAndStaysReady: the gateway's own check holds then, since it keeps webhooks on SPILL.
func TestUpSaysThatPostgresIsAwayAndStaysReady(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: localtest.Migrated(t), AllowUnsafeDurability: true})
	if err != nil {
		t.Fatal(err)
	}
	u := &upProcess{process: process{Parts: app.Parts{DB: db}}}
	admin, err := telemetry.NewAdmin(telemetry.AdminOptions{
		Gatherer: telemetry.NewRegistry(), Ready: u.ready(func(context.Context) error { return nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := func(want string) {
		t.Helper()
		w := httptest.NewRecorder()
		admin.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		raw, err := io.ReadAll(w.Body)
		if err != nil || w.Code != http.StatusOK || !strings.Contains(string(raw), want) {
			t.Errorf("%d %s, %v; want 200 and %s", w.Code, raw, err, want)
		}
	}
	answers(`"postgres":"ok"`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	answers(`"postgres":"failed"`)
}
