package notifier

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// timing is a notifier whose clock stands still, and which published events after a sequence.
func timing(t *testing.T, last uint64, origins ...events.Origin) (n *Notifier, now time.Time) {
	t.Helper()
	now = time.Now()
	m, err := newMetrics(prometheus.NewRegistry(), false)
	if err != nil {
		t.Fatal(err)
	}
	n = &Notifier{Options: Options{Now: func() time.Time { return now }}, metrics: m}
	b := newBatch(100)
	for _, o := range origins {
		row := mirror.Outgoing{Connection: "c", Posting: "p", Data: json.RawMessage(fmt.Sprintf(
			`{"version":3,"origin":%q,"changed":[],"changed_at":%q,"job":{"origin":"x"}}`, o, now.Add(-7*time.Second).Format(time.RFC3339Nano)))}
		if o == "" {
			row = mirror.Outgoing{Connection: "c", Data: json.RawMessage(`{"version":1}`)}
		}
		published := now.Add(-time.Second)
		b.add(outgoing{Outgoing: row, head: headOf(row), event: row.Envelope(published)})
	}
	n.recent.expect(last, b)
	return n, now
}

// timed says how many acknowledgements of an origin are to be counted, each seven seconds after the change.
func timed(t *testing.T, n *Notifier, origin events.Origin, count int) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(n.metrics.boards.acknowledged)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		if h := m.GetHistogram(); m.GetLabel()[0].GetValue() == string(origin) {
			if h.GetSampleCount() != uint64(count) || h.GetSampleSum() != 7*float64(count) {
				t.Errorf("%s: %d acknowledgements in %g s, want %d", origin, h.GetSampleCount(), h.GetSampleSum(), count)
			}
			return
		}
	}
	t.Errorf("%s has no series", origin)
}

func TestAcknowledgementsAreTimed(t *testing.T) {
	t.Parallel()
	n, now := timing(t, 40, events.OriginWebhook, "", events.OriginPoll)
	early := now.Add(-time.Hour)
	for _, seq := range []uint64{41, 42, 43, 44, 1, 41 + remembered} { // 42 has no change of its own, the others are unknown
		n.acknowledged(seq, early)
	}
	n.acknowledged(41, early) // another board
	n.acknowledged(43, now)   // made after it was published: what it gets is a snapshot
	timed(t, n, events.OriginWebhook, 2)
	timed(t, n, events.OriginPoll, 1)
	timed(t, n, events.OriginSeed, 0)
	n.recent.forget()
	n.acknowledged(43, early)
	timed(t, n, events.OriginPoll, 1)
}

func TestWhoIsFarBehindIsNotListenedTo(t *testing.T) {
	t.Parallel()
	n, made := timing(t, 0)
	n.Bus = bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	k := &boardKeeper{Notifier: n, listeners: listeners{}}
	defer k.stopListening()
	later := made.Add(time.Minute)
	for i, c := range []struct {
		consumers []bus.BoardConsumer
		want      map[string]time.Time
	}{
		{[]bus.BoardConsumer{{Name: "near", Pending: listenBelow, Created: made}, {Name: "far", Pending: listenBelow + 1}}, map[string]time.Time{"near": made}},
		{[]bus.BoardConsumer{{Name: "near", Created: later}, {Name: "far", Created: made}}, map[string]time.Time{"near": later, "far": made}},
		{[]bus.BoardConsumer{{Name: "near", Created: later, Pending: 1 << 20}}, nil}, // and far is gone
	} {
		for j := range c.consumers {
			c.consumers[j].TellsAcks = true
		}
		if err := k.listen(t.Context(), c.consumers); err != nil {
			t.Fatal(err)
		}
		got := map[string]time.Time{}
		for name, l := range k.listeners {
			got[name] = l.made
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%d: listening to %v, want %v", i, got, c.want)
		}
	}
}

func TestRecentForgetsTheOldest(t *testing.T) {
	t.Parallel()
	n, _ := timing(t, 3, events.OriginWebhook)
	b := newBatch(10)
	row := mirror.Outgoing{Connection: "c", Posting: "p", Data: json.RawMessage(`{"origin":"poll","changed_at":"2026-01-02T03:04:05Z","job":{}}`)}
	b.add(outgoing{Outgoing: row, head: headOf(row)})
	n.recent.expect(3+remembered, b)
	if _, known := n.recent.at(4); known {
		t.Error("what was overwritten is known")
	}
	if s, known := n.recent.at(4 + remembered); !known || s.origin != events.OriginPoll {
		t.Errorf("the latest is %+v", s)
	}
}
