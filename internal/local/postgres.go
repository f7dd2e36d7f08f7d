package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

// defaultMaxConns is PostgreSQL's own default.
const defaultMaxConns = 100

// occupiedTimeout is how long a server that an earlier, killed process left behind may take to go.
const occupiedTimeout = 30 * time.Second

// readyPoll is how often a starting server is looked at; a start takes about 50 ms.
const readyPoll = 5 * time.Millisecond

// PostgresOptions say what server to run.
type PostgresOptions struct {
	// Dir is the folder for the data and what belongs to it; it is made if absent and locked while the server runs.
	Dir string
	// BinDir is the folder with PostgreSQL's programs; empty looks for them, see FindPostgres.
	BinDir string
	// MaxConns is the most connections that the server takes; 0 means 100.
	MaxConns int
	// Volatile gives up durability for speed: a power cut may destroy the data. For tests only.
	Volatile bool
	// Logger takes the server's output; nil drops it.
	Logger *slog.Logger
}

// Postgres is a running PostgreSQL server that belongs to this process.
type Postgres struct {
	cluster   cluster
	lock      *Lock
	socketDir string
	child     *child
	stop      func() error
}

// StartPostgres runs a server on the data in opts.Dir, making the data at the first start, and returns when it takes
// connections. It listens on no network address, only on a socket in a private folder. Started by root it runs as the
// user postgres. When this process dies, however it dies, the server stops: on Linux at once by the kernel, elsewhere
// by the next start. The error is ErrInUse when another process has the folder and ErrNoPostgres when no programs are
// installed; data of another major version is refused and left as it is. Ctx bounds the start alone.
func StartPostgres(ctx context.Context, opts PostgresOptions) (_ *Postgres, err error) {
	if !filepath.IsAbs(opts.Dir) {
		return nil, fmt.Errorf("starting PostgreSQL: its folder %q is not an absolute path", opts.Dir)
	}
	if opts.MaxConns <= 0 {
		opts.MaxConns = defaultMaxConns
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Postgres{}
	// The folder is released whatever happens from here on.
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting PostgreSQL: %w", err), p.release())
		}
	}()
	if p.lock, err = LockDir(opts.Dir); err != nil {
		return nil, err
	}
	p.cluster = cluster{dir: opts.Dir, volatile: opts.Volatile}
	if p.cluster.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if err = p.cluster.prepare(ctx, systemSearch(opts.BinDir)); err != nil {
		return nil, err
	}
	if err = p.vacate(ctx, opts.Logger); err != nil {
		return nil, err
	}
	if err = p.makeSocket(); err != nil {
		return nil, err
	}
	if err = p.launch(ctx, opts); err != nil {
		return nil, err
	}
	p.stop = sync.OnceValue(func() error { return errors.Join(p.child.stop(), p.release()) })
	return p, nil
}

// URL is the address of the server's own database, with the password.
func (p *Postgres) URL() string { return p.DatabaseURL(database) }

// DatabaseURL is the address of a database on the server, with the password.
func (p *Postgres) DatabaseURL(name string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, p.cluster.password), Path: "/" + name,
		RawQuery: url.Values{"host": {p.socketDir}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

// Wait returns nil when ctx ends, and an error as soon as the server has ended without being asked to.
func (p *Postgres) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.child.done:
		if p.child.log.stopping.Load() {
			return nil
		}
		return p.child.failure()
	}
}

// Stop ends the server within five seconds, breaking off what its clients do, and releases the folder. ErrForced says
// that the server took too long and was made to; the data is safe then too. More calls do nothing and return the same.
func (p *Postgres) Stop() error { return p.stop() }

// makeSocket makes the folder for the socket.
func (p *Postgres) makeSocket() (err error) {
	if err := forgetSocketDir(p.cluster.socketNote(), p.cluster.account); err != nil {
		return fmt.Errorf("removing the socket of an earlier start: %w", err)
	}
	if p.socketDir, err = makeSocketDir(p.cluster.account, os.TempDir(), "/tmp"); err != nil {
		return err
	}
	return rememberSocketDir(p.cluster.socketNote(), p.socketDir)
}

