package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	hintQueue   = 8192
	hintTime    = time.Second
	hintWorkers = 4
	// hintDrain bounds how long a stop waits for hints; what is left, the sweeper publishes.
	hintDrain = 500 * time.Millisecond
)

// hinter publishes hints beside the requests that led to them. Losing one is harmless, since the sweeper publishes
// again what stays unprocessed, so nobody waits for a hint and a full queue drops. Equal hints that wait are one.
type hinter struct {
	publish func(ctx context.Context, h mirror.Hint) error
	log     *slog.Logger
	metrics *metrics
	queue   chan mirror.Hint

	mu      sync.Mutex
	waiting map[mirror.Hint]struct{}
}

func newHinter(publish func(context.Context, mirror.Hint) error, log *slog.Logger, m *metrics) *hinter {
	return &hinter{
		publish: publish, log: log, metrics: m, queue: make(chan mirror.Hint, hintQueue),
		waiting: make(map[mirror.Hint]struct{}),
	}
}

// add never blocks.
func (h *hinter) add(hint mirror.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.waiting[hint]; ok {
		return
	}
	select {
	case h.queue <- hint:
		h.waiting[hint] = struct{}{}
	default:
		h.metrics.hints.WithLabelValues("dropped").Inc()
	}
}

// run publishes until ctx ends, then for a moment what is queued.
func (h *hinter) run(ctx context.Context) {
	var workers errgroup.Group
	for range hintWorkers {
		workers.Go(func() error { h.work(ctx); return nil })
	}
	_ = workers.Wait()
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), hintDrain)
	defer cancel()
	for {
		select {
		case hint := <-h.queue:
			h.send(rest, hint)
		default:
			return
		}
	}
}

func (h *hinter) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case hint := <-h.queue:
			h.send(ctx, hint)
		}
	}
}

func (h *hinter) send(ctx context.Context, hint mirror.Hint) {
	// From here on an equal hint is a new one: what it stands for may have come after the read that this one causes.
	h.mu.Lock()
	delete(h.waiting, hint)
	h.mu.Unlock()
	if ctx.Err() != nil {
		h.metrics.hints.WithLabelValues("dropped").Inc()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hintTime)
	defer cancel()
	if err := h.publish(ctx, hint); err != nil {
		h.metrics.hints.WithLabelValues("failed").Inc()
		h.log.DebugContext(ctx, "hint was not published", "connection", hint.Connection, "kind", string(hint.Kind),
			"error", err)
		return
	}
	h.metrics.hints.WithLabelValues("published").Inc()
}
