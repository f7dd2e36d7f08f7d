package jobfeed_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
)

// warnings counts what a feed complains of.
type warnings struct {
	slog.Handler
	n atomic.Int64
}

func (w *warnings) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		w.n.Add(1)
	}
	return w.Handler.Handle(ctx, r)
}

// While nothing happens, requests expire and heartbeats come, and the connection stays the same one.
func TestIdle(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a")
		o, p := through(t, w, durable)
		logged := &warnings{Handler: slog.NewTextHandler(t.Output(), nil)}
		o.Logger = slog.New(logged)
		o = o.Calm()
		got := newSeen()
		subscribe(t, o, got.handle)
		bustest.Eventually(t, "the snapshot comes", func() bool { return got.is(w.truth()) })
		wait(3 * time.Second) // three requests expire, and some thirty heartbeats come
		w.publish("a", "b")
		bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		if p.Accepted() != 1 || logged.n.Load() > 0 {
			t.Errorf("%d connections were made, %d warnings logged", p.Accepted(), logged.n.Load())
		}
	})
}
