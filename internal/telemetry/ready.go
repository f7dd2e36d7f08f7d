package telemetry

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// lookEvery is how often the checks run for the gauge. A scrape does not run them itself, so that it is quick while a check
// hangs.
const lookEvery = 10 * time.Second

// showReady registers the gauge of the checks. Until they ran for the first time nothing is ready.
func (a *Admin) showReady(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	a.ready = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ashbridge_ready", Help: "1 for each readiness check that held when it was last looked at, else 0.",
	}, []string{"check"})
	for _, c := range a.checkers {
		a.ready.WithLabelValues(c.check.Name)
	}
	if err := r.Register(a.ready); err != nil {
		return fmt.Errorf("registering the readiness: %w", err)
	}
	return nil
}

// lookReady keeps the gauge up to date until ctx ends.
func (a *Admin) lookReady(ctx context.Context) {
	if a.ready == nil {
		return
	}
	for ctx.Err() == nil {
		states := a.round(ctx)
		if ctx.Err() != nil {
			return // what the end cut off says nothing
		}
		for i, c := range a.checkers {
			a.ready.WithLabelValues(c.check.Name).Set(number(states[i] == stateOK))
		}
		_ = loop.Sleep(ctx, lookEvery)
	}
}
