package ashbytest

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestEverythingAtOnce has many hands edit, ask, inject and listen at the same time; the race detector judges.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, 40, Options{RequestsPerMinute: 1_000_000, ErrorForm: FormAlternating})
	r := receive(t, "secret", http.StatusInternalServerError)
	b.sim.OnChange(func(string, string, time.Time) {})
	for _, action := range actions {
		_ = b.org.AddWebhook(action, r.URL, "secret") // the first ping fails, and that is part of it
	}
	b.org.DuplicateWebhooks(1)
	var hands sync.WaitGroup
	for hand := range 6 {
		hands.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(hand), 1))
			for range 60 {
				b.org.ChurnOnce(rng)
				_ = b.sim.Requests()
				_ = b.sim.Deliveries()
			}
			if err := b.sim.Save(io.Discard); err != nil {
				t.Error(err)
			}
		})
		hands.Go(func() {
			for i := range 30 {
				for _, method := range []string{"jobPosting.list", "job.list", "location.list", "apiKey.info"} {
					if _, err := b.do(b.request(method, "{}")); err != nil {
						t.Error(err)
					}
				}
				for _, p := range b.org.Postings()[:2] {
					if _, err := b.do(b.request("jobPosting.info", `{"jobPostingId":"`+p.ID+`","expand":["job"]}`)); err != nil {
						t.Error(err)
					}
				}
				b.sim.Inject(Fault{Kind: FaultStatus, Method: "job.list", Count: i % 2})
				b.sim.ClearFaults()
			}
		})
	}
	hands.Go(func() {
		for id := range b.org.Locations() {
			b.org.RenameLocation(id, "Elsewhere")
		}
		b.org.SetScopes(b.key, "jobs:read")
	})
	hands.Wait()
	b.settled()
}
