package webhook

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestDeliveriesOfNewsAreTimed(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	parcel := func(origin string, change func(*mirror.Parcel)) mirror.Parcel {
		p := mirror.Parcel{PublishedAt: now.Add(-time.Minute), Event: mirror.Outgoing{
			Posting: "p", CreatedAt: now.Add(-2 * time.Minute), Data: json.RawMessage(fmt.Sprintf(
				`{"version":1,"origin":%q,"changed_at":%q,"job":{}}`, origin, now.Add(-3*time.Minute).Format(time.RFC3339Nano))),
		}}
		if change != nil {
			change(&p)
		}
		return p
	}
	for _, p := range []mirror.Parcel{
		parcel("webhook", nil),
		parcel("webhook", func(p *mirror.Parcel) { p.HadBefore = true }),
		parcel("webhook", func(p *mirror.Parcel) { p.Event.CreatedAt = now.Add(-2 * time.Hour) }), // a snapshot
		parcel("unheard of", nil),
		parcel("", func(p *mirror.Parcel) { p.Event.Posting, p.Event.Data = "", json.RawMessage(`{"version":1}`) }),
	} {
		m.delivered(p, now)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m.acknowledged)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	count, sum := uint64(0), 0.0
	for _, one := range families[0].GetMetric() {
		count += one.GetHistogram().GetSampleCount()
		sum += one.GetHistogram().GetSampleSum()
	}
	if count != 1 || sum < 179 || sum > 181 {
		t.Errorf("%d deliveries in %g s, want one in 180 s", count, sum)
	}
	if n := testutil.ToFloat64(m.deliveries.WithLabelValues(mirror.ParcelDelivered)); n != 5 {
		t.Errorf("%g deliveries", n)
	}
}
