package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestSpill(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	const n = 700
	for i := range n {
		d := mirror.Delivery{Connection: "c", Action: "jobPostingUpdate", Dedupe: fmt.Sprint(i), Kind: "posting", Object: "1"}
		if err := b.Spill(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Conn().Publish("spill.c", []byte("no delivery")); err != nil {
		t.Fatal(err)
	}

	srv.Stop() // what was answered 200 must survive this
	bustest.Eventually(t, "the loss of the connection is noticed", func() bool { return !b.Connected() })
	srv.Start()
	bustest.Ready(t, b)

	down := errors.New("still down")
	err := b.DrainSpill(t.Context(), func(context.Context, []mirror.Delivery) error { return down })
	if !errors.Is(err, down) {
		t.Fatalf("DrainSpill = %v", err)
	}
	seen := map[string]int{}
	take := func(_ context.Context, ds []mirror.Delivery) error {
		for _, d := range ds {
			seen[d.Dedupe]++
		}
		return nil
	}
	bustest.Eventually(t, "all deliveries are drained", func() bool {
		if err := b.DrainSpill(t.Context(), take); err != nil {
			t.Fatal(err)
		}
		return len(seen) == n
	})
	before := len(seen)
	if err := b.DrainSpill(t.Context(), take); err != nil || len(seen) != before {
		t.Errorf("draining an empty stream: %v", err)
	}
	if s, err := b.JetStream().Stream(t.Context(), "SPILL"); err != nil {
		t.Error(err)
	} else {
		bustest.Eventually(t, "SPILL is empty", func() bool {
			info, err := s.Info(t.Context())
			return err == nil && info.State.Msgs == 0
		})
	}
}

func TestSpillWithoutServer(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.NewServer(t).URL())
	if err := b.Spill(t.Context(), mirror.Delivery{Connection: "c"}); err == nil {
		t.Error("spilled without a server")
	}
	err := b.DrainSpill(t.Context(), func(context.Context, []mirror.Delivery) error { return nil })
	if err == nil {
		t.Error("drained without a server")
	}
}

func TestWakeOutlivesReconnect(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	a := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	woken := make(chan struct{}, 100)
	unsubscribe, err := a.OnWake(func() { woken <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer unsubscribe()
	wake := func() bool {
		b.WakeRelay()
		select {
		case <-woken:
			return true
		default:
			return false
		}
	}
	bustest.Eventually(t, "a wake-up", wake)
	srv.Stop()
	bustest.Eventually(t, "the loss of the connection is noticed", func() bool { return !a.Connected() && !b.Connected() })
	b.WakeRelay()
	srv.Start()
	bustest.Ready(t, a)
	bustest.Ready(t, b)
	bustest.Eventually(t, "a wake-up after the restart", wake)
}
