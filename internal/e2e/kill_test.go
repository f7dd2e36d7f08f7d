package e2e

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// killCycles is how often a process is killed; each of the four comes five times.
const killCycles = 20

// TestKillLoop kills gateway, syncer, notifier and NATS in turn while jobs keep changing, and then judges P1 to P4.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	p := startProcesses(t, ashbytest.Options{Seed: 11, RetryScale: 0.02, RequestsPerMinute: 1 << 20}, "gateway", "syncer", "notifier")
	org := p.sim.AddOrganization("storm", "Storm Ltd")
	org.Generate(40)
	var doc connectionDoc
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": "storm", "employer_name": "Storm Ltd", "api_key": org.AddKey(ashbytest.KeyOptions{}),
	}).decode(t, &doc)
	for action, url := range doc.WebhookSetup.URLs {
		if err := org.AddWebhook(action, url, doc.WebhookSetup.Secret); err != nil {
			t.Fatal(err)
		}
	}
	load := startLoad(t, org)
	for i := range killCycles {
		name := []string{"gateway", "syncer", "notifier", "nats"}[i%4]
		from := load.changes()
		wait(t, "the load goes on", func() error { return atLeast(load.changes()-from, 15) }, p.logs.tail)
		p.kill(name)
		from = load.changes()
		wait(t, "the load goes on without "+name, func() error { return atLeast(load.changes()-from, 5) }, p.logs.tail)
		p.start(name)
		if name != "nats" {
			p.waitReady(name)
		}
	}
	total := load.end()
	if err := p.sim.WaitDelivered(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := openSQL(t, p.dbURL)
	wait(t, "Ashby, Postgres and the stream agree", func() error {
		return agree(t.Context(), db, p.natsURL, doc.ID, org)
	}, p.logs.tail)
	var ms []message
	wait(t, "the stream and the log agree", func() (err error) {
		ms, err = orderly(t.Context(), db, p.natsURL)
		return err
	}, p.logs.tail)
	judged := 0
	wait(t, "every webhook is followed by a read of its object", func() error {
		var faults []string
		judged, faults = faultsOfRefresh(p.sim.Deliveries(), p.sim.Requests())
		return verdict(faults)
	}, p.logs.tail)
	if judged < total/2 {
		t.Errorf("only %d webhooks answered 2xx for %d changes: the load did not reach the gateway", judged, total)
	}
	t.Logf("%d kills, %d changes, %d webhooks answered 2xx, %d messages on the stream", killCycles, total, judged, len(ms))
}

type shortfall struct{ have, want int }

func (s shortfall) Error() string { return "not enough yet" }

func atLeast(have, want int) error {
	if have >= want {
		return nil
	}
	return shortfall{have, want}
}

// load is what keeps changing an organisation.
type load struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	n    atomic.Int64
}

// startLoad changes something about thirty times a second.
func startLoad(t *testing.T, org *ashbytest.Organization) *load {
	return startLoadEvery(t, org, 33*time.Millisecond)
}

func startLoadEvery(t *testing.T, org *ashbytest.Organization, every time.Duration) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{stop: cancel}
	l.wg.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				org.ChurnOnce(rng)
				l.n.Add(1)
			}
		}
	})
	t.Cleanup(func() { l.end() })
	return l
}

// changes tells how often something changed.
func (l *load) changes() int { return int(l.n.Load()) }

// end ends the load and tells how often something changed.
func (l *load) end() int {
	l.stop()
	l.wg.Wait()
	return l.changes()
}
