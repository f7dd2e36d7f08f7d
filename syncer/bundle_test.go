package syncer

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is the bus: hints wait for whoever reads their partition; one put off comes again after its delay.
type wire struct {
	mu     sync.Mutex
	down   bool
	queues map[int]chan mirror.Hint
	acks   int
	open   int // hints that are not settled for good
	delays []time.Duration
	wakes  int
	deaf   bool // hints are taken and never delivered
}

var errWireDown = errors.New("no servers available")

func (b *wire) queue(part int) chan mirror.Hint {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queues == nil {
		b.queues = map[int]chan mirror.Hint{}
	}
	if b.queues[part] == nil {
		b.queues[part] = make(chan mirror.Hint, 10_000)
	}
	return b.queues[part]
}

func (b *wire) PublishHint(_ context.Context, h mirror.Hint) error {
	q := b.queue(h.Part())
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errWireDown
	}
	if !b.deaf {
		b.open++
		q <- h
	}
	return nil
}

func (b *wire) Hints(ctx context.Context, part int, handle func(ctx context.Context, m bus.HintMsg)) error {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, bus.MaxPending)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case slots <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case h := <-b.queue(part):
			running.Go(func() {
				defer func() { <-slots }()
				handle(ctx, bus.NewHintMsg(h, 1, &receipt{b: b, h: h}))
			})
		}
	}
}

func (b *wire) WakeRelay() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakes++
}

// settled says that no hint is under way.
func (b *wire) settled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open == 0
}

func (b *wire) putOff() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.delays)
}

type receipt struct {
	b *wire
	h mirror.Hint
}

func (r *receipt) InProgress() error { return nil }

func (r *receipt) Ack() error {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	r.b.acks++
	r.b.open--
	return nil
}

func (r *receipt) NakWithDelay(d time.Duration) error {
	r.b.mu.Lock()
	r.b.delays = append(r.b.delays, d)
	r.b.mu.Unlock()
	time.AfterFunc(d, func() {
		_ = r.b.PublishHint(context.Background(), r.h)
		r.b.mu.Lock()
		defer r.b.mu.Unlock()
		r.b.open--
	})
	return nil
}

type plainSealer struct{}

func (plainSealer) Open(s mirror.Sealed, _, kind string) (ashby.Secret, error) {
	if kind != "api_key" {
		return "", errors.New("another kind of secret")
	}
	return ashby.Secret(s), nil
}

// Seal makes something that is not the plain text, so that a test sees what was not sealed.
func (plainSealer) Seal(plain ashby.Secret, connection, kind string) (mirror.Sealed, error) {
	return mirror.Sealed("sealed for " + connection + " " + kind + ": " + strconv.Itoa(len(plain.Reveal()))), nil
}

func (plainSealer) Fingerprint(secret ashby.Secret) []byte {
	sum := sha256.Sum256([]byte("finger" + secret.Reveal()))
	return sum[:]
}

type plainCleaner struct{}

func (plainCleaner) HTML(s string) string { return s }
func (plainCleaner) Text(s string) string { return s }

// bundle is a syncer with everything around it, inside a bubble of its own time.
type bundle struct {
	t *testing.T
	*world
	*vendor
	bus    *wire
	reg    *prometheus.Registry
	syncer *Syncer
	cancel context.CancelFunc
	ended  chan error
	// tamper changes a syncer before it runs, for tests of tests.
	tamper func(*Syncer)
}

// conn is the connection of tests that need but one.
const conn = "c1"

func setup(t *testing.T, change ...func(*Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, world: newWorld(), vendor: newVendor(), bus: &wire{}, reg: prometheus.NewRegistry()}
	b.start("one", change...)
	t.Cleanup(b.stop)
	return b
}

// start runs a syncer; the one before must have been stopped.
func (b *bundle) start(owner string, change ...func(*Options)) {
	b.t.Helper()
	b.reg = prometheus.NewRegistry()
	metrics, err := NewMetrics(b.reg, telemetry.NewBounded("connection", 1))
	if err != nil {
		b.t.Fatal(err)
	}
	opts := Options{
		Leases: b.world, Schedule: b.world, Store: b.world, Progress: b.world, Passes: b.world, Slices: b.world, Diary: b.world, Bus: b.bus, Seal: plainSealer{},
		LookEvery: time.Hour, // no test but one waits for vacant partitions, and whole days pass in others
		NewClient: func(key ashby.Secret) (AshbyClient, error) { return client{b.vendor, key.Reveal()}, nil },
		Cleaner:   plainCleaner{}, Owner: owner, Logger: slog.New(slog.DiscardHandler), Metrics: metrics,
	}
	for _, f := range change {
		f(&opts)
	}
	if b.syncer, err = New(opts); err != nil {
		b.t.Fatal(err)
	}
	if b.tamper != nil {
		b.tamper(b.syncer)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	b.cancel, b.ended = cancel, make(chan error, 1)
	go func(s *Syncer, ended chan<- error) { ended <- s.Run(ctx) }(b.syncer, b.ended)
}

func (b *bundle) stop() {
	if b.ended == nil {
		return
	}
	b.cancel()
	if err := <-b.ended; err != nil {
		b.t.Errorf("Run: %v", err)
	}
	b.ended = nil
}

// pass lets time go by and everything settle.
func (b *bundle) pass(d time.Duration) {
	_ = loop.Sleep(b.t.Context(), d)
	synctest.Wait()
}

// webhook commits a webhook and gives its hint.
func (b *bundle) webhook(kind ashby.Kind, id string) {
	h := mirror.Hint{Connection: conn, Kind: mirror.HintKind(kind), ID: id}
	b.deliver(h)
	_ = b.bus.PublishHint(b.t.Context(), h)
}

// pollNow makes the connection due and lets the poll happen.
func (b *bundle) pollNow() {
	b.with(conn, func(a *account) { a.sync.NextPollAt = time.Now() })
	b.pass(3 * time.Second)
}

// sliceNow makes a slice due and lets it and those that follow happen.
func (b *bundle) sliceNow() {
	b.with(conn, func(a *account) { a.nextSlice = time.Now() })
	b.pass(10 * time.Second)
}

// synced is a bundle whose connection has published these postings.
func synced(t *testing.T, ids ...string) *bundle {
	t.Helper()
	b := setup(t)
	b.publish(ids...)
	b.connect(conn, "key")
	b.pass(5 * time.Second)
	if got := len(b.events("")); got != len(ids) {
		t.Fatalf("the first sync made %d events for %d postings", got, len(ids))
	}
	b.called()
	return b
}

// state is a posting's listing.
func (b *bundle) state(id string) (l mirror.Listing) {
	b.with(conn, func(a *account) { l = a.listings[id] })
	return l
}

func (b *bundle) sync() (s mirror.SyncState) {
	b.with(conn, func(a *account) { s = a.sync })
	return s
}

func (b *bundle) connection() (c mirror.Connection) {
	b.with(conn, func(a *account) { c = a.c })
	return c
}

// count reads a counter by its name and the value of its one label.
func (b *bundle) count(name, label string) float64 {
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "ashbridge_syncer_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	b.t.Fatalf("no metric %s{%s}", name, label)
	return 0
}

// inBubble runs a test in time of its own.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}
