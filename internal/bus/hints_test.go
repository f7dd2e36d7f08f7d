package bus_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// reader runs Hints for the partition of connection "c" and passes what comes to a channel.
func reader(t *testing.T, b *bus.Bus) (arrived <-chan bus.HintMsg, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ch := make(chan bus.HintMsg, 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := b.Hints(ctx, mirror.Part("c"), func(_ context.Context, m bus.HintMsg) { ch <- m })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Hints ended with %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return ch, stop
}

func next(t *testing.T, ch <-chan bus.HintMsg) bus.HintMsg {
	t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no hint came")
		return bus.HintMsg{}
	}
}

func posting(id string) mirror.Hint { return mirror.Hint{Connection: "c", Kind: "posting", ID: id} }

func hint(t *testing.T, b *bus.Bus, h mirror.Hint) {
	t.Helper()
	if err := b.PublishHint(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}

func hintsLeft(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), bus.StreamHints)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestHintsAckAndRetry(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	hint(t, b, posting("1")) // before the consumer exists
	arrived, _ := reader(t, b)

	m := next(t, arrived)
	if m.Hint != posting("1") || m.Attempt != 1 {
		t.Fatalf("got %+v", m)
	}
	if err := m.Working(); err != nil {
		t.Fatal(err)
	}
	if err := m.Retry(20 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if m = next(t, arrived); m.Attempt != 2 {
		t.Fatalf("after Retry: attempt %d", m.Attempt)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the acknowledged hint leaves the stream", func() bool { return hintsLeft(t, b) == 0 })
}

// A change that arrives while its predecessor is in work must not be lost, and the predecessor's late acknowledgement
// must not take it away.
func TestHintDuringWorkIsDelivered(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	arrived, _ := reader(t, b)
	hint(t, b, posting("1"))
	first := next(t, arrived)
	hint(t, b, posting("1"))
	second := next(t, arrived)
	if second.Hint != first.Hint || second.Attempt != 1 {
		t.Fatalf("the second hint came as %+v", second)
	}
	if err := first.Ack(); err != nil {
		t.Fatal(err)
	}
	if err := second.Retry(10 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	third := next(t, arrived)
	if third.Hint != first.Hint || third.Attempt != 2 {
		t.Fatalf("the second hint came back as %+v", third)
	}
	if err := third.Ack(); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "HINTS is empty", func() bool { return hintsLeft(t, b) == 0 })
}

func TestHintsSurviveRestart(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	arrived, _ := reader(t, b)
	hint(t, b, posting("1"))
	if m := next(t, arrived); m.Hint != posting("1") {
		t.Fatalf("got %+v", m)
	}
	for _, id := range []string{"2", "3"} {
		srv.Stop()
		bustest.Eventually(t, "the loss of the connection is noticed", func() bool { return !b.Connected() })
		srv.Start() // HINTS and its consumers were in memory
		bustest.Ready(t, b)
		hint(t, b, posting(id))
		if m := next(t, arrived); m.Hint != posting(id) {
			t.Fatalf("after a restart: got %+v, want %s", m, id)
		}
	}
}

func TestHintsSurviveDeletedStream(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	arrived, _ := reader(t, b)
	hint(t, b, posting("1"))
	next(t, arrived)
	if err := b.JetStream().DeleteStream(t.Context(), bus.StreamHints); err != nil {
		t.Fatal(err)
	}
	hint(t, b, posting("2"))
	if m := next(t, arrived); m.Hint != posting("2") {
		t.Fatalf("got %+v", m)
	}
}

func TestHintsLimitAndWait(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	const n = bus.MaxPending + 50
	for i := range n {
		hint(t, b, posting("p"+string(rune('A'+i/26%26))+string(rune('a'+i%26))))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running, most, done atomic.Int64
	release := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = b.Hints(ctx, mirror.Part("c"), func(_ context.Context, m bus.HintMsg) {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			<-release
			if err := m.Ack(); err != nil {
				t.Error(err)
			}
			running.Add(-1)
			done.Add(1)
		})
		if running.Load() != 0 {
			t.Error("Hints returned before its handlers")
		}
	})
	bustest.Eventually(t, "all slots are taken", func() bool { return running.Load() == bus.MaxPending })
	close(release)
	bustest.Eventually(t, "all are done", func() bool { return done.Load() == n })
	cancel()
	wg.Wait()
	if most.Load() > bus.MaxPending {
		t.Errorf("%d handlers ran at once", most.Load())
	}
}

func TestPublishHintRefusesForeignTokens(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	for _, h := range []mirror.Hint{
		{},
		{Connection: "c"},
		{Connection: "c.d", Kind: mirror.HintPoll},
		{Connection: "c", Kind: "posting"},
		{Connection: "c", Kind: "posting", ID: "*"},
		{Connection: "c", Kind: "posting", ID: "a b"},
		{Connection: "c", Kind: mirror.HintPoll, ID: "1"},
	} {
		if err := b.PublishHint(t.Context(), h); err == nil {
			t.Errorf("%+v was published", h)
		}
	}
}
