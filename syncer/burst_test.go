package syncer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// neighbour is a connection in the same partition.
func neighbour(id string) string {
	for i := 0; ; i++ {
		if other := fmt.Sprintf("n%d", i); mirror.Part(other) == mirror.Part(id) {
			return other
		}
	}
}

// TestBurstOfOneConnectionLeavesRoomForOthers: Ashby is slow for one employer, of whom many webhooks come in.
func TestBurstOfOneConnectionLeavesRoomForOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := make([]string, 3*bus.MaxPending)
		for i := range ids {
			ids[i] = fmt.Sprintf("p%03d", i)
		}
		b := synced(t, ids...)
		b.publish("q")
		other := neighbour(conn)
		b.connect(other, "another key")
		b.pollNow()
		gate := make(chan struct{})
		b.setHold(func(ctx context.Context, method, id string) {
			if method == "jobPosting.info" && strings.HasPrefix(id, "p") {
				select {
				case <-gate:
				case <-ctx.Done():
				}
			}
		})
		for _, id := range ids {
			b.put(ashby.KindPosting, id, map[string]any{"title": "Changed"})
			b.webhook(ashby.KindPosting, id)
		}
		b.pass(100 * time.Millisecond)
		h := mirror.Hint{Connection: other, Kind: "posting", ID: "q"}
		b.deliver(h)
		b.called()
		_ = b.bus.PublishHint(t.Context(), h)
		b.pass(100 * time.Millisecond)
		if got := count(b.called(), "jobPosting.info q"); got != 1 {
			t.Error("the other connection waits for the burst")
		}
		if b.count("crowded_hints_total", "") == 0 {
			t.Error("not counted")
		}
		close(gate)
		b.pass(5 * time.Minute)
		if b.openRows() != 0 {
			t.Errorf("%d webhooks stay unanswered", b.openRows())
		}
	})
}

func TestPauseEndsWhatIsRunning(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b", "c")
		gate := make(chan struct{})
		b.setHold(func(context.Context, string, string) { <-gate })
		for _, id := range []string{"a", "b", "c"} {
			b.put(ashby.KindPosting, id, map[string]any{"title": "Changed"})
		}
		b.webhook(ashby.KindPosting, "a")
		b.pollNow()
		b.with(conn, func(a *account) { a.c.Status = mirror.StatusPaused })
		before := b.appliedUnits()
		verified := *b.sync().LastVerifiedAt
		close(gate)
		b.pass(10 * time.Second)
		if got := b.appliedUnits() - before; got != 0 || len(b.events("")) != 3 {
			t.Errorf("%d units applied to a paused connection", got)
		}
		if s := b.sync(); s.LastError != "" || !s.LastVerifiedAt.Equal(verified) {
			t.Errorf("the poll did not end quietly: %+v", s)
		}
		if b.count("polls_total", "skipped") != 1 || b.count("refreshes_total", "skipped") == 0 {
			t.Error("not counted as skipped")
		}
		b.with(conn, func(a *account) { a.c.Status, a.sync.NextPollAt = mirror.StatusActive, time.Now() }) // resumed
		b.pass(10 * time.Second)
		if len(b.events("")) != 6 || b.openRows() != 0 {
			t.Errorf("%d events and %d open webhooks after it was resumed", len(b.events("")), b.openRows())
		}
	})
}
