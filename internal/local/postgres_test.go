package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/loop"
)

func TestPostgresKeepsItsDataAndLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	first, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Stop() })
	exec1(t, first.URL(), "CREATE TABLE kept AS SELECT 1 AS id")
	info, err := os.Stat(filepath.Join(dir, "pg.password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v %v, want mode 0600", info.Mode(), err)
	}
	if group, err := syscall.Getpgid(first.child.pid()); err != nil || group != first.child.pid() {
		t.Errorf("the server is in process group %d (%v): a Ctrl-C of the terminal would reach it", group, err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Errorf("second Stop = %v", err)
	}
	if err := syscall.Kill(first.child.pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server's process still exists: %v", err)
	}
	if _, err := os.Stat(first.socketDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is left: %v", err)
	}
	if err := first.Wait(t.Context()); err != nil {
		t.Errorf("Wait after Stop = %v, want nil", err)
	}
	second := startPostgres(t, dir)
	if n := count(t, second.URL()); n != 1 {
		t.Errorf("%d rows after a restart, want 1", n)
	}
}

func TestPostgresNeedsThePasswordAndListensOnNoNetwork(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, dataFolder(t))
	db := openDB(t, p.URL())
	var listens, fsync, pages, commit string
	err := db.QueryRowContext(t.Context(), `SELECT current_setting('listen_addresses'), current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('synchronous_commit')`).Scan(&listens, &fsync, &pages, &commit)
	if err != nil {
		t.Fatal(err)
	}
	if listens != "" || fsync != "on" || pages != "on" || commit != "on" {
		t.Errorf("listen_addresses %q, fsync %s, full_page_writes %s, synchronous_commit %s", listens, fsync, pages, commit)
	}
	wrong := openDB(t, strings.Replace(p.URL(), p.cluster.password, "wrong", 1))
	if err := wrong.PingContext(t.Context()); err == nil {
		t.Error("a wrong password was accepted")
	}
	info, err := os.Stat(p.socketDir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("socket folder: %v %v, want mode 0700", info.Mode(), err)
	}
}

func TestPostgresStopsInTimeUnderLoad(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, dataFolder(t))
	db := openDB(t, p.URL())
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var busy sync.WaitGroup
	busy.Go(func() { _, _ = db.ExecContext(t.Context(), "SELECT pg_sleep(600)") })
	watch := openDB(t, p.URL())
	eventually(t, "the long statement runs", func() bool {
		var n int
		err := watch.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").Scan(&n)
		return err == nil && n == 1
	})
	start := time.Now()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopped after %s, want under 5s", took)
	}
	busy.Wait()
}

func TestPostgresFolderServesOneProcess(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startPostgres(t, dir)
	_, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("second start = %v, want ErrInUse", err)
	}
	mustContain(t, err, dir, strconv.Itoa(os.Getpid()))
	if err := openDB(t, p.URL()).PingContext(t.Context()); err != nil {
		t.Errorf("the second start hurt the first: %v", err)
	}
}

func TestPostgresDiesWithAKilledParentAndItsDataIsGood(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	for round := 1; round <= 3; round++ {
		p := startParent(t, dir)
		if round == 1 {
			exec1(t, p.url, "CREATE TABLE kept (id int)")
		}
		exec1(t, p.url, "INSERT INTO kept VALUES (1)")
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait()
		// At once, while the server is still on its way out.
		again := startPostgres(t, dir)
		if n := count(t, again.URL()); n != round {
			t.Errorf("round %d: %d rows, want %d", round, n, round)
		}
		eventually(t, "the server of the killed parent is gone", func() bool {
			return errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH)
		})
		if _, err := os.Stat(p.socketDir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("round %d: the socket's folder of the killed parent is left: %v", round, err)
		}
		if err := again.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPostgresOfAKilledParentGoesByItself(t *testing.T) {
	t.Parallel()
	p := startParent(t, dataFolder(t))
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	defer func() {
		if t.Failed() {
			_ = syscall.Kill(p.pid, syscall.SIGINT)
		}
	}()
	eventually(t, "the server is gone", func() bool { return errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH) })
	_ = os.RemoveAll(p.socketDir)
}

