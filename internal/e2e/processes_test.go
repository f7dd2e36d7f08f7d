package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// natsDirVariable makes this test binary a NATS server, so that a test can kill it like any other process.
const (
	natsDirVariable  = "E2E_NATS_DIR"
	natsAddrVariable = "E2E_NATS_ADDR"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(natsDirVariable); dir != "" {
		if err := serveNATS(dir, os.Getenv(natsAddrVariable)); err != nil {
			panic(err) // this process is nothing but the server
		}
		return
	}
	if bustest.IsNode() {
		if err := bustest.ServeNode(os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	// The tests wait for retries more than they compute; the command line's -parallel still counts, as it is read later.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	// fasthttp's housekeeping sleeps through the end of a server and of a benchmark's client.
	localtest.Main(m, localtest.IgnoreLeaks(
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean"),
	))
}

// serveNATS runs a NATS server until standard input ends.
func serveNATS(dir, addr string) error {
	server, err := local.StartNATS(local.NATSOptions{Dir: dir, Addr: addr})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, "ready")
	_, copyErr := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, copyErr, server.Stop())
}

// processes is Ashbridge as separate processes, and a NATS server beside it, any of which can be killed.
type processes struct {
	*api
	t        testing.TB
	sim      *ashbytest.Simulator
	ashby    *httptest.Server
	dbURL    string
	natsURL  string
	natsDir  string
	natsAddr string
	binary   string
	keyset   string
	env      []string
	logs     *logBuffer
	httpAddr string

	mu      sync.Mutex
	running map[string]*child
	admins  map[string]string
}

// child is a process and what is needed to judge it.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	// http is where a gateway serves, admin where every service says how it is.
	http, admin string
	// log is what it alone logged; exit why it ended, once done is closed.
	log  *logBuffer
	exit error
	done chan struct{}
}

// serviceOf is the command of an instance: of "gateway/b" it is "gateway".
func serviceOf(name string) string {
	service, _, _ := strings.Cut(name, "/")
	return service
}

// startProcesses builds the binary and starts NATS and the services named.
func startProcesses(t testing.TB, options ashbytest.Options, services ...string) *processes {
	t.Helper()
	p := newProcesses(t, options)
	p.migrate(p.binary)
	p.start("nats")
	for _, s := range services {
		p.start(s)
	}
	for _, s := range services {
		p.waitReady(s)
	}
	return p
}

// newProcesses builds the binary and starts nothing yet but the simulator.
func newProcesses(t testing.TB, options ashbytest.Options) *processes {
	t.Helper()
	p := &processes{t: t, logs: &logBuffer{}, running: map[string]*child{}, admins: map[string]string{}, dbURL: localtest.Database(t)}
	p.sim = ashbytest.New(options)
	p.ashby = httptest.NewServer(p.sim)
	t.Cleanup(func() { p.sim.Close(); p.ashby.CloseClientConnections(); p.ashby.Close() })
	dir := t.TempDir()
	p.binary = buildBinary(t, dir)
	p.natsDir, p.natsAddr, p.httpAddr = filepath.Join(dir, "nats"), localtest.FreeAddr(t), localtest.FreeAddr(t)
	p.natsURL = "nats://" + p.natsAddr
	p.keyset = filepath.Join(dir, "keyset.json")
	if _, err := seal.Create(p.keyset); err != nil {
		t.Fatal(err)
	}
	p.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"ASHBRIDGE_DATABASE_URL=" + p.dbURL, "ASHBRIDGE_NATS_URL=" + p.natsURL, "ASHBRIDGE_KEYSET_FILE=" + p.keyset,
		"ASHBRIDGE_ADMIN_TOKEN=" + adminToken,
		"ASHBRIDGE_PUBLIC_URL=http://" + p.httpAddr, "ASHBRIDGE_ASHBY_URL=" + p.ashby.URL,
		"ASHBRIDGE_ALLOW_PRIVATE_ASHBY=true", "ASHBRIDGE_ALLOW_PRIVATE_ENDPOINTS=true", "ASHBRIDGE_LEASE_TTL=2s", "ASHBRIDGE_LOG_FORMAT=json",
		"ASHBRIDGE_REQUESTS_PER_MINUTE=500000", "ASHBRIDGE_MODULES=" + strings.Join(ashby.Modules(), ","),
	}
	p.api = &api{t: t, base: "http://" + p.httpAddr, token: adminToken, http: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	t.Cleanup(p.http.CloseIdleConnections)
	t.Cleanup(p.stopAll)
	return p
}

var built struct {
	sync.Mutex
	path string
}

// buildBinary builds the command once a test process.
func buildBinary(t testing.TB, dir string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		if raw, err := os.ReadFile(built.path); err == nil {
			path := filepath.Join(dir, "ashbridge")
			if err := os.WriteFile(path, raw, 0o755); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	path := filepath.Join(dir, "ashbridge")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/ashbridge")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	built.path = path
	return path
}

func (p *processes) migrate(binary string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), binary, "migrate")
	cmd.Env = []string{"ASHBRIDGE_DATABASE_URL=" + p.dbURL}
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("migrating: %v\n%s", err, out)
	}
}

// start starts a service, or "nats", without waiting until it is ready. Several of a service are told apart by what stands
// behind a slash; each gateway of such a name has an address of its own.
func (p *processes) start(name string) { p.t.Helper(); p.launch(name, p.binary) }

