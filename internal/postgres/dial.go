package postgres

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// deadlineDialer makes connections on which no single read or write waits longer than timeout. lib/pq interrupts nothing
// by itself when the network goes silent: a context that ended after one second was measured to hang for over a minute.
type deadlineDialer struct {
	timeout time.Duration
	// last is the latest connection that was made.
	last atomic.Pointer[deadlineConn]
}

// Dial satisfies pq.Dialer.
func (d *deadlineDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialTimeout(network, address, d.timeout)
}

// DialTimeout satisfies pq.Dialer.
func (d *deadlineDialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, timeout) //nolint:noctx // lib/pq's interface gives no context here
	if err != nil {
		return nil, err
	}
	return d.made(conn), nil
}

// DialContext satisfies pq.DialerContext.
func (d *deadlineDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: d.timeout}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return d.made(conn), nil
}

func (d *deadlineDialer) made(conn net.Conn) *deadlineConn {
	c := &deadlineConn{Conn: conn, timeout: d.timeout}
	d.last.Store(c)
	return c
}

// deadlineConn sets a fresh deadline before each read and write, unless an earlier one was set from outside.
type deadlineConn struct {
	net.Conn
	timeout time.Duration
	// limit is the deadline set from outside in Unix nanoseconds, 0 for none. lib/pq sets one while it connects.
	limit atomic.Int64
	once  sync.Once
}

// Close closes the connection; more calls do nothing, as whoever broke it need not be who gives it back.
func (c *deadlineConn) Close() (err error) {
	c.once.Do(func() { err = c.Conn.Close() })
	return err
}

// SetDeadline sets the outer deadline.
func (c *deadlineConn) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.limit.Store(0)
	} else {
		c.limit.Store(t.UnixNano())
	}
	return c.Conn.SetDeadline(t)
}

// Read reads within the deadline.
func (c *deadlineConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(c.next()); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write writes within the deadline.
func (c *deadlineConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(c.next()); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *deadlineConn) next() time.Time {
	next := time.Now().Add(c.timeout)
	if limit := c.limit.Load(); limit != 0 && limit < next.UnixNano() {
		return time.Unix(0, limit)
	}
	return next
}