// vacate makes sure that no server of a process that was killed is left on the data: such a server is on its way out on
// Linux and stays for ever elsewhere, so it is asked to stop.
func (p *Postgres) vacate(ctx context.Context, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeoutCause(ctx, occupiedTimeout, errors.New("it took too long"))
	defer cancel()
	for asked := 0; ; {
		file, err := readPidFile(p.cluster.data())
		if err != nil {
			return fmt.Errorf("looking for a server left behind: %w", err)
		}
		if file.pid == 0 {
			return nil
		}
		switch occupantOf(file.pid, p.cluster.data()) {
		case noProcess:
			// PostgreSQL itself sees that the file is stale.
			return nil
		case otherProgram:
			// A number that was given anew, as in a container that starts over. PostgreSQL would refuse to start for ever.
			// Nobody else can be starting a server here, since the folder is locked.
			err := os.Remove(filepath.Join(p.cluster.data(), "postmaster.pid"))
			if errors.Is(err, fs.ErrNotExist) {
				// It was the server after all, and has just ended.
				return nil
			}
			logger.WarnContext(ctx, "removed a stale postmaster.pid", "pid", file.pid)
			return err
		case ourServer:
			if asked != file.pid {
				logger.InfoContext(ctx, "stopping a postgres left behind", "pid", file.pid)
				if err := syscall.Kill(file.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
					return fmt.Errorf("stopping the PostgreSQL left behind, process %d: %w", file.pid, err)
				}
				asked = file.pid
			}
		case unclear:
		}
		if loop.Sleep(ctx, 10*time.Millisecond) != nil {
			return fmt.Errorf("waiting for process %d, which %s names as the server of this data: %w: stop it", file.pid,
				filepath.Join(p.cluster.data(), "postmaster.pid"), context.Cause(ctx))
		}
	}
}

// launch starts the server, again if need be while remains of an earlier one hold the data, until it takes connections.
func (p *Postgres) launch(ctx context.Context, opts PostgresOptions) error {
	args := p.cluster.arguments(p.socketDir, opts.MaxConns)
	backoff := loop.Backoff{Min: 20 * time.Millisecond, Max: time.Second}
	for until := time.Now().Add(occupiedTimeout); ; {
		cmd := exec.Command(p.cluster.programs.program("postgres"), args...) //nolint:noctx // it outlives ctx, which bounds the start
		p.cluster.account.run(cmd, syscall.SIGINT)
		cmd.Dir = p.cluster.data()
		server, err := spawn(cmd, opts.Logger)
		if err != nil {
			return err
		}
		occupied, err := p.awaitReady(ctx, server)
		if err == nil {
			p.child = server
			return nil
		}
		if !occupied || time.Now().After(until) {
			return err
		}
		if err := loop.Sleep(ctx, backoff.Next()); err != nil {
			return err
		}
	}
}

// awaitReady waits until the server takes connections, however long it takes to recover after a crash. When it fails
// the process is gone; occupied says that it gave way to remains of an earlier server, which go away by themselves.
func (p *Postgres) awaitReady(ctx context.Context, server *child) (occupied bool, err error) {
	for {
		file, err := readPidFile(p.cluster.data())
		if err != nil {
			return false, errors.Join(fmt.Errorf("waiting for the server: %w", err), server.stop())
		}
		if file.pid == server.pid() && file.ready {
			return false, nil
		}
		select {
		case <-server.done:
			server.wait.Wait()
			// The file of another server is still there; our own would be gone.
			return file.pid != 0 && file.pid != server.pid(), server.failure()
		default:
		}
		if err := loop.Sleep(ctx, readyPoll); err != nil {
			return false, errors.Join(err, server.stop())
		}
	}
}

// release gives back what was taken, in reverse order.
func (p *Postgres) release() error {
	var faults []error
	if p.socketDir != "" {
		faults = append(faults, forgetSocketDir(p.cluster.socketNote(), p.cluster.account))
	}
	if p.lock != nil {
		faults = append(faults, p.lock.Unlock())
	}
	return errors.Join(faults...)
}