// launch starts a service with a binary and variables of its own.
func (p *processes) launch(name, binary string, env ...string) {
	p.t.Helper()
	c := &child{done: make(chan struct{}), http: p.httpAddr, admin: p.admin(name), log: &logBuffer{}}
	if was := p.child(name); was != nil {
		c.http = was.http
	} else if serviceOf(name) != name {
		c.http = localtest.FreeAddr(p.t)
	}
	// The processes outlive the test's own context: they are ended by the clean-up, NATS last.
	ctx := context.WithoutCancel(p.t.Context())
	if serviceOf(name) == "nats" {
		exe, err := os.Executable()
		if err != nil {
			p.t.Fatal(err)
		}
		c.cmd = exec.CommandContext(ctx, exe)
		c.cmd.Env = append(os.Environ(), env...)
		if name == "nats" {
			c.cmd.Env = append(c.cmd.Env, natsDirVariable+"="+p.natsDir, natsAddrVariable+"="+p.natsAddr)
		}
	} else {
		c.cmd = exec.CommandContext(ctx, binary, serviceOf(name))
		c.cmd.Env = slices.Concat(p.env, []string{"ASHBRIDGE_ADMIN_ADDR=" + c.admin, "ASHBRIDGE_HTTP_ADDR=" + c.http}, env)
	}
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	c.cmd.Stderr = io.MultiWriter(p.logs, c.log)
	if err := c.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ready := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		lines := bufio.NewScanner(stdout)
		for first := true; lines.Scan(); first = false {
			if first {
				close(ready)
			}
			_, _ = fmt.Fprintf(p.logs, "%s: %s\n", name, lines.Text())
		}
	})
	go func() { // ends with the process, which stopAll waits for
		defer close(c.done)
		readers.Wait()
		c.exit = c.cmd.Wait()
	}()
	p.mu.Lock()
	p.running[name] = c
	p.mu.Unlock()
	if serviceOf(name) == "nats" {
		select {
		case <-ready:
		case <-c.done:
			p.t.Fatalf("NATS did not start: %s", p.logs.tail())
		}
	}
}

// admin is the admin address of a service, the same through all its starts.
func (p *processes) admin(name string) string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admins[name] == "" {
		p.admins[name] = localtest.FreeAddr(p.t)
	}
	return p.admins[name]
}

func (p *processes) child(name string) *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[name]
}

// waitReady waits for a service's /readyz.
func (p *processes) waitReady(name string) {
	p.t.Helper()
	wait(p.t, name+" is ready", func() error { return p.ready(name) }, p.logs.tail)
}

// ready is an error unless a service says that it is ready.
func (p *processes) ready(name string) error {
	resp, err := p.http.Get("http://" + p.child(name).admin + "/readyz")
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("not ready: " + resp.Status)
	}
	return nil
}

// checksAreDocumented compares a service's readiness checks, each a value of a label of its metrics, with docs/metrics.md.
func (p *processes) checksAreDocumented(name string) {
	p.t.Helper()
	resp, err := p.http.Get("http://" + p.child(name).admin + "/readyz")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var shown struct{ Checks map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&shown); err != nil {
		p.t.Fatal(err)
	}
	doc := documented(p.t)["ashbridge_ready"].labels["check"]
	for check := range shown.Checks {
		if !doc[check] {
			p.t.Errorf("%s has the readiness check %s, which is not documented", name, check)
		}
	}
	if shown.Checks["running"] != "ok" || len(shown.Checks) < 2 {
		p.t.Errorf("%s has the readiness checks %v", name, shown.Checks)
	}
}

// kill ends a process as a crash would, and waits until it is gone.
func (p *processes) kill(name string) {
	p.t.Helper()
	c := p.child(name)
	if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatalf("killing %s: %v", name, err)
	}
	<-c.done
	_ = c.stdin.Close()
}

// terminate tells a process to end, as a supervisor does, and returns how long that took. It must end well within ten seconds.
func (p *processes) terminate(name string) time.Duration {
	p.t.Helper()
	c, began := p.child(name), time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("stopping %s: %v", name, err)
	}
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		p.t.Errorf("%s did not stop in 10 s\n%s", name, c.log.tail())
		return 0
	}
	if c.exit != nil {
		p.t.Errorf("%s ended with %v\n%s", name, c.exit, c.log.tail())
	}
	_ = c.stdin.Close()
	return time.Since(began)
}

// stopAll ends all processes in good order, NATS last.
func (p *processes) stopAll() {
	p.mu.Lock()
	names := slices.SortedFunc(maps.Keys(p.running), func(a, b string) int { // NATS is the one that is no service
		return cmp.Or(cmp.Compare(strings.Count(a, "nats"), strings.Count(b, "nats")), cmp.Compare(a, b))
	})
	p.mu.Unlock()
	for _, name := range names {
		if serviceOf(name) != "nats" {
			_ = p.child(name).cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	for _, name := range names {
		c := p.child(name)
		_ = c.stdin.Close()
		select {
		case <-c.done:
		case <-time.After(15 * time.Second):
			p.t.Errorf("%s did not stop in 15 s\n%s", name, p.logs.tail())
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	}
}

// cpu is the processor time that a service has used so far.
func (p *processes) cpu(name string) time.Duration {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.child(name).cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		p.t.Fatal(err)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	return time.Duration(user+system) * tick
}

// rss is the resident memory of a service in bytes.
func (p *processes) rss(name string) int64 { return p.memory(name, "VmRSS") }

// peak is the most resident memory that a service ever had, in bytes.
func (p *processes) peak(name string) int64 { return p.memory(name, "VmHWM") }

func (p *processes) memory(name, field string) int64 {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.child(name).cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, field+": %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	p.t.Fatalf("no %s", field)
	return 0
}
