package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type readiness struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
}

func newAdmin(t *testing.T, logs io.Writer, checks ...telemetry.Check) *telemetry.Admin {
	t.Helper()
	logger, err := telemetry.NewLogger(slog.LevelInfo, telemetry.FormatJSON, logs)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := telemetry.NewAdmin(telemetry.AdminOptions{Gatherer: telemetry.NewRegistry(), Ready: checks, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

func ready(t *testing.T, admin *telemetry.Admin) (int, readiness) {
	t.Helper()
	w := httptest.NewRecorder()
	admin.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var got readiness
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("reading %q: %v", w.Body, err)
	}
	return w.Code, got
}

func TestAdvisoryChecksAreShownAndStopNothing(t *testing.T) {
	t.Parallel()
	var broken error
	running, stop := context.WithCancel(t.Context())
	admin := newAdmin(t, io.Discard,
		telemetry.Check{Name: "postgres", Advisory: true, Run: func(context.Context) error { return errors.New("away") }},
		telemetry.Check{Name: "gateway", Run: func(context.Context) error { return broken }},
		telemetry.Running(running),
	)
	shows := func(status int, want readiness) {
		t.Helper()
		code, got := ready(t, admin)
		if diff := cmp.Diff(want, got); code != status || diff != "" {
			t.Errorf("%d (-want +got):\n%s", code, diff)
		}
	}
	shows(http.StatusOK, readiness{Status: "ok", Checks: map[string]string{"postgres": "failed", "gateway": "ok", "running": "ok"}})
	broken = errors.New("away, too")
	shows(http.StatusServiceUnavailable, readiness{Status: "failed", Checks: map[string]string{"postgres": "failed", "gateway": "failed", "running": "ok"}})
	broken = nil
	stop()
	shows(http.StatusServiceUnavailable, readiness{Status: "failed", Checks: map[string]string{"postgres": "failed", "gateway": "ok", "running": "failed"}})
}

func TestReadyNamesEachCheckAndKeepsCausesInTheLog(t *testing.T) {
	t.Parallel()
	var broken error
	var logs bytes.Buffer
	admin := newAdmin(t, &logs,
		telemetry.Check{Name: "postgres", Run: func(context.Context) error { return broken }},
		telemetry.Check{Name: "nats", Run: func(context.Context) error { return nil }},
	)
	if code, got := ready(t, admin); code != http.StatusOK || got.Status != "ok" {
		t.Errorf("all hold: %d %+v", code, got)
	}
	broken = errors.New("dial tcp 10.0.0.7: refused")
	for range 2 {
		code, got := ready(t, admin)
		want := readiness{Status: "failed", Checks: map[string]string{"postgres": "failed", "nats": "ok"}}
		if diff := cmp.Diff(want, got); code != http.StatusServiceUnavailable || diff != "" {
			t.Errorf("one fails: %d (-want +got):\n%s", code, diff)
		}
	}
	if n := strings.Count(logs.String(), "10.0.0.7"); n != 1 {
		t.Errorf("the cause was logged %d times, want once:\n%s", n, &logs)
	}
	broken = nil
	if code, _ := ready(t, admin); code != http.StatusOK {
		t.Errorf("holds again: %d", code)
	}
	if !strings.Contains(logs.String(), "holds again") {
		t.Errorf("the recovery is not in the log:\n%s", &logs)
	}
}

func TestReadyAnswersInTwoSecondsWhateverAChecksDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		runs := 0
		admin := newAdmin(t, io.Discard,
			telemetry.Check{Name: "deaf", Run: func(context.Context) error { runs++; <-release; return nil }},
			telemetry.Check{Name: "polite", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		)
		for range 2 {
			start := time.Now()
			code, got := ready(t, admin)
			want := readiness{Status: "failed", Checks: map[string]string{"deaf": "timeout", "polite": "timeout"}}
			if diff := cmp.Diff(want, got); code != http.StatusServiceUnavailable || diff != "" {
				t.Errorf("%d (-want +got):\n%s", code, diff)
			}
			if took := time.Since(start); took != 2*time.Second {
				t.Errorf("took %s, want 2s", took)
			}
			synctest.Wait()
		}
		if runs != 1 {
			t.Errorf("the deaf check runs %d times at once, want once", runs)
		}
		close(release)
	})
}

func TestNewAdminRefusesChecksThatCannotBeToldApart(t *testing.T) {
	t.Parallel()
	holds := func(context.Context) error { return nil }
	for name, opts := range map[string]telemetry.AdminOptions{
		"no gatherer": {},
		"same name":   {Gatherer: telemetry.NewRegistry(), Ready: []telemetry.Check{{Name: "a", Run: holds}, {Name: "a", Run: holds}}},
		"no name":     {Gatherer: telemetry.NewRegistry(), Ready: []telemetry.Check{{Run: holds}}},
		"no function": {Gatherer: telemetry.NewRegistry(), Ready: []telemetry.Check{{Name: "a"}}},
	} {
		if _, err := telemetry.NewAdmin(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	registry := telemetry.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "ashbridge_test_total", Help: "Counts."})
	registry.MustRegister(counter)
	counter.Add(3)
	admin, err := telemetry.NewAdmin(telemetry.AdminOptions{Gatherer: registry})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- admin.Run(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]string{
		"/livez":   `{"status":"ok"}`,
		"/readyz":  `"status":"ok"`,
		"/metrics": "ashbridge_test_total 3",
	} {
		resp, err := client.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %v, body lacks %q", path, resp.StatusCode, err, want)
		}
		if path == "/metrics" && !strings.Contains(string(body), "go_build_info") {
			t.Error("metrics lack go_build_info")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if resp, err := client.Get("http://" + ln.Addr().String() + "/livez"); err == nil {
		_ = resp.Body.Close()
		t.Error("still listening after Run returned")
	}
}

func TestRunReportsAListenerThatBreaks(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if err := newAdmin(t, io.Discard).Run(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run = %v, want the listener's error", err)
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, err := telemetry.NewLogger(slog.LevelWarn, telemetry.FormatText, &out)
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("quiet")
	logger.Warn("loud", "number", 7)
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "msg=loud number=7") {
		t.Errorf("log = %q", got)
	}
	if _, err := telemetry.NewLogger(slog.LevelInfo, "yaml", &out); err == nil {
		t.Error("accepted the format yaml")
	}
}
