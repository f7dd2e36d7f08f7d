// Package fleet shows how all connections together are: how many are fresh, which was verified longest ago, what waits, how
// full the streams are.
//
// These figures are read from Postgres and NATS, which know of all processes, by the one process that has the relay's lease.
// They are read every ten seconds, kept in memory, and shown at each scrape; ages grow between two readings. When the lease
// is lost the series end, so that no other process's figures stand beside older ones. Where a reading fails the last one
// stays, and the time of the last good one is shown too.
package fleet

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	// restTimes: a hundredth of the time is spent on reading at most, and another one on counting jobs, where the pauses do
	// not get longer than longestPause.
	restTimes    = 100
	longestPause = time.Minute
	// boardsFor is how long what was seen of the boards' consumers is shown.
	boardsFor = time.Minute
	// furthestBehind is how many boards are shown.
	furthestBehind = 10
)

// Options configure a Watcher.
type Options struct {
	Store Store
	Bus   Bus
	// Named is for how many connections series of their own are shown.
	Named int
	// Every is the pause between two readings, 10 s where zero; it gets longer where a reading takes long.
	Every  time.Duration
	Logger *slog.Logger
	// OnFailure is told of each reading that failed; nil for none.
	OnFailure func()
	// Now is the clock of the shown time; time.Now where nil.
	Now func() time.Time
}

func (o *Options) setDefaults() error {
	if o.Store == nil || o.Bus == nil {
		return errors.New("the fleet's metrics need a store and a bus")
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnFailure == nil {
		o.OnFailure = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// Board is how far behind a job board's consumer is.
type Board struct {
	Subscriber, Name string
	// Pending counts what is not acknowledged.
	Pending int
}

// Watcher reads and shows. It is a prometheus.Collector that shows nothing unless Run runs. Use New.
type Watcher struct {
	Options
	mu sync.Mutex
	// shows says that Run runs and its context has not ended.
	shows   bool
	fleet   *reading
	jobs    *int
	streams []bus.StreamSize
	boards  []Board
	// boardsAt is when boards was seen.
	boardsAt time.Time
}

// reading is what was read and when.
type reading struct {
	mirror.Fleet
	at time.Time
}

// New makes a Watcher and registers it.
func New(o Options, r prometheus.Registerer) (*Watcher, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	w := &Watcher{Options: o}
	return w, r.Register(w)
}

// Run reads until ctx ends, and has the series end then. The caller holds the lease.
func (w *Watcher) Run(ctx context.Context) {
	w.begin()
	defer w.forget()
	// A reading may hang for longer than the lease lasts.
	defer context.AfterFunc(ctx, w.forget)()
	var nextCount time.Time
	for ctx.Err() == nil {
		pause := restAfter(func() {
			w.readFleet(ctx)
			w.readStreams(ctx)
		})
		if !time.Now().Before(nextCount) {
			rest := restAfter(func() { w.countJobs(ctx) })
			nextCount = time.Now().Add(rest)
		}
		_ = loop.Sleep(ctx, max(w.Every, pause))
	}
}

// restAfter does some work and returns how long it is to rest.
func restAfter(work func()) time.Duration {
	began := time.Now()
	work()
	return min(restTimes*time.Since(began), longestPause)
}

func (w *Watcher) countJobs(ctx context.Context) {
	n, err := w.Store.PublicJobs(ctx)
	if err != nil {
		w.failed(ctx, "postgres", err)
		return
	}
	w.keep(func() { w.jobs = &n })
}

func (w *Watcher) readFleet(ctx context.Context) {
	f, err := w.Store.Fleet(ctx, w.Named)
	if err != nil {
		w.failed(ctx, "postgres", err)
		return
	}
	w.keep(func() { w.fleet = &reading{Fleet: f, at: w.Now()} })
}

// readStreams shows of the streams what NATS tells now.
func (w *Watcher) readStreams(ctx context.Context) {
	sizes, err := w.Bus.StreamSizes(ctx)
	if err != nil {
		w.failed(ctx, "nats", err)
	}
	w.keep(func() { w.streams = sizes })
}

func (w *Watcher) failed(ctx context.Context, server string, err error) {
	if ctx.Err() != nil {
		return
	}
	w.OnFailure()
	w.Logger.WarnContext(ctx, "the fleet's figures could not be read", "server", server, "error", err)
}

// ShowBoards takes what was seen of the boards' consumers.
func (w *Watcher) ShowBoards(boards []Board) {
	w.keep(func() { w.boards, w.boardsAt = furthest(boards), w.Now() })
}

// keep takes something in, unless the lease may be another's.
func (w *Watcher) keep(take func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shows {
		take()
	}
}

func (w *Watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shows = true
}

func (w *Watcher) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shows = false
	w.fleet, w.jobs, w.streams, w.boards = nil, nil, nil, nil
}
