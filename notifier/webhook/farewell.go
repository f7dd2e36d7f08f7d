package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// farewell tells a paused endpoint, once, that it gets nothing more. It may work again by now, and whoever runs it may read
// its log sooner than ours. One that said it is gone is left in peace.
func (t *term) farewell(ctx context.Context, e ending) {
	t.mu.Lock()
	if e.StatusCode != mirror.PausedFailing || t.closing || ctx.Err() != nil {
		t.mu.Unlock()
		return
	}
	now := t.Now()
	m := courier.Message{URL: e.lane.URL, Secrets: e.lane.signing(now)}
	t.mu.Unlock()
	// It is told once for each revision, so that this id is never used for another message.
	m.ID = fmt.Sprintf("%s-paused-%d", e.ID, e.Revision)
	data, err := json.Marshal(events.EndpointData{Endpoint: e.ID, Reason: e.StatusReason})
	if err == nil {
		m.Body, err = mirror.EncodeEvent(events.EndpointEvent(events.EndpointPaused, m.ID, e.ID, now, data))
	}
	if err != nil { // a struct of texts is always written
		return
	}
	t.sending.Go(func() {
		r := t.Send(ctx, m)
		t.Logger.InfoContext(ctx, "paused endpoint was told", "endpoint", e.ID, "taken", r.Delivered(), "status", r.Status)
	})
}
