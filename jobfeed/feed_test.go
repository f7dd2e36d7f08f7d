package jobfeed_test

import (
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
)

func TestSnapshotThenTail(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, durable bool) {
		w := newWorld(t)
		w.consumer()
		w.publish("a", "b", "a", "a", "b")
		caught := make(chan struct{})
		o := w.options(durable)
		o.OnCaughtUp = func() { close(caught) }
		got := newSeen()
		subscribe(t, o, got.handle)
		<-caught
		if !got.is(w.truth()) {
			t.Errorf("caught up with %v, want %v", got.last, w.truth())
		}
		w.publish("a", "c")
		bustest.Eventually(t, "the tail comes", func() bool { return got.is(w.truth()) })
		w.publish("a")
		bustest.Eventually(t, "the tail goes on", func() bool { return got.is(w.truth()) })
		got.check(t)
	})
}
