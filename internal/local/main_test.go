package local

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"go.uber.org/goleak"
)

// parentDir tells a run of this test program to be a process that starts PostgreSQL there and then waits to be killed.
const parentDir = "LOCAL_TEST_PARENT_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentDir); dir != "" {
		beParent(dir)
		return
	}
	code := m.Run()
	_ = os.RemoveAll(template.dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // a leak must fail the run
}

// template is data as the first start makes it. Tests that are not about the first start copy it, which is quicker.
var template struct {
	once sync.Once
	dir  string
	err  error
}

// copyTemplate puts fresh data into dir, unless there is data.
func copyTemplate(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "pg")); err == nil {
		return
	}
	template.once.Do(func() {
		if template.dir, template.err = os.MkdirTemp("", "ashbridge-local-"); template.err != nil {
			return
		}
		if template.err = os.Chmod(template.dir, 0o711); template.err != nil {
			return
		}
		p, err := StartPostgres(context.Background(), PostgresOptions{Dir: template.dir})
		if err != nil {
			template.err = err
			return
		}
		template.err = p.Stop()
	})
	if template.err != nil {
		t.Fatal(template.err)
	}
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", template.dir+"/pg", template.dir+"/pg.password", dir).CombinedOutput(); err != nil {
		t.Fatalf("copying the template: %v: %s", err, out)
	}
}

// beParent starts PostgreSQL, prints where it is and waits for the end of its input.
func beParent(dir string) {
	p, err := StartPostgres(context.Background(), PostgresOptions{Dir: dir})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "error", err)
		return
	}
	_, _ = fmt.Fprintln(os.Stdout, p.child.pid(), p.socketDir, p.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = p.Stop()
}

// parent is a process that runs PostgreSQL as its child.
type parent struct {
	cmd       *exec.Cmd
	stdin     io.WriteCloser
	pid       int // the server's
	socketDir string
	url       string
}

func startParent(t *testing.T, dir string) *parent {
	t.Helper()
	copyTemplate(t, dir)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parentDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &parent{cmd: cmd, stdin: stdin}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if _, err := fmt.Sscan(line, &p.pid, &p.socketDir, &p.url); err != nil {
		t.Fatalf("the parent says %q: %v", line, err)
	}
	return p
}

// dataFolder is a folder that any user may pass through.
func dataFolder(t *testing.T) string {
	t.Helper()
	// The test's own folder is open to root alone where the umask says so.
	dir, err := os.MkdirTemp("", "ashbridge-local-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "postgres")
}

func startPostgres(t *testing.T, dir string, logs ...io.Writer) *Postgres {
	t.Helper()
	copyTemplate(t, dir)
	opts := PostgresOptions{Dir: dir}
	if len(logs) > 0 {
		opts.Logger = slog.New(slog.NewTextHandler(logs[0], &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	p, err := StartPostgres(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

func openDB(t *testing.T, url string) *sql.DB {
	t.Helper()
	connector, err := pq.NewConnector(url)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec1(t *testing.T, url, query string) {
	t.Helper()
	db := openDB(t, url)
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	_ = db.Close()
}

// count is the number of rows of the table that the tests write.
func count(t *testing.T, url string) int {
	t.Helper()
	db := openDB(t, url)
	defer func() { _ = db.Close() }()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("not so after 20s: %s", what)
		}
	}
}

func mustContain(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q lacks %q", err, word)
		}
	}
}
