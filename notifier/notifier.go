// Package notifier is the relay: it takes committed events from the outbox to the stream JOBS.
//
// It promises that every committed event reaches the stream, per job in the order of its versions, and that no event
// stands in the stream twice, whatever crashes. It publishes atomic batches that the server takes only if the stream
// ends where the relay believes it to end; after any doubt it reads the stream before it sends anything again. It knows
// how many messages the stream must hold, to the last one, and looks every ten seconds; on a new connection and once an
// hour it compares all of the stream with Postgres. What the stream lost it publishes again from the log, with the same
// ids and versions; what others wrote into it, it removes. Jobs that were closed long ago leave the stream whole; one
// that opens again goes on with its next version.
//
// Where that is wanted, a second relay beside it keeps the present state of every mirrored record on the stream RECORDS.
// There a message may come twice, and of several changes in a short time only the last is told; no older state ever
// follows a newer one, and nothing that is sealed leaves the database. A stream that lost something is filled anew.
//
// It also keeps the consumers of job boards: one that NATS lost is made again within AuditEvery, and begins with a snapshot.
//
// One process relays, under a lease; others stand by. One that lost NATS leaves the lease to one that has it. While NATS or
// Postgres is away from all, events wait in the outbox.
package notifier

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/lease"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
	"github.com/bebitcoiner/ashbridge/notifier/fleet"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Options configure a Notifier.
type Options struct {
	Store Store
	Bus   *bus.Bus
	// Records says that RECORDS is fed, from RecordStore. Where only the store is given, a stream that was fed before is
	// emptied, since nobody would remove from it what is to be forgotten.
	Records     bool
	RecordStore RecordStore
	// BoardStore keeps the job boards whose consumers are looked after; nil for none.
	BoardStore BoardStore
	// Fleet is where the figures of all connections together are read from while this process relays; nil for none.
	Fleet fleet.Store
	// Connections bounds for how many connections series of their own are shown; nil for none.
	Connections *telemetry.Bounded
	// Owner names this process among those that may relay; it must be unique.
	Owner string
	// LeaseTTL is how long the lease outlives its last renewal; 15 s where zero. It is renewed three times as often.
	LeaseTTL time.Duration
	// BusPatience is how long this process relays on without NATS while another has it; 30 s where zero.
	BusPatience time.Duration
	// Idle is the pause between two looks into an empty outbox; 100 ms where zero.
	Idle time.Duration
	// RecordIdle is the pause between two looks for changed records while there are none, 500 ms where zero; a fifth of it
	// while there are.
	RecordIdle time.Duration
	// AuditEvery is the pause between two looks at the stream's state, at the boards' consumers and at the fleet; 10 s where
	// zero.
	AuditEvery time.Duration
	// CompareEvery is the pause between two readings of the whole stream, at a moment when nothing waits; 1 h where zero. It
	// is read too where anything looks wrong, and on a new connection, then not more often than every AuditEvery.
	CompareEvery time.Duration
	// ExpireEvery is the pause between two looks for jobs that were closed longer than mirror.ClosedKept ago, which
	// leave the stream; 1 h where zero. The first look is soon after this process began to relay.
	ExpireEvery time.Duration
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
	// Now gives the time of events; time.Now where nil.
	Now func() time.Time
	// OnPublished is called for each event of the outbox once the server has it, in order, on the relay's goroutine; not
	// for what a repair publishes again. Nil for none.
	OnPublished func(events.Event, mirror.Outgoing)
}

func (o *Options) setDefaults() error {
	if o.Store == nil || o.Bus == nil || o.Owner == "" {
		return errors.New("notifier needs a store, a bus and an owner")
	}
	if o.Records && o.RecordStore == nil {
		return errors.New("notifier needs a store of records")
	}
	if o.RecordIdle <= 0 {
		o.RecordIdle = 500 * time.Millisecond
	}
	if o.LeaseTTL <= 0 {
		o.LeaseTTL = 15 * time.Second
	}
	if o.BusPatience <= 0 {
		o.BusPatience = 30 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 100 * time.Millisecond
	}
	if o.AuditEvery <= 0 {
		o.AuditEvery = 10 * time.Second
	}
	if o.CompareEvery <= 0 {
		o.CompareEvery = time.Hour
	}
	if o.ExpireEvery <= 0 {
		o.ExpireEvery = time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Connections == nil {
		o.Connections = telemetry.NewBounded("connection", 0)
	}
	if o.OnPublished == nil {
		o.OnPublished = func(events.Event, mirror.Outgoing) {}
	}
	return nil
}

// Notifier relays events. Use New.
type Notifier struct {
	Options
	metrics *metrics
	recent  recent
	// fleet is nil where there is no store for it.
	fleet *fleet.Watcher
}

// New returns a Notifier that does nothing before Run.
func New(o Options) (*Notifier, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer, o.Records)
	if err != nil {
		return nil, err
	}
	o.Connections.Follow(func(id string) { m.connectionLag.WithLabelValues(id) }, m.connectionLag)
	n := &Notifier{Options: o, metrics: m}
	if o.Fleet != nil {
		n.fleet, err = fleet.New(fleet.Options{
			Store: o.Fleet, Bus: o.Bus, Named: o.Connections.Limit(), Every: o.AuditEvery, Logger: o.Logger, Now: o.Now,
			OnFailure: func() { m.failures.WithLabelValues(failureFleet).Inc() },
		}, o.Registerer)
	}
	return n, err
}

// Run relays whenever it holds the lease, until ctx ends. What goes wrong meanwhile is logged, counted and tried again;
// an error is returned only where nothing could be started.
func (n *Notifier) Run(ctx context.Context) error {
	wake, wakeRecords := make(chan struct{}, 1), make(chan struct{}, 1)
	unsubscribe, err := n.Bus.OnWake(func() {
		for _, c := range []chan struct{}{wake, wakeRecords} {
			select {
			case c <- struct{}{}:
			default: // a wake-up is waiting already
			}
		}
	})
	if err != nil {
		return err
	}
	defer unsubscribe()
	h := &handover{Notifier: n}
	defer h.withdraw(ctx)
	n.term(h.may).Run(ctx, func(ctx context.Context) {
		ctx, giveUp := context.WithCancel(ctx)
		defer giveUp()
		var beside sync.WaitGroup
		beside.Go(func() {
			h.withdraw(ctx)
			h.watch(ctx, giveUp)
		})
		beside.Go(func() { n.runRecords(ctx, wakeRecords) })
		if n.fleet != nil {
			beside.Go(func() { n.fleet.Run(ctx) })
		}
		if n.BoardStore != nil {
			beside.Go(func() { n.runBoards(ctx) })
		}
		newRelay(n, wake).run(ctx)
		beside.Wait()
	})
	return nil
}

// term is the lease under which this process relays.
func (n *Notifier) term(may func(ctx context.Context) bool) lease.Holder {
	return lease.Holder{
		Store: n.Store, Name: LeaseName, Owner: n.Owner, TTL: n.LeaseTTL, Logger: n.Logger, May: may,
		OnHeld: func(held bool) {
			n.metrics.leaseHeld.Set(0)
			if held {
				n.metrics.leaseHeld.Set(1)
				n.metrics.terms.Inc()
			}
		},
		OnFailure: func() { n.metrics.failures.WithLabelValues(failureStore).Inc() },
	}
}
