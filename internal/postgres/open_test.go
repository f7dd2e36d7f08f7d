package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

func TestOpenRefusesAServerThatMayLoseCommits(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Options{URL: localtest.Database(t)})
	if err == nil || !strings.Contains(err.Error(), "fsync") {
		t.Errorf("fsync=off: %v", err)
	}
}

func TestOpenNeverRepeatsThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://user:hunter2@host:notaport/db",
		"postgres://user:hunter2@127.0.0.1:1/db",
		"postgres://user:hunter2@%zz/db",
		"user=u password=hunter2 sslmode=nonsense",
	} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestOpenOfNobodyIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://u@127.0.0.1:1/db"})
	if !errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// A server that takes the connection and then says nothing must not hold a caller, whose context never ends, for longer
// than the timeouts say.
func TestASilentServerHoldsNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns errgroup.Group
	conns.Go(func() error {
		for {
			c, err := l.Accept()
			if err != nil {
				return nil //nolint:nilerr // the listener was closed, which ends this
			}
			conns.Go(func() error {
				_, err := io.Copy(io.Discard, c)
				return errors.Join(err, c.Close())
			})
		}
	})
	start := time.Now()
	_, err = postgres.Open(context.WithoutCancel(t.Context()), postgres.Options{
		URL: "postgres://u@" + l.Addr().String() + "/db", ConnectTimeout: 300 * time.Millisecond,
	})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if !errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := conns.Wait(); err != nil {
		t.Error(err)
	}
}

// A network that goes silent under an open connection ends a call by the network timeout, whatever its context says.
func TestASilentNetworkEndsACall(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(localtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := newProxy(t, parsed)
	db := open(t, postgres.Options{
		URL:              proxy.url,
		StatementTimeout: 200 * time.Millisecond, IOTimeout: 500 * time.Millisecond, MaxConns: 1,
	})
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.silent.Store(true)
	start := time.Now()
	_, err = db.Gateway().KeyInUse(t.Context(), []byte("x"))
	if !errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A call on a network that went silent ends soon after its context does, and so does a transaction with its commit, and
// the opening of a connection. Otherwise everything that is bounded by a context, and the end of a process, would take as
// long as the timeouts of the network.
func TestASilentNetworkEndsACallWithItsContext(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(localtest.Migrated(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(ctx context.Context, db *postgres.DB) error{
		"a ping": func(ctx context.Context, db *postgres.DB) error { return db.Ping(ctx) },
		"a query": func(ctx context.Context, db *postgres.DB) error {
			_, err := db.Gateway().KeyInUse(ctx, []byte("x"))
			return err
		},
		"a statement":      func(ctx context.Context, db *postgres.DB) error { return db.Notifier().Release(ctx, "x", "y") },
		"a transaction":    func(ctx context.Context, db *postgres.DB) error { return db.Syncer().Release(ctx, "y") },
		"a new connection": func(ctx context.Context, db *postgres.DB) error { return db.Migrate(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := newProxy(t, parsed)
			db := open(t, postgres.Options{URL: proxy.url, MaxConns: 1})
			if err := db.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			proxy.silent.Store(true)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := call(ctx, db); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// Reading a result ends soon after its context does, also where the network goes silent in the middle of it.
func TestASilentNetworkEndsTheReadingOfAResult(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(localtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]any{"a plain query": nil, "a query with arguments": {1_000_000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := newProxy(t, parsed)
			db := open(t, postgres.Options{URL: proxy.url, MaxConns: 1})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			query := `SELECT generate_series(1, 1000000)`
			if len(args) > 0 {
				query = `SELECT generate_series(1, CAST($1 AS int))`
			}
			rows, err := db.Pool().QueryContext(ctx, query, args...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = rows.Close() }()
			if !rows.Next() {
				t.Fatalf("no row: %v", rows.Err())
			}
			proxy.silent.Store(true)
			start := time.Now()
			time.AfterFunc(100*time.Millisecond, cancel)
			read := 1
			for rows.Next() {
				read++
			}
			if rows.Err() == nil {
				t.Error("the result has an end")
			}
			if took := time.Since(start); took > 3*time.Second || read == 1_000_000 {
				t.Errorf("it took %s for %d rows", took, read)
			}
			proxy.silent.Store(false)
			if err := db.Ping(t.Context()); err != nil {
				t.Errorf("the connection afterwards: %v", err)
			}
		})
	}
}

// Rows that were read to their end leave nothing behind that their context could break.
func TestAContextThatEndsAfterItsRowsBreaksNothing(t *testing.T) {
	t.Parallel()
	db := open(t, postgres.Options{URL: localtest.Database(t), MaxConns: 1})
	session := func(ctx context.Context) (pid int) {
		t.Helper()
		if err := db.Pool().QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	ctx, cancel := context.WithCancel(t.Context())
	before := session(ctx)
	cancel()
	<-time.After(2 * postgres.CancelGrace)
	if after := session(t.Context()); after != before {
		t.Errorf("session %d became %d", before, after)
	}
}

// proxy forwards TCP connections to the server's socket until it is told to go silent.
type proxy struct {
	url    string
	silent atomic.Bool
}

func newProxy(t *testing.T, server *url.URL) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket := server.Query().Get("host") + "/.s.PGSQL.5432"
	through := *server
	through.Host, through.RawQuery = l.Addr().String(), ""
	p := &proxy{url: through.String()}
	var work errgroup.Group
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	work.Go(func() error {
		for {
			in, err := l.Accept()
			if err != nil {
				return nil //nolint:nilerr // the listener was closed, which ends this
			}
			out, err := net.Dial("unix", socket)
			if err != nil {
				return err
			}
			context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })
			work.Go(func() error { return p.forward(in, out) })
			work.Go(func() error { return p.forward(out, in) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		_ = work.Wait()
	})
	return p
}

func (p *proxy) forward(from, to net.Conn) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return to.Close()
		}
		if p.silent.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return from.Close()
		}
	}
}

func TestAStatementThatTakesTooLongIsUnavailable(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	db := open(t, postgres.Options{URL: b.url, StatementTimeout: 200 * time.Millisecond})
	tx := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = tx.Rollback() }()
	tx.MustExecContext(t.Context(), `SELECT id FROM connections FOR UPDATE`)
	if err := db.Gateway().MakeDue(t.Context(), "acme"); !errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := db.Gateway().MakeDue(ctx, "acme")
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mirror.ErrUnavailable) {
		t.Errorf("a context that ended: %v", err)
	}
}