func TestPostgresThatDiesIsNoticedAndRecovers(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startPostgres(t, dir)
	exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 1 AS id")
	if err := syscall.Kill(p.child.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err == nil {
		t.Error("Wait = nil after the server was killed")
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop of a dead server = %v", err)
	}
	if n := count(t, startPostgres(t, dir).URL()); n != 1 {
		t.Errorf("%d rows after a crash, want 1", n)
	}
}

func TestPostgresWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := startPostgres(t, dataFolder(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); err != nil {
		t.Errorf("Wait = %v, want nil", err)
	}
}

func TestPostgresStopsAServerLeftBehind(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startPostgres(t, dir)
	exec1(t, p.URL(), "CREATE TABLE kept AS SELECT 1 AS id")
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	// As on a system without death signals: a server that nobody stops.
	sockets, err := makeSocketDir(p.cluster.account, "/tmp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	orphan := exec.Command(p.cluster.programs.program("postgres"), p.cluster.arguments(sockets, 10)...)
	p.cluster.account.run(orphan, 0)
	orphan.Dir = p.cluster.data()
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	var reaper sync.WaitGroup
	reaper.Go(func() { _ = orphan.Wait() })
	defer reaper.Wait()
	// It is gone by then, unless the test has failed.
	defer func() { _ = orphan.Process.Kill() }()
	eventually(t, "the server left behind is ready", func() bool {
		file, err := readPidFile(p.cluster.data())
		return err == nil && file.ready
	})
	again := startPostgres(t, dir)
	if n := count(t, again.URL()); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestPostgresIsNotHeldUpByAProcessNumberGivenAnew(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startPostgres(t, dir)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	// A process of the same user, as in a container that starts over: PostgreSQL alone would refuse to start.
	other := exec.Command("sleep", "600")
	p.cluster.account.run(other, syscall.SIGKILL)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	stale := filepath.Join(p.cluster.data(), "postmaster.pid")
	content := strconv.Itoa(other.Process.Pid) + "\n" + p.cluster.data() + "\n1\n5432\n\n\n 1 1\nready\n"
	if err := errors.Join(os.WriteFile(stale, []byte(content), 0o600), p.cluster.account.own(stale)); err != nil {
		t.Fatal(err)
	}
	if err := openDB(t, startPostgres(t, dir).URL()).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(other.Process.Pid, 0); err != nil {
		t.Errorf("the other process was hurt: %v", err)
	}
}

func TestPostgresRefusesDataOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	version := filepath.Join(dir, "pg", "PG_VERSION")
	if err := os.MkdirAll(filepath.Dir(version), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	for content, words := range map[string][]string{"9\n": {"PostgreSQL 9", "pg_upgrade", dir}, "what\n": {"PG_VERSION", "what"}} {
		if err := os.WriteFile(version, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
		if content == "9\n" {
			mustContain(t, err, words...)
		} else if err == nil {
			t.Error("started on data of an unreadable version")
		}
		if kept, err := os.ReadFile(version); err != nil || string(kept) != content {
			t.Errorf("the data was changed: %q %v", kept, err)
		}
	}
	if err := os.Remove(version); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	mustContain(t, err, "move it away")
}

func TestPostgresRefusesDataWithoutItsPassword(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startPostgres(t, dir)
	if err := errors.Join(p.Stop(), os.Remove(filepath.Join(dir, "pg.password"))); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	mustContain(t, err, "pg.password", "put")
}

func TestPostgresStartBrokenOffLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var canceller sync.WaitGroup
	canceller.Go(func() {
		for loop.Sleep(ctx, time.Millisecond) == nil {
			if _, err := os.Stat(filepath.Join(dir, "pg.init", "base")); err == nil {
				cancel()
			}
		}
	})
	_, err := StartPostgres(ctx, PostgresOptions{Dir: dir})
	canceller.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("StartPostgres = %v, want the context's error", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half-made data took the name of whole data: %v", err)
	}
	// As a kill -9 in the middle of initdb leaves it.
	if err := os.MkdirAll(filepath.Join(dir, "pg.init", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Stop() }()
	if err := openDB(t, p.URL()).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPostgresRunsInAFolderWithALongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataFolder(t), strings.Repeat("long", 20), strings.Repeat("path", 20))
	if err := openDB(t, startPostgres(t, dir).URL()).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPostgresLogShowsNoDataOfRows(t *testing.T) {
	t.Parallel()
	var logs lockedBuffer
	p := startPostgres(t, dataFolder(t), &logs)
	exec1(t, p.URL(), "CREATE TABLE kept (id text PRIMARY KEY)")
	db := openDB(t, p.URL())
	if _, err := db.ExecContext(t.Context(), "INSERT INTO kept VALUES ($1)", "canary-4711"); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"INSERT INTO kept VALUES ('canary-4711')", "SELECT 'canary-4711' FROM absent"} {
		if _, err := db.ExecContext(t.Context(), query); err == nil {
			t.Fatalf("%s: no error", query)
		}
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	got := logs.String()
	if !strings.Contains(got, "duplicate key") || !strings.Contains(got, `\"absent\" does not exist`) {
		t.Errorf("the log lacks the errors:\n%s", got)
	}
	for _, secret := range []string{"canary-4711", p.cluster.password} {
		if strings.Contains(got, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if strings.Contains(got, "level=WARN") {
		t.Errorf("an ordinary stop warns:\n%s", got)
	}
}

func TestPostgresRefusesARelativeFolder(t *testing.T) {
	t.Parallel()
	if _, err := StartPostgres(t.Context(), PostgresOptions{Dir: "data"}); err == nil {
		t.Error("accepted it")
	}
}

// lockedBuffer is a buffer that a server's output may be written to while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
