package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/loop"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/pulse"
)

// Options configures a Syncer. Everything without a default must be set.
type Options struct {
	Leases   Leases
	Schedule Schedule
	Store    Store
	Progress Progress
	Passes   Passes
	Slices   Slices
	Diary    Diary
	Bus      Bus
	// NewClient makes the client of one connection, with a limiter and a brake of its own.
	NewClient func(key ashby.Secret) (AshbyClient, error)
	Seal      Sealer
	Cleaner   mirror.Cleaner
	// Owner names this replica; no two that run at the same time may share it.
	Owner string
	// LeaseTTL is how long a partition stays ours without a word from us; 15 s.
	LeaseTTL time.Duration
	// LookEvery is how often it is asked between two renewals whether a partition is vacant, so that one that was given up
	// is soon worked on again; 500 ms.
	LookEvery time.Duration
	// MaxPolls is how many polls run at once, of all connections together; 32.
	MaxPolls int
	// MaxRefreshes is how many objects are refreshed at once, of all connections together; 64.
	MaxRefreshes int
	// MaxSlices is how many slices of what is not polled run at once, of all connections together; 4.
	MaxSlices int
	// IdleAfter is how long a connection without work keeps its client in memory; 2 min.
	IdleAfter time.Duration
	Logger    *slog.Logger
	Metrics   *Metrics
}

// Intervals of the loops, and what they take at a time.
const (
	scheduleEvery = time.Second
	sweepEvery    = 2 * time.Second
	watchEvery    = 15 * time.Second
	// sweepAge is how old an unprocessed inbox row must be before its hint is given again: the hint that followed its
	// commit usually settles it within milliseconds.
	sweepAge   = 5 * time.Second
	sweepLimit = 1000
	// sweepPerConnection is more than a connection gets read between two sweeps, and little enough of sweepLimit.
	sweepPerConnection = 64
	// sweepAgain is how long a hint that was published again has before it is worked on without the bus.
	sweepAgain = 30 * time.Second
	// pollClaim is how long a poll that shows no progress counts as running; then it is due again. sliceClaim is the same
	// of a slice.
	pollClaim  = 5 * time.Minute
	sliceClaim = 3 * time.Minute
)

func (o *Options) setDefaults() {
	if o.LeaseTTL == 0 {
		o.LeaseTTL = 15 * time.Second
	}
	if o.LookEvery == 0 {
		o.LookEvery = 500 * time.Millisecond
	}
	if o.MaxPolls == 0 {
		o.MaxPolls = 32
	}
	if o.MaxRefreshes == 0 {
		o.MaxRefreshes = 64
	}
	if o.MaxSlices == 0 {
		o.MaxSlices = 4
	}
	if o.IdleAfter == 0 {
		o.IdleAfter = 2 * time.Minute
	}
}

func (o *Options) validate() error {
	var errs []error
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"Leases", o.Leases != nil},
		{"Schedule", o.Schedule != nil},
		{"Store", o.Store != nil},
		{"Progress", o.Progress != nil},
		{"Passes", o.Passes != nil},
		{"Slices", o.Slices != nil},
		{"Diary", o.Diary != nil},
		{"Bus", o.Bus != nil},
		{"NewClient", o.NewClient != nil},
		{"Seal", o.Seal != nil},
		{"Cleaner", o.Cleaner != nil},
		{"Owner", o.Owner != ""},
		{"Logger", o.Logger != nil},
		{"Metrics", o.Metrics != nil},
	} {
		if !field.set {
			errs = append(errs, fmt.Errorf("%s is not set", field.name))
		}
	}
	if o.LeaseTTL < 0 || o.LookEvery < 0 || o.MaxPolls < 0 || o.MaxRefreshes < 0 || o.MaxSlices < 0 || o.IdleAfter < 0 {
		errs = append(errs, errors.New("a duration or limit is negative"))
	}
	return errors.Join(errs...)
}

// Syncer is one replica of the service.
type Syncer struct {
	opts   Options
	log    *slog.Logger
	polls  chan struct{} // a slot each
	reads  chan struct{} // a slot each
	slices chan struct{} // a slot each
	diary  diary

	waiting atomic.Int64 // polls that run or wait
	slicing atomic.Int64 // slices that run or wait

	// review and overtaken decide what may close and which answer is too old. They are fields so that a test can put a
	// wrong one in and see that another test notices.
	review    func(hold *mirror.Hold, public int, vanished []string, now time.Time) ([]string, *mirror.Hold, bool)
	overtaken func(sentAt, newest time.Time) bool

	mu    sync.Mutex
	owned map[int]*partition

	swept map[mirror.Hint]time.Time // hints that the sweeper published again, and when; the sweeper's alone
}

// New checks the options and returns a syncer that does nothing yet.
func New(opts Options) (*Syncer, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("syncer options: %w", err)
	}
	s := &Syncer{
		opts: opts, log: opts.Logger,
		polls: make(chan struct{}, opts.MaxPolls), reads: make(chan struct{}, opts.MaxRefreshes),
		slices: make(chan struct{}, opts.MaxSlices),
		review: mirror.ReviewAbsence, overtaken: time.Time.Before,
		owned: map[int]*partition{}, swept: map[mirror.Hint]time.Time{},
	}
	opts.Metrics.paces.of.Store(s)
	return s, nil
}

// Run takes partitions and works on them until ctx ends or a loop fails. When it returns, nothing that it started is
// running and its partitions are free for others.
func (s *Syncer) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.holdLeases(ctx) })
	g.Go(func() error { return pulse.New(s.opts.Schedule, "syncer", s.log).Run(ctx) })
	for _, l := range []struct {
		name  string
		every time.Duration
		work  func(context.Context) error
	}{
		{"schedule", scheduleEvery, s.schedule},
		{"sweep", sweepEvery, s.sweep},
		{"watch", watchEvery, s.watch},
		{"diary", diaryEvery, s.writeDiary},
	} {
		g.Go(func() error {
			return loop.Every(ctx, loop.Options{Interval: l.every, Jitter: 0.1, OnError: func(ctx context.Context, err error) {
				s.opts.Metrics.loopErrors.WithLabelValues(l.name).Inc()
				s.log.WarnContext(ctx, "round of a loop failed", "loop", l.name, "error", err)
			}}, l.work)
		})
	}
	err := g.Wait()
	s.closeDiary(ctx)
	return err
}

// Parts are the partitions that are worked on now, in order.
func (s *Syncer) Parts() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := make([]int, 0, len(s.owned))
	for part, p := range s.owned {
		if !p.ended() {
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	return parts
}

// partition is the owned partition, nil if it is not ours.
func (s *Syncer) partition(part int) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.owned[part]; p != nil && !p.ended() {
		return p
	}
	return nil
}
