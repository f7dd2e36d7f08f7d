package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
)

// TestStopWhileServersHang has Postgres, NATS, and both go silent, as a network does that is there no more, and then tells
// every service to end. Each must do so in time and by itself. A webhook that came while Postgres hung was answered 200, by
// a gateway that stayed ready, and is not lost.
func TestStopWhileServersHang(t *testing.T) {
	t.Parallel()
	p := startProcesses(t, ashbytest.Options{Seed: 17, RetryScale: 0.02, RequestsPerMinute: 1 << 20})
	var hang []func()
	var names []string
	for _, what := range []string{"postgres", "nats", "both"} {
		pg, dbURL := newPGProxy(t, p.dbURL)
		nats := bustest.StartProxy(t, p.natsAddr)
		if what != "nats" {
			hang = append(hang, func() { pg.silent.Store(true) })
		}
		if what != "postgres" {
			hang = append(hang, func() { nats.LoseRequests(); nats.LoseReplies() })
		}
		for _, service := range []string{"gateway", "syncer", "notifier"} {
			name := service + "/" + what
			env := []string{"ASHBRIDGE_DATABASE_URL=" + dbURL, "ASHBRIDGE_NATS_URL=" + nats.URL()}
			if name == "gateway/postgres" { // Ashby's webhooks go there
				env = append(env, "ASHBRIDGE_HTTP_ADDR="+p.httpAddr)
			}
			p.launch(name, p.binary, env...)
			names = append(names, name)
		}
	}
	for _, name := range names {
		p.waitReady(name)
	}
	for _, service := range []string{"gateway", "syncer", "notifier"} {
		p.checksAreDocumented(service + "/postgres")
	}
	org := p.sim.AddOrganization("hang", "Hang Ltd")
	org.Generate(4)
	doc := p.connect(org)
	db := openSQL(t, p.dbURL)
	agreed := func() error { return agree(t.Context(), db, p.natsURL, doc.ID, org) }
	wait(t, "the first synchronisation is done", agreed, p.logs.tail)
	posting := org.Postings()[0].ID
	org.Retitle(posting, "Just before") // so that the gateway knows the address
	wait(t, "the gateway knows the address", agreed, p.logs.tail)

	for _, h := range hang {
		h()
	}
	org.Retitle(posting, "While Postgres hung")
	wait(t, "a webhook is answered 200 although Postgres hangs", func() error {
		ds := p.sim.Deliveries()
		if d := ds[len(ds)-1]; d.Object != posting || d.Status != http.StatusOK || len(ds) < 2 {
			return fmt.Errorf("%+v", d)
		}
		return p.ready("gateway/postgres")
	}, p.logs.tail)
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			t.Logf("%s ended in %s", name, p.terminate(name).Round(10*time.Millisecond))
		})
	}
	all.Wait()
	// Their leases could not be given up; they expire.
	for _, name := range []string{"gateway/x", "syncer/x", "notifier/x"} {
		p.start(name)
	}
	wait(t, "what was told while Postgres hung is there", agreed, p.logs.tail)
	if judged, faults := faultsOfRefresh(p.sim.Deliveries(), p.sim.Requests()); judged == 0 || len(faults) > 0 {
		t.Errorf("%d webhooks judged: %v", judged, verdict(faults))
	}
}
