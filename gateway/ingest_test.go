package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// inParallel calls f for 0 to n-1, all at once.
func inParallel(n int, f func(i int)) { inParallelThen(n, f, func() {}) }

// inParallelThen also calls meanwhile before it waits.
func inParallelThen(n int, f func(i int), meanwhile func()) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	meanwhile()
	wg.Wait()
}

// gate holds back commits until it is opened.
type gate struct {
	entered chan int // the size of each group, as its commit begins
	open    chan error
}

func (s *fakeStore) behindAGate() gate {
	g := gate{entered: make(chan int, 100), open: make(chan error)}
	s.change(func() {
		s.commit = func(ctx context.Context, ds []mirror.Delivery) error {
			g.entered <- len(ds)
			select {
			case err := <-g.open:
				if err != nil {
					return err
				}
				return s.commitNow(ds)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g
}

func TestWebhooksShareCommits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	held := b.store.behindAGate()
	const more = 40
	var wg sync.WaitGroup
	send := func(i int) {
		wg.Go(func() {
			a, err := b.do(hookRequest(e, postingUpdate(fmt.Sprint("a", i), fmt.Sprint("p", i))))
			if err != nil || a.status != http.StatusOK {
				t.Errorf("%d %s %v", a.status, a.body, err)
			}
		})
	}
	send(0)
	if n := <-held.entered; n != 1 {
		t.Errorf("a lone webhook waited for company: %d", n)
	}
	for i := range more {
		send(i + 1)
	}
	eventually(t, "all others to queue", func() bool { return len(b.ingest.queue) == more })
	held.open <- nil
	if n := <-held.entered; n != more {
		t.Errorf("the second commit took %d of %d", n, more)
	}
	held.open <- nil
	wg.Wait()
	if len(b.store.stored()) != more+1 {
		t.Errorf("%d stored", len(b.store.stored()))
	}
}

func TestNoAnswerBeforeTheCommit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	held := b.store.behindAGate()
	answered := make(chan answer, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		a, err := b.do(hookRequest(e, postingUpdate("a1", "p1")))
		if err != nil {
			t.Error(err)
		}
		answered <- a
	})
	<-held.entered
	select {
	case a := <-answered:
		t.Errorf("answered %d before the commit returned", a.status)
	default:
	}
	for _, h := range b.bus.published() {
		if h.ID != "" {
			t.Errorf("hinted before the commit: %+v", h)
		}
	}
	held.open <- nil
	wg.Wait()
	if a := <-answered; a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestNeverOKWithoutAStore lets commits and spills fail at random: every 200 must be found in one of the stores.
func TestNeverOKWithoutAStore(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Bus = &lossyBus{fakeBus: o.Bus.(*fakeBus)} })
	e := b.connect("acme")
	b.store.change(func() {
		b.store.commit = func(_ context.Context, ds []mirror.Delivery) error {
			switch rand.N(3) {
			case 0:
				return errBoom // nothing was written
			case 1:
				_ = b.store.commitNow(ds)
				return mirror.ErrUnavailable // written, but nobody knows
			}
			return b.store.commitNow(ds)
		}
	})
	var mu sync.Mutex
	acknowledged, refused := make(map[string]bool), 0
	for round := range 20 {
		inParallel(20, func(i int) {
			id := fmt.Sprintf("a-%d-%d", round, i)
			a, err := b.do(hookRequest(e, postingUpdate(id, "p")))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && a.status == http.StatusOK:
				acknowledged[id] = true
			case err == nil && a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
				refused++
			default:
				t.Errorf("%d %s %v", a.status, a.body, err)
			}
		})
		b.clock.add(commitRest)
	}
	b.store.change(func() { b.store.commit = nil })
	eventually(t, "SPILL to be drained", func() bool { return len(b.bus.waiting()) == 0 })
	found := make(map[string]bool)
	for _, d := range b.store.stored() {
		found[d.Dedupe] = true
	}
	for id := range acknowledged {
		if !found[id] {
			t.Errorf("%s was answered 200 and is nowhere", id)
		}
	}
	if len(acknowledged) == 0 || refused == 0 {
		t.Errorf("the test proves nothing: %d acknowledged, %d refused", len(acknowledged), refused)
	}
}

// lossyBus refuses every other delivery.
type lossyBus struct{ *fakeBus }

func (l *lossyBus) Spill(ctx context.Context, d mirror.Delivery) error {
	if rand.N(2) == 0 {
		return errBoom
	}
	return l.fakeBus.Spill(ctx, d)
}

func TestFullQueueAsksToComeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.QueueSize, o.BatchSize = 2, 1 })
	e := b.connect("acme")
	held := b.store.behindAGate()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if a, err := b.do(hookRequest(e, postingUpdate(fmt.Sprint("a", i), "p"))); err != nil || a.status != 200 {
				t.Errorf("%d %s %v", a.status, a.body, err)
			}
		})
		if i == 0 {
			<-held.entered
		}
	}
	eventually(t, "the queue to be full", func() bool { return len(b.ingest.queue) == 2 })
	b.deliver(e, postingUpdate("one too many", "p")).problem(t, 503, "unavailable")
	for range 3 {
		held.open <- nil
	}
	wg.Wait()
}

// TestBodiesAreNotMixedUp: Fiber uses its buffers again for the next request, so what is kept must be copied.
func TestBodiesAreNotMixedUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	employers := []employer{b.connect("one"), b.connect("two"), b.connect("three")}
	const each = 150
	inParallel(16, func(worker int) {
		for i := range each {
			e := employers[(worker+i)%len(employers)]
			id := fmt.Sprintf("%s-%d-%d", e.EmployerRef, worker, i)
			body := postingUpdate(id, "posting-"+id)
			// Bodies of different lengths overwrite one another in different places.
			body = append(body, []byte(strings.Repeat(" ", rand.N(3000)))...)
			if a, err := b.do(hookRequest(e, body)); err != nil || a.status != http.StatusOK {
				t.Errorf("%d %s %v", a.status, a.body, err)
			}
		}
	})
	byID := make(map[string]employer)
	for _, e := range employers {
		byID[e.ID] = e
	}
	stored := b.store.stored()
	if len(stored) != 16*each {
		t.Errorf("%d stored of %d", len(stored), 16*each)
	}
	for _, d := range stored {
		if !strings.HasPrefix(d.Dedupe, byID[d.Connection].EmployerRef+"-") || d.Object != "posting-"+d.Dedupe ||
			d.Action != "jobPostingUpdate" {
			t.Fatalf("mixed up: %+v", d)
		}
	}
}

func TestStopCommitsWhatIsQueued(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const n = 10
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			d := mirror.Delivery{Connection: "c", Action: "a", Dedupe: fmt.Sprint(i)}
			if err := b.ingest.put(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all to queue", func() bool { return len(b.ingest.queue) == n })
	b.ingest.run(ctx)
	wg.Wait()
	if len(b.store.stored()) != n {
		t.Errorf("%d stored", len(b.store.stored()))
	}
}
