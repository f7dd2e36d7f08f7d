// Package webhook posts events to endpoints of job boards, for those that do not read NATS.
//
// It promises that every delivery that the relay made is sent until the endpoint takes it, by the Standard Webhooks
// specification: the same webhook-id each time, at least once, and of one job strictly in order. While a delivery waits for
// another try, the later ones of its job at that endpoint wait behind it, and nothing else does. One that no try in a day
// could deliver is given up, and its job goes on. No older version is sent once a newer one was delivered, whatever is
// replayed meanwhile. An endpoint that took nothing for five days is paused, one that answers
// 410 is disabled; both show in the API, in a metric and in the log.
//
// Every endpoint has a slot of its own, and more out of a common pool, so that no slow endpoint delays another. After
// several failures in a row an endpoint gets one probe at a time until it answers again.
//
// One process sends, under a lease; others stand by. What it has in hand is in memory alone: after a crash the next one
// sends again what was sent and not noted. Deliveries are rows that an outage of Postgres only delays.
package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/courier"
	"github.com/bebitcoiner/ashbridge/internal/lease"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// LeaseName is the name of the sender's lease.
const LeaseName = "webhooks"

// Options configure a Sender.
type Options struct {
	Store Store
	// Send posts a message once.
	Send func(ctx context.Context, m courier.Message) courier.Result
	// Open opens an endpoint's sealed secret.
	Open func(sealed mirror.Sealed, endpoint, kind string) (ashby.Secret, error)
	// OnWake calls wake whenever there may be something to send, until unsubscribe.
	OnWake func(wake func()) (unsubscribe func(), err error)
	// Owner names this process among those that may send; it must be unique.
	Owner string
	// LeaseTTL is how long the lease outlives its last renewal; 15 s where zero.
	LeaseTTL time.Duration
	// Idle is the pause between two looks for what is due, unless woken; 250 ms where zero.
	Idle time.Duration
	// PerEndpoint bounds the messages on their way to one endpoint, 8 where zero; Shared those beyond each endpoint's first,
	// 64 where zero.
	PerEndpoint, Shared int
	Logger              *slog.Logger
	Registerer          prometheus.Registerer
	// Now gives the times of attempts; time.Now where nil.
	Now func() time.Time
}

func (o *Options) setDefaults() error {
	if o.Store == nil || o.Send == nil || o.Open == nil || o.OnWake == nil || o.Owner == "" {
		return errors.New("the sender of webhooks needs a store, a courier, a keyset, a wake-up and an owner")
	}
	if o.LeaseTTL <= 0 {
		o.LeaseTTL = 15 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 250 * time.Millisecond
	}
	if o.PerEndpoint <= 0 {
		o.PerEndpoint = 8
	}
	if o.Shared <= 0 {
		o.Shared = 64
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
	return nil
}

// Sender sends webhooks. Use New.
type Sender struct {
	Options
	metrics *metrics
}

// New returns a Sender that does nothing before Run.
func New(o Options) (*Sender, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &Sender{Options: o, metrics: m}, nil
}

// Run sends whenever it holds the lease, until ctx ends. What goes wrong meanwhile is logged, counted and tried again; an
// error is returned only where nothing could be started.
func (s *Sender) Run(ctx context.Context) error {
	signal := make(chan struct{}, 1)
	unsubscribe, err := s.OnWake(func() { poke(signal) })
	if err != nil {
		return err
	}
	defer unsubscribe()
	lease.Holder{
		Store: s.Store, Name: LeaseName, Owner: s.Owner, TTL: s.LeaseTTL, Logger: s.Logger,
		OnHeld:    s.metrics.showLease,
		OnFailure: func() { s.metrics.failures.WithLabelValues(failureStore).Inc() },
	}.Run(ctx, func(ctx context.Context) { newTerm(s, signal).run(ctx) })
	return nil
}

// poke leaves a signal, unless one waits already.
func poke(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
