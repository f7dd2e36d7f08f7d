package jobfeed_test

import (
	"context"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// The acknowledgement of an event of a lost stream names a sequence that is another event in the stream that was built
// in its place. It must not be sent.
func TestAcknowledgementOfALostStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.consumer()
	w.publish("a")
	began := make(chan string, 2)
	finish := map[string]chan struct{}{"a": make(chan struct{})}
	got := newSeen()
	o := w.options(true)
	o.Grace = time.Millisecond
	first := subscribe(t, o, func(ctx context.Context, e jobfeed.Event) error {
		if e.Version == 1 {
			began <- e.Posting
			select {
			case <-finish[e.Posting]:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return got.handle(ctx, e)
	})
	<-began
	w.srv.Stop()
	w.srv.Wipe()
	w.srv.Start()
	bustest.Ready(t, w.bus)
	w.mu.Lock()
	w.last = 0
	w.send([]bus.Msg{w.next("c", "b")}) // where a was
	w.mu.Unlock()
	w.consumer()
	if p := <-began; p != "b" {
		t.Fatalf("%s came", p)
	}
	close(finish["a"])
	bustest.Eventually(t, "the old one is handled", func() bool { return got.count() == 1 })
	w.mu.Lock()
	w.send([]bus.Msg{w.next("c", "a")})
	w.mu.Unlock()
	bustest.Eventually(t, "the newer one of the job is handled", func() bool { return got.count() == 2 })
	first.end()
	// The other one was not handled: it comes again.
	second := newSeen()
	subscribe(t, o, second.handle)
	bustest.Eventually(t, "the unhandled one comes again", func() bool { return len(second.versions("c/b")) == 1 })
}
