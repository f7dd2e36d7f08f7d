package gateway

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestPostgresDownSpillsAndDrains(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cached, unknown := b.connect("cached"), b.connect("unknown")
	if a := b.deliver(cached, postingUpdate("a0", "p0")); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b.store.setDown(mirror.ErrUnavailable)
	b.clock.add(endpointFresh + time.Second)
	const n = 5
	for i := range n {
		if a := b.deliver(cached, postingUpdate(fmt.Sprint("b", i), fmt.Sprint("p", i))); a.status != http.StatusOK {
			t.Errorf("cached: %d %s", a.status, a.body)
		}
	}
	b.deliver(unknown, postingUpdate("c", "p")).problem(t, 503, "unavailable")
	if got := len(b.bus.waiting()); got != n {
		t.Errorf("%d spilled", got)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Errorf("not ready although SPILL takes webhooks: %v", err)
	}
	b.store.setDown(nil)
	eventually(t, "SPILL to be drained", func() bool { return len(b.store.stored()) == n+1 && len(b.bus.waiting()) == 0 })
	eventually(t, "hints for what was drained", func() bool {
		hinted := make(map[string]bool)
		for _, h := range b.bus.published() {
			hinted[h.ID] = true
		}
		return hinted["p0"] && hinted["p4"]
	})
}

func TestBothStoresDownAsksToComeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.deliver(e, postingUpdate("a0", "p0"))
	b.store.setDown(mirror.ErrUnavailable)
	b.bus.setDown(errBoom)
	b.clock.add(endpointFresh + time.Second)
	b.deliver(e, postingUpdate("a1", "p1")).problem(t, 503, "unavailable")
	eventually(t, "not to be ready", func() bool { return b.Ready(t.Context()) != nil })
	// A bad signature is no reason for a final answer while the store cannot confirm the secret.
	b.clock.add(secretGrace)
	forged := e
	forged.secret = "whsec_other"
	b.deliver(forged, postingUpdate("a2", "p2")).problem(t, 503, "unavailable")
	b.bus.setDown(nil)
	b.store.setDown(nil)
	eventually(t, "to be ready again", func() bool { return b.Ready(t.Context()) == nil })
	b.clock.add(time.Minute)
	if a := b.deliver(e, postingUpdate("a1", "p1")); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestNATSDownTakesWebhooksAllTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	eventually(t, "the first hint", func() bool { return len(b.bus.published()) == 1 })
	b.bus.setDown(errBoom)
	if a := b.deliver(e, postingUpdate("a1", "p1")); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	eventually(t, "the lost hint to be counted", func() bool {
		return counter(t, b, `ashbridge_gateway_hints_total{outcome="failed"} 1`)
	})
}

func TestSpillResumesAfterARestart(t *testing.T) {
	t.Parallel()
	left := mirror.Delivery{Connection: "c", Action: "jobUpdate", Dedupe: "d", Kind: "job", Object: "j"}
	b := setup(t, func(o *Options) { o.Bus.(*fakeBus).spilled = []mirror.Delivery{left} })
	eventually(t, "what an earlier process left to be stored", func() bool {
		s := b.store.stored()
		return len(s) == 1 && s[0] == left
	})
}

func TestHinterDropsRatherThanWaits(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	for i := range hintQueue + 10 {
		b.hints.add(mirror.Hint{Connection: "c", Kind: "job", ID: fmt.Sprint(i)})
	}
	for range 5 {
		b.hints.add(mirror.Hint{Connection: "c", Kind: "job", ID: "1"}) // waits already
	}
	if !counter(t, b, `ashbridge_gateway_hints_total{outcome="dropped"} 10`) {
		t.Error("dropped hints are not counted")
	}
	if len(b.hints.queue) != hintQueue {
		t.Errorf("%d wait", len(b.hints.queue))
	}
}
