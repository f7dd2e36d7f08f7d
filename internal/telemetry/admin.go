package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// drainTimeout is how long answers under way may take after the end was asked for. They are of use to nobody any more: a
// scrape that takes longer is cut off.
const drainTimeout = time.Second

// AdminOptions are what the admin listener shows.
type AdminOptions struct {
	// Gatherer is what /metrics shows; NewRegistry makes one.
	Gatherer prometheus.Gatherer
	// Ready are the conditions of /readyz; with none it is always ready.
	Ready []Check
	// Registerer takes the gauge ashbridge_ready, for which Run runs the checks every ten seconds; nil for none.
	Registerer prometheus.Registerer
	// Logger takes the causes of failing checks; nil drops them.
	Logger *slog.Logger
}

// Admin answers supervisors and scrapers: /livez says that the process turns, /readyz that it may be given work,
// /metrics what it has done. It has no authentication and shows no secret; its listener belongs on a private address.
type Admin struct {
	checkers []*checker
	handler  http.Handler
	logger   *slog.Logger
	running  sync.WaitGroup
	ready    *prometheus.GaugeVec
}

// NewAdmin checks the options and builds the admin server.
func NewAdmin(opts AdminOptions) (*Admin, error) {
	if opts.Gatherer == nil {
		return nil, errors.New("admin listener without a gatherer")
	}
	a := &Admin{logger: opts.Logger}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	names := map[string]bool{}
	for _, check := range opts.Ready {
		if check.Name == "" || check.Run == nil || names[check.Name] {
			return nil, fmt.Errorf("readiness check %q needs a name of its own and a function", check.Name)
		}
		names[check.Name] = true
		a.checkers = append(a.checkers, &checker{check: check, logger: a.logger})
	}
	if err := a.showReady(opts.Registerer); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", a.livez)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(opts.Gatherer, promhttp.HandlerOpts{}))
	a.handler = mux
	return a, nil
}

// Handler is the admin surface, for a test or another server.
func (a *Admin) Handler() http.Handler { return a.handler }

// Run serves on ln until ctx ends, then lets answers under way finish for a second. It closes ln and returns when
// every check it started is over; it returns nil when ctx ended it.
func (a *Admin) Run(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           a.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
	}
	defer a.running.Wait()
	served := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { served <- server.Serve(ln) })
	defer serving.Wait()
	looking, stop := context.WithCancel(ctx)
	serving.Go(func() { a.lookReady(looking) })
	defer stop()
	select {
	case err := <-served:
		return fmt.Errorf("serving the admin listener: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		a.logger.WarnContext(drain, "answers of the admin listener were cut off", "error", err)
		if err := server.Close(); err != nil {
			return fmt.Errorf("closing the admin listener: %w", err)
		}
	}
	return nil
}

// livez answers as long as the process turns.
func (a *Admin) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": stateOK})
}

// readiness is the answer of /readyz.
type readiness struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
}

// readyz runs the checks side by side and answers 200 when all hold but for advisory ones, else 503, within two seconds in
// any case.
func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) {
	states := a.round(r.Context())
	answer, status := readiness{Status: stateOK, Checks: map[string]string{}}, http.StatusOK
	for i, c := range a.checkers {
		answer.Checks[c.check.Name] = states[i]
		if states[i] != stateOK && !c.check.Advisory {
			answer.Status, status = stateFailed, http.StatusServiceUnavailable
		}
	}
	writeJSON(w, status, answer)
}

// round runs the checks side by side, within two seconds, and returns the state of each.
func (a *Admin) round(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	states := make([]string, len(a.checkers))
	var round sync.WaitGroup
	for i, c := range a.checkers {
		round.Go(func() { states[i] = c.run(ctx, &a.running) })
	}
	round.Wait()
	return states
}

// writeJSON answers with v. The reader may be gone, which is no fault of ours.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
