package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/pulse"
)

func TestPollsAreBroughtForwardAfterAnOutageAlone(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	b.store.gaps = []time.Duration{0, 3 * time.Second, 10 * time.Second, 11 * time.Second, 3 * time.Second}
	for i, spreads := range []int{0, 0, 0, 1, 1, 1} {
		b.heart.Beat(t.Context())
		if len(b.store.spreads) != spreads {
			t.Errorf("after beat %d: spread %v", i, b.store.spreads)
		}
	}
	if b.store.spreads[0] != pulse.Spread {
		t.Errorf("over %s", b.store.spreads[0])
	}
	if logs := b.logs.String(); strings.Count(logs, "brought forward") != 1 || !strings.Contains(logs, `"gap":11000000000`) {
		t.Errorf("logged: %s", logs)
	}
}

// The outage is not forgotten because the store failed once more in between.
func TestPollsStayOwedUntilTheyAreSpread(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	b.store.gaps = []time.Duration{time.Minute, 3 * time.Second}
	b.store.setDown(errBoom)
	b.heart.Beat(t.Context())
	b.store.change(func() { b.store.beatErr = errBoom })
	b.heart.Beat(t.Context())
	b.store.change(func() { b.store.beatErr, b.store.down = nil, nil })
	b.heart.Beat(t.Context())
	b.heart.Beat(t.Context())
	if fmt.Sprint(b.store.spreads) != "[30s]" {
		t.Errorf("spread %v", b.store.spreads)
	}
	if logs := b.logs.String(); strings.Count(logs, "heartbeat failed") != 1 || !strings.Contains(logs, `"gap":60000000000`) {
		t.Errorf("logged: %s", logs)
	}
}

func TestGatewayBeatsWhileItRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	eventually(t, "a heartbeat", func() bool {
		b.store.mu.Lock()
		defer b.store.mu.Unlock()
		return b.store.beats > 0
	})
}
