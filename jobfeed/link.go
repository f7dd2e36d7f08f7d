package jobfeed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// closing bounds the wait for the client library when a connection ends.
const closing = 2 * time.Second

// link is one connection to NATS. It never reconnects: after an interruption a new one is made, so that what was on its
// way over the old one, an acknowledgement above all, can never reach a server that was rebuilt meanwhile.
type link struct {
	nc *nats.Conn
	js jetstream.JetStream

	// down is closed once the connection has failed or ended; err says why.
	down   chan struct{}
	once   sync.Once
	err    error
	closed chan struct{}
}

// connect tries each server once.
func (o Options) connect(ctx context.Context) (*link, error) {
	l := &link{down: make(chan struct{}), closed: make(chan struct{})}
	d := &dialer{ctx: ctx, timeout: o.pace.call}
	nc, err := nats.Connect(o.URL, append(append([]nats.Option{}, o.NATS...), o.required(l, d)...)...)
	d.connected()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, o.explained(fmt.Errorf("connecting: %w", err))
	}
	l.nc = nc
	if l.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(o.pace.call)); err != nil {
		l.close()
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return l, nil
}

// required are the options that the feed rests on.
func (o Options) required(l *link, d *dialer) []nats.Option {
	out := []nats.Option{
		nats.Name("jobfeed"),
		nats.Timeout(o.pace.call),
		nats.NoReconnect(),
		// A write into a dead connection must not hold the feed up for long.
		nats.FlusherTimeout(o.pace.call),
		nats.PingInterval(o.pace.ping),
		nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) {
			if isRefusal(err) {
				l.note(o.explained(err))
				nc.Close()
			}
		}),
		nats.ClosedHandler(func(nc *nats.Conn) {
			err := nc.LastError()
			if err == nil {
				err = errors.New("the connection was closed")
			}
			l.note(o.explained(err))
			close(l.closed)
		}),
	}
	if o.User != "" {
		out = append(out, nats.UserInfo(o.User, o.Password), nats.CustomInboxPrefix("_INBOX_"+o.User))
	}
	if len(o.NATS) == 0 {
		// Given options may bring a dialer or an in-process server of their own.
		out = append(out, nats.SetCustomDialer(d))
	}
	return out
}

// note says that the connection is of no use any more; the first reason counts.
func (l *link) note(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.down)
	})
}

// reason prefers why the connection ended to the error that followed from it.
func (l *link) reason(err error) error {
	select {
	case <-l.down:
		return l.err
	default:
		return err
	}
}

// close ends the connection and waits for the library's goroutines.
func (l *link) close() {
	l.nc.Close()
	select {
	case <-l.closed:
	case <-time.After(closing):
	}
}

// dialer lets the end of a context interrupt a connection that is being made, which the library does not.
type dialer struct {
	ctx     context.Context // the library's interface passes none
	timeout time.Duration

	mu    sync.Mutex
	stops []func() bool
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: d.timeout}).DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stops = append(d.stops, context.AfterFunc(d.ctx, func() { _ = c.Close() }))
	return c, nil
}

// connected lets the connection outlive the context.
func (d *dialer) connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, stop := range d.stops {
		stop()
	}
	d.stops = nil
}
