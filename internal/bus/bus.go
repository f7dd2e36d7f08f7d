// Package bus is Ashbridge's side of NATS: the connection, the streams' shapes and names, hints, spilled webhooks, the
// relay's atomic batches and what it reads back.
//
// It promises that a publish that returned an error is never stored later behind the caller's back, that the streams
// come back after NATS lost them, and that it deletes no stream. While NATS is away every call returns an error soon;
// nothing is queued in memory.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// apiTimeout bounds a call of JetStream's API.
	apiTimeout = 5 * time.Second
	// askTimeout bounds those that cost the server little and are asked again: in a cluster, what is asked while a stream has
	// no leader is never answered, and the longer it is waited for, the later it is seen that there is one again.
	askTimeout = 1500 * time.Millisecond
	// closeTimeout bounds the wait for the client library when the bus closes.
	closeTimeout     = 2 * time.Second
	maxReconnectWait = 2 * time.Second
)

// Options configure a Bus.
type Options struct {
	// URL is the server's address, or several separated by commas.
	URL string
	// Name shows the connection in NATS's monitoring.
	Name string
	// CredentialsFile is a NATS credentials file; empty for none.
	CredentialsFile string
	// InProcess connects to a server in this process instead of URL; nil for none.
	InProcess nats.InProcessConnProvider
	Logger    *slog.Logger
	// Replicas is how many servers keep each stream: 1 (also for 0), 3 or 5. Durable consumers follow their stream.
	Replicas int
	// Records says that there is to be a stream RECORDS. Without it none is made, and one that is there is left alone.
	Records bool
	// MaxBytesJobs, MaxBytesSpill and MaxBytesRecords bound the streams on disk: 4 GiB, 512 MiB and 4 GiB where zero. The
	// server refuses a stream whose bound is above its own limits.
	MaxBytesJobs, MaxBytesSpill, MaxBytesRecords int64
	// Service is a user of ops/nats, which changes the shape of its own streams alone and leaves the others to theirs; empty
	// for who may do everything.
	Service string
	// Reader makes and changes no stream.
	Reader bool
}

func (o *Options) setDefaults() error {
	if o.URL == "" && o.InProcess == nil {
		return errors.New("bus needs a NATS URL")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Replicas, 1)
	setDefault(&o.MaxBytesJobs, 4<<30)
	setDefault(&o.MaxBytesSpill, 512<<20)
	setDefault(&o.MaxBytesRecords, 4<<30)
	return nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Bus is a connection to NATS with Ashbridge's streams. It is safe for concurrent use.
type Bus struct {
	opts   Options
	log    *slog.Logger
	nc     *nats.Conn
	js     jetstream.JetStream
	link   *link
	closed chan struct{}
	stop   context.CancelFunc
	// mayNotRead says that the server refused to let this user read JOBS.
	mayNotRead atomic.Bool
	wg         sync.WaitGroup

	ensure sync.Mutex // one EnsureStreams at a time
	spill  spillReader
}

// Connect returns a Bus at once, connected or not: a server that is away is tried for as long as the Bus lives, and the
// streams are created or updated after each connect, in the background, until that works. ctx bounds nothing but gives
// its values; call Close to end the Bus.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	b := &Bus{opts: o, log: o.Logger, link: newLink(), closed: make(chan struct{})}
	nc, err := nats.Connect(o.URL, b.natsOptions()...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	b.nc = nc
	b.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(apiTimeout))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	b.wg.Go(func() { b.keepStreams(life) })
	return b, nil
}

func (b *Bus) natsOptions() []nats.Option {
	o := []nats.Option{
		nats.Name(b.opts.Name),
		nats.Timeout(2 * time.Second),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		// Else two refusals of the credentials, during their rotation perhaps, end the connection for good.
		nats.IgnoreAuthErrorAbort(),
		// Without this the library keeps what was published while disconnected, reports it as failed, and sends it later.
		nats.ReconnectBufSize(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		// A silent network is noticed after two missed answers.
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) {
			b.link.up()
			b.log.Info("connected to NATS")
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			b.link.up()
			b.log.Info("reconnected to NATS")
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.link.down()
			if err != nil {
				b.log.Warn("lost the connection to NATS", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("NATS reported an error", "error", err)
			if refusesReading(err) {
				b.mayNotRead.Store(true)
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	if b.opts.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(b.opts.CredentialsFile))
	}
	if b.opts.InProcess != nil {
		o = append(o, nats.InProcessServer(b.opts.InProcess))
	}
	return o
}

// reconnectDelay grows from 50 ms to 2 s, with jitter, so that a restart costs little and a long outage few attempts.
func reconnectDelay(attempts int) time.Duration {
	d := min(50*time.Millisecond<<min(attempts, 10), maxReconnectWait)
	return d/2 + rand.N(d/2)
}

// Close ends the connection. Callers of Hints and the like have returned before; what they published is flushed.
func (b *Bus) Close() {
	b.stop()
	b.wg.Wait()
	if b.nc.IsConnected() {
		_ = b.nc.FlushTimeout(time.Second) // best effort: every publish that matters awaited its own answer
	}
	b.nc.Close()
	select {
	case <-b.closed:
	case <-time.After(closeTimeout):
		b.log.Warn("NATS client did not close in time")
	}
}

// Ready says that the server is connected and the streams are right.
func (b *Bus) Ready() bool {
	generation, ensured, _ := b.link.state()
	return b.nc.IsConnected() && generation > 0 && ensured == generation
}

// WaitReady waits until Ready is true.
func (b *Bus) WaitReady(ctx context.Context) error {
	for {
		_, _, changed := b.link.state()
		if b.Ready() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for NATS: %w", ctx.Err())
		}
	}
}

// Connected says whether the server is connected, and Generation counts the connections made so far: a new number means
// that the server may have been restarted and its streams may have changed.
func (b *Bus) Connected() bool { return b.nc.IsConnected() }

// Generation counts the connections made so far.
func (b *Bus) Generation() uint64 {
	generation, _, _ := b.link.state()
	return generation
}

// JetStream gives the JetStream context, for what has no method here.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Conn gives the connection, for what has no method here.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// call bounds one call of the server by time and by the life of the connection.
func (b *Bus) call(ctx context.Context, timeout time.Duration) (bounded context.Context, done func()) {
	timed, cancel := context.WithTimeout(ctx, timeout)
	joined, leave := b.link.join(timed)
	return joined, func() {
		leave()
		cancel()
	}
}
