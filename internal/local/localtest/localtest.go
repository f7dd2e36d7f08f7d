// Package localtest gives tests a real PostgreSQL, a real NATS and the programs of Prometheus. One PostgreSQL serves all tests of a test process,
// each in a database of its own; every test that asks has a NATS server of its own. Where PostgreSQL is not installed
// such tests fail, with the line that installs it: they never skip.
package localtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver for making databases
	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/internal/local"
	store "github.com/bebitcoiner/ashbridge/internal/postgres"
)

// startTimeout is how long PostgreSQL may take to make its data and start, with other test processes beside it.
const startTimeout = 2 * time.Minute

// dirPrefix begins the names of the folders with the data of test processes.
const dirPrefix = "ashbridge-test-"

// Option changes Main.
type Option func(*settings)

type settings struct {
	volatile bool
	leaks    []goleak.Option
}

// Volatile runs PostgreSQL without fsync. Code that refuses such a server, as it should, cannot be tested with it.
func Volatile() Option { return func(s *settings) { s.volatile = true } }

// IgnoreLeaks excepts goroutines from the check for leaks; the reason belongs beside the call.
func IgnoreLeaks(options ...goleak.Option) Option {
	return func(s *settings) { s.leaks = append(s.leaks, options...) }
}

// shared is the test process's PostgreSQL. It is global because TestMain and the tests have nothing else in common.
var shared postgres

// postgres is a server that starts when the first test asks for a database.
type postgres struct {
	settings settings

	once   sync.Once
	server *local.Postgres
	admin  *sql.DB
	dir    string
	err    error

	// migrated makes the database that Migrated copies.
	migrated    sync.Once
	migratedErr error
}

// Main runs the tests of a package, then stops what they shared, and fails the run if a goroutine is left. A package
// whose tests use Database calls it from TestMain. It does not return.
func Main(m *testing.M, opts ...Option) {
	for _, o := range opts {
		o(&shared.settings)
	}
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "localtest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(shared.settings.leaks...); err != nil {
			fmt.Fprintln(os.Stderr, "localtest:", err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // a leak must fail the run, and TestMain has no other way to say so
}

// Database makes an empty database and returns its address. It is dropped when the test ends, whoever is connected.
func Database(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start() })
	if shared.err != nil {
		t.Fatalf("localtest: %v", shared.err)
	}
	return database(t, "template1")
}

// Migrated makes a database with all tables and returns its address. It is a copy of one that was migrated once for all
// tests of the process, which takes about half the time of an empty one and its migration.
func Migrated(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start() })
	if shared.err != nil {
		t.Fatalf("localtest: %v", shared.err)
	}
	shared.migrated.Do(func() { shared.migratedErr = shared.migrate(t.Context()) })
	if shared.migratedErr != nil {
		t.Fatalf("localtest: migrating: %v", shared.migratedErr)
	}
	return database(t, migratedName)
}

// migratedName is the database that Migrated copies. Nobody is connected to it.
const migratedName = "migrated"

func (p *postgres) migrate(ctx context.Context) error {
	if _, err := p.admin.ExecContext(ctx, "CREATE DATABASE "+migratedName); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{URL: p.server.DatabaseURL(migratedName), AllowUnsafeDurability: true})
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(ctx), db.Close())
}

func database(t testing.TB, template string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text()[:12])
	// The name is made of letters and digits above.
	if _, err := shared.admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("localtest: making a database: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := shared.admin.ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("localtest: dropping the database: %v", err)
		}
	})
	return shared.server.DatabaseURL(name)
}

// start runs the server in a folder that the user postgres can reach too.
func (p *postgres) start() (err error) {
	sweep()
	if p.dir, err = os.MkdirTemp("", dirPrefix); err != nil {
		return err
	}
	if err := os.Chmod(p.dir, 0o711); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p.server, err = local.StartPostgres(ctx, local.PostgresOptions{Dir: p.dir, Volatile: p.settings.volatile, MaxConns: 400})
	if err != nil {
		return err
	}
	p.admin, err = sql.Open("postgres", p.server.URL())
	return err
}

// sweep removes what earlier test processes left that were killed: a folder that nobody holds and nobody has touched
// for an hour. What cannot be removed is somebody else's and stays.
func sweep() {
	// The pattern is our own and well formed.
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range left {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if lock, err := local.LockDir(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = lock.Unlock()
		}
	}
}

// stop ends the server, if it was started, and removes its data.
func (p *postgres) stop() error {
	var faults []error
	if p.admin != nil {
		faults = append(faults, p.admin.Close())
	}
	if p.server != nil {
		// On a machine with too much to do the stop may take too long, which is no fault of what is tested.
		if err := p.server.Stop(); err != nil && !errors.Is(err, local.ErrForced) {
			faults = append(faults, err)
		}
	}
	if p.dir != "" {
		faults = append(faults, os.RemoveAll(p.dir))
	}
	return errors.Join(faults...)
}
