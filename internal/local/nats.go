package local

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// defaultMaxStore bounds what all streams together may take of the disk.
	defaultMaxStore = 16 << 30
	// maxMemory bounds the streams that live in memory, which is only HINTS.
	maxMemory = 256 << 20
	// maxPayload is the largest message, in bytes: what the stream of events takes. The default of 1 MiB is less, and an
	// event above it would wait for ever.
	maxPayload = 8 << 20
	// natsStart is how long the server may take to read its streams.
	natsStart = 30 * time.Second
)

// NATSOptions say what server to run.
type NATSOptions struct {
	// Dir is the folder for the streams; it is made if absent and locked while the server runs, since two servers on one
	// folder lose acknowledged messages without an error.
	Dir string
	// Addr is where to listen, as host:port; port 0 takes a free one. Empty listens nowhere: InProcessConn connects.
	Addr string
	// AnyPort takes a free port of the same host when that of Addr is taken.
	AnyPort bool
	// MaxStore bounds what all streams together may take of the disk, in bytes; 0 means 16 GiB.
	MaxStore int64
	// Accounts are who may connect and do what; nil lets everybody do everything.
	Accounts *Accounts
	// Logger takes the server's output; nil drops it.
	Logger *slog.Logger
}

// NATS is a NATS server with JetStream inside this process.
type NATS struct {
	server *server.Server
	listen bool
	lock   *Lock
	stop   func() error
}

// StartNATS runs a server that fsyncs every message before it acknowledges it, and returns when it takes connections.
// The error is ErrInUse when another process has the folder, and syscall.EADDRINUSE when the address is taken and
// AnyPort is not set. The server installs no signal handler: it runs until Stop.
func StartNATS(opts NATSOptions) (_ *NATS, err error) {
	if !filepath.IsAbs(opts.Dir) {
		return nil, fmt.Errorf("starting NATS: its folder %q is not an absolute path", opts.Dir)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	n := &NATS{listen: opts.Addr != ""}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting NATS: %w", err), n.release())
		}
	}()
	config, err := natsConfig(opts)
	if err != nil {
		return nil, err
	}
	if n.lock, err = LockDir(opts.Dir); err != nil {
		return nil, err
	}
	if opts.Accounts != nil {
		if err = adoptStreams(opts.Dir); err != nil {
			return nil, err
		}
	}
	if err = n.launch(config, opts.Logger); err != nil && opts.AnyPort && errors.Is(err, syscall.EADDRINUSE) {
		config.Port = server.RANDOM_PORT
		err = n.launch(config, opts.Logger)
	}
	if err != nil {
		return nil, err
	}
	n.stop = sync.OnceValue(func() error {
		n.halt()
		return n.release()
	})
	return n, nil
}

// URL is where clients connect, or "" when the server does not listen.
func (n *NATS) URL() string {
	if !n.listen {
		return ""
	}
	return "nats://" + n.Addr()
}

// Addr is where the server listens, as host:port, or "" when it does not.
func (n *NATS) Addr() string {
	if addr := n.server.Addr(); n.listen && addr != nil {
		return addr.String()
	}
	return ""
}

// InProcessConn connects without the network; it makes NATS a provider for nats.InProcessServer.
func (n *NATS) InProcessConn() (net.Conn, error) { return n.server.InProcessConn() }

// Stop ends the server and returns when everything is written and the folder is released. Stop its clients before. More
// calls do nothing and return the same.
func (n *NATS) Stop() error { return n.stop() }

// natsConfig is the server's configuration.
func natsConfig(opts NATSOptions) (*server.Options, error) {
	config := &server.Options{
		ServerName: "ashbridge",
		// Our own process handles signals; the server's handler would end it with os.Exit.
		NoSigs:    true,
		JetStream: true,
		StoreDir:  opts.Dir,
		// The default fsyncs every two minutes, and a power cut loses what it acknowledged since.
		SyncAlways:             true,
		MaxPayload:             maxPayload,
		JetStreamMaxStore:      opts.MaxStore,
		JetStreamMaxMemory:     maxMemory,
		DisableJetStreamBanner: true,
	}
	if config.JetStreamMaxStore <= 0 {
		config.JetStreamMaxStore = defaultMaxStore
	}
	if opts.Accounts != nil {
		if err := opts.Accounts.apply(config); err != nil {
			return nil, err
		}
	}
	if opts.Addr == "" {
		config.DontListen = true
		return config, nil
	}
	host, port, err := net.SplitHostPort(opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("reading the address to listen on: %w", err)
	}
	if config.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("reading the port to listen on: %w", err)
	}
	config.Host = host
	if config.Port == 0 {
		config.Port = server.RANDOM_PORT
	}
	return config, nil
}

// launch starts a server and waits until it takes connections; after an error nothing of it is left.
func (n *NATS) launch(config *server.Options, logger *slog.Logger) error {
	if err := portFree(config); err != nil {
		return err
	}
	// The server changes its options as it starts.
	made, err := server.NewServer(config.Clone())
	if err != nil {
		return err
	}
	log := &natsLog{logger: logger, fatal: make(chan string, 1)}
	made.SetLoggerV2(log, false, false, false)
	n.server = made
	made.Start()
	for until := time.Now().Add(natsStart); !made.ReadyForConnections(100 * time.Millisecond); {
		select {
		case cause := <-log.fatal:
			n.halt()
			return errors.New(cause)
		default:
		}
		if time.Now().After(until) {
			n.halt()
			return fmt.Errorf("not ready after %s", natsStart)
		}
	}
	if !made.JetStreamEnabled() {
		n.halt()
		return fmt.Errorf("no JetStream in %s", config.StoreDir)
	}
	return nil
}

// portFree says whether the server will be able to listen, with an error that can be told apart; its own says so in
// words only.
func portFree(config *server.Options) error {
	if config.DontListen || config.Port == server.RANDOM_PORT {
		return nil
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(config.Host, strconv.Itoa(config.Port))) //nolint:noctx // it does not block
	if err != nil {
		return err
	}
	return ln.Close()
}

// halt ends the server. Without the wait its files may be cut off in the middle of a write.
func (n *NATS) halt() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// release gives the folder back.
func (n *NATS) release() error {
	if n.lock == nil {
		return nil
	}
	return n.lock.Unlock()
}

// natsLog passes the server's output on and keeps the first fatal line, after which it does not get ready.
type natsLog struct {
	logger *slog.Logger
	fatal  chan string
}

// Noticef takes what is of interest to somebody who looks into something.
func (l *natsLog) Noticef(format string, args ...any) { l.logger.Debug("nats", line(format, args)) }

// Warnf takes what may be wrong.
func (l *natsLog) Warnf(format string, args ...any) { l.logger.Warn("nats", line(format, args)) }

// Errorf takes what is wrong.
func (l *natsLog) Errorf(format string, args ...any) { l.logger.Error("nats", line(format, args)) }

// Fatalf takes what the server cannot go on with. It returns, other than the server's own logger: ending the process is
// not for a library.
func (l *natsLog) Fatalf(format string, args ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, args...):
	default:
	}
	l.logger.Error("nats", line(format, args))
}

// Debugf is never called, since debugging is not switched on.
func (l *natsLog) Debugf(string, ...any) {}

// Tracef is never called, since tracing is not switched on; it would show messages.
func (l *natsLog) Tracef(string, ...any) {}

// line is a line of the server's output.
func line(format string, args []any) slog.Attr {
	return slog.String("line", fmt.Sprintf(format, args...))
}
