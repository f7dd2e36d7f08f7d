package syncer

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// Of two connections, one has series of its own; what the other does is counted as that of others.
func TestConnectionsAreCountedApartUpToALimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		b.connect("c2", "key")
		b.pass(5 * time.Second)
		m := b.syncer.opts.Metrics.connections
		for _, c := range []struct {
			what string
			got  float64
			want float64
		}{
			{"runs", testutil.ToFloat64(m.runs.WithLabelValues(conn, "ok")), 2},
			{"runs of others", testutil.ToFloat64(m.runs.WithLabelValues(telemetry.Other, "ok")), 1},
			{"events by webhook", testutil.ToFloat64(m.events.WithLabelValues(conn, "webhook")), 1},
			{"events of the first poll", testutil.ToFloat64(m.events.WithLabelValues(conn, "seed")), 2},
			{"events of others", testutil.ToFloat64(m.events.WithLabelValues(telemetry.Other, "seed")), 2},
			{"changes by webhook", testutil.ToFloat64(m.changes.WithLabelValues(conn, "webhook")), 1},
			{"errors", testutil.ToFloat64(m.errors.WithLabelValues(conn)), 0},
			{"series", float64(testutil.CollectAndCount(m.errors)), 2},
		} {
			if c.got != c.want {
				t.Errorf("%s: %g, want %g", c.what, c.got, c.want)
			}
		}
	})
}

// The real client tells of its pace and of its failures.
func TestPacesAreShown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		limited := false
		answers := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if limited {
				w.Header().Set("Retry-After", "600")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			_, _ = w.Write([]byte(`{"success":true,"results":[]}`))
		})
		b := setup(t, func(o *Options) {
			o.NewClient = func(key ashby.Secret) (AshbyClient, error) {
				return ashby.NewClient(ashby.Options{
					BaseURL: labAPI, Key: key, Pace: ashby.NewPace(600), MaxTries: 1, MaxElapsed: time.Second,
					HTTPClient: &http.Client{Transport: inside{answers, func() time.Duration { return 0 }}},
				})
			}
		})
		shows := func(full, slowed, paused, perMinute float64) {
			t.Helper()
			for state, want := range map[string]float64{"full": full, "slowed": slowed, "paused": paused} {
				if got := b.gauge("paced_keys", state); got != want {
					t.Errorf("%g keys are %s, want %g", got, state, want)
				}
			}
			if got := b.gauge("pace_requests_per_minute", ""); got != perMinute {
				t.Errorf("%g requests a minute, want %g", got, perMinute)
			}
		}
		shows(0, 0, 0, -1)
		b.connect(conn, "key")
		b.pass(5 * time.Second)
		shows(1, 0, 0, 600)
		limited = true
		b.pollNow()
		shows(0, 0, 1, 300)
		if got := testutil.ToFloat64(b.syncer.opts.Metrics.connections.errors.WithLabelValues(conn)); got < 1 {
			t.Errorf("%g errors", got)
		}
	})
}

// gauge reads a gauge, -1 where it is not shown.
func (b *bundle) gauge(name, label string) float64 {
	b.t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "ashbridge_syncer_"+name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// What alerts divide by is there before the first request: else the first 429 of a method makes its series, and is no rise.
func TestAnswersAreThereBeforeTheirFirstCount(t *testing.T) {
	t.Parallel()
	m, err := NewMetrics(prometheus.NewRegistry(), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := testutil.CollectAndCount(m.requests)
	for _, outcome := range expected {
		m.ObserveRequest("jobPosting.list", outcome, time.Second)
	}
	if after := testutil.CollectAndCount(m.requests); after != before || before == 0 {
		t.Errorf("%d series before the first requests, %d after them", before, after)
	}
}
