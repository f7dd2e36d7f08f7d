package smoke

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// notRun are services that have no process here, with the reason.
var notRun = map[string]string{
	"volumes": "gives volumes to the user of the containers, and there is one user here",
	"secrets": "has run before the others, as make up does it",
	"cli":     "runs when an operator calls it",
	"grafana": "is not in the systems' packages",
}

// machine runs docker-compose.yml's services as plain processes.
type machine struct {
	*places
	root  string // of the repository
	bin   string // folder of the programs
	boxes map[string][]*box
	runs  map[string][]*process
}

// startMachine starts everything with the demo's settings, in the order of depends_on, and returns when all is healthy.
func startMachine(ctx context.Context, t testing.TB) *machine {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// Postgres does not run as root, and its user has to reach its data.
	dir, err := os.MkdirTemp("", "ashbridge-smoke-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(dir, "secrets")
	m := &machine{
		places: newPlaces(t, loadProject(ctx, t, root, secrets), dir), root: root, bin: filepath.Join(dir, "bin"),
		boxes: map[string][]*box{}, runs: map[string][]*process{},
	}
	m.build(ctx)
	m.makeSecrets(ctx)
	names := m.project.ServiceNames()
	slices.Sort(names)
	for _, name := range names {
		m.start(ctx, name)
	}
	eventually(ctx, t, "all are healthy", m.healthy)
	return m
}

// loadProject reads the compose file with the settings of make smoke, and with a secrets' folder of the test's.
func loadProject(ctx context.Context, t testing.TB, root, secrets string) *types.Project {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, compose.File))
	if err != nil {
		t.Fatal(err)
	}
	environ, err := compose.Environ(root, compose.DemoEnv, compose.SmokeEnv)
	if err != nil {
		t.Fatal(err)
	}
	environ["SECRETS_DIR"] = secrets
	project, err := compose.Load(ctx, root, content, environ)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// build builds the image's programs as ops/Dockerfile does, and the NATS server.
func (m *machine) build(ctx context.Context) {
	m.t.Helper()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", m.bin+"/", "./cmd/ashbridge", "./examples/jobboard",
		"github.com/nats-io/nats-server/v2")
	cmd.Dir, cmd.Env = m.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("building: %v\n%s", err, out)
	}
}

// makeSecrets runs the service that makes them.
func (m *machine) makeSecrets(ctx context.Context) {
	m.t.Helper()
	b := m.newBox(m.project.Services["secrets"], 0)
	// The addresses in the secrets are those of containers; each service has its own copy with those of this machine.
	args := make([]string, len(b.service.Command))
	for i, arg := range b.service.Command {
		args[i] = b.paths.ReplaceAllString(arg, "${1}"+b.direct["/secrets"])
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(m.bin, "ashbridge"), args...).CombinedOutput(); err != nil {
		m.t.Fatalf("making the secrets: %v\n%s", err, out)
	}
}

// doctor runs the service cli as an operator does. NATS's monitoring is named, since its port here is any.
func (m *machine) doctor(ctx context.Context) ([]byte, error) {
	b := m.newBox(m.project.Services["cli"], 0)
	b.copy(filepath.Join(m.dir, "secrets"), filepath.Join(b.root, "secrets")) // with the addresses of this machine
	delete(b.direct, "/secrets")
	cmd := exec.CommandContext(ctx, filepath.Join(m.bin, "ashbridge"), "doctor", "--json", "--nats-monitor", b.text("http://nats:8222"))
	cmd.Env, cmd.SysProcAttr = b.environ(), &syscall.SysProcAttr{Credential: m.user}
	return cmd.Output()
}

// start starts a service when what it depends on is as it wants it.
func (m *machine) start(ctx context.Context, name string) {
	m.t.Helper()
	if m.runs[name] != nil || notRun[name] != "" {
		return
	}
	service := m.project.Services[name]
	for on, need := range service.DependsOn {
		if notRun[on] == "" {
			m.start(ctx, on)
			m.await(ctx, on, need.Condition)
		}
	}
	replicas := 1
	if service.Deploy != nil && service.Deploy.Replicas != nil {
		replicas = *service.Deploy.Replicas
	}
	for i := range replicas {
		b := m.newBox(service, i)
		m.boxes[name] = append(m.boxes[name], b)
		m.runs[name] = append(m.runs[name], m.launch(ctx, b))
	}
}

// await waits for a condition of depends_on.
func (m *machine) await(ctx context.Context, name, condition string) {
	m.t.Helper()
	for i, run := range m.runs[name] {
		switch condition {
		case types.ServiceConditionStarted:
		case types.ServiceConditionCompletedSuccessfully:
			run.complete(ctx)
		case types.ServiceConditionHealthy:
			eventually(ctx, m.t, run.name+" is healthy", func(ctx context.Context) error {
				return m.health(ctx, m.boxes[name][i], run)
			})
		default:
			m.t.Fatalf("%s is waited for until %s", name, condition)
		}
	}
}

// healthy says which containers are not, of those that have a health check.
func (m *machine) healthy(ctx context.Context) error {
	for name, runs := range m.runs {
		for i, run := range runs {
			if b := m.boxes[name][i]; b.service.HealthCheck != nil {
				if err := m.health(ctx, b, run); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// health runs a container's health check.
func (m *machine) health(ctx context.Context, b *box, run *process) error {
	if run.isOver() {
		m.t.Fatalf("%s ended: %v", run.name, run.err)
	}
	test := b.service.HealthCheck.Test
	if len(test) < 2 || test[0] != "CMD" {
		return fmt.Errorf("%s: a health check %q", b.name, test)
	}
	if test[1] == "wget" { // of the image; it fails where the answer is no success
		return ask(ctx, b.text(test[len(test)-1]))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(*b.service.HealthCheck.Timeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, m.program(test[1]), b.texts(test[2:])...)
	cmd.Env = append(b.environ(), "PGPORT="+port(b.at(b.name, postgresPort)))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s is not healthy: %w: %s", b.name, err, out)
	}
	return nil
}

func ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", url, resp.StatusCode)
	}
	return nil
}

// program is where a program of an image is on this machine.
func (m *machine) program(name string) string {
	switch name {
	case "/ashbridge", "/jobboard", "nats-server":
		return filepath.Join(m.bin, filepath.Base(name))
	case "pg_isready":
		return m.postgresProgram(name)
	}
	m.t.Fatalf("there is no program %s here", name)
	return ""
}

// launch starts a container's process.
func (m *machine) launch(ctx context.Context, b *box) *process {
	m.t.Helper()
	image, _, _ := strings.Cut(b.service.Image, ":")
	entrypoint, command := b.texts(b.service.Entrypoint), b.texts(b.service.Command)
	stopSignal := syscall.SIGTERM
	var cmd *exec.Cmd
	// The test's own context ends before its clean-up, which stops the processes in good order.
	ctx = context.WithoutCancel(ctx)
	switch image {
	case "ashbridge":
		if len(entrypoint) == 0 {
			entrypoint = []string{"/ashbridge"}
		}
		cmd = exec.CommandContext(ctx, m.program(entrypoint[0]), append(entrypoint[1:], command...)...)
	case "nats":
		cmd = exec.CommandContext(ctx, m.program(entrypoint[0]), append(entrypoint[1:], command...)...)
	case "postgres":
		cmd, stopSignal = m.postgres(ctx, b), syscall.SIGINT // the image's
	case "prom/prometheus":
		m.pointPrometheus(b)
		cmd = exec.CommandContext(ctx, localtest.Prometheus(m.t), append(command, "--web.listen-address="+b.at(b.name, "9090"))...)
	default:
		m.t.Fatalf("%s: nothing is known of the image %s", b.name, b.service.Image)
	}
	cmd.Dir = b.root
	if cmd.Env == nil { // all but Postgres
		cmd.Env = b.environ()
		if image != "prom/prometheus" { // its program may lie where nobody else gets to
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: m.user}
		}
	}
	p := &process{t: m.t, name: b.name, cmd: cmd, stopSignal: stopSignal, grace: time.Duration(*b.service.StopGracePeriod)}
	p.start()
	return p
}

var (
	dnsTargets = regexp.MustCompile(`(?s)    dns_sd_configs:\n      - names: \[([^\]]*)\]\n        type: A\n        port: (\d+)\n[^\n]*refresh_interval[^\n]*\n`)
	interval   = regexp.MustCompile(`(scrape_interval|scrape_timeout|evaluation_interval|\n    interval): \d+[sm]`)
)

// pointPrometheus gives Prometheus the addresses that the network's DNS would, and has it look more often.
func (m *machine) pointPrometheus(b *box) {
	m.t.Helper()
	file := filepath.Join(b.root, "etc/prometheus/prometheus.yml")
	raw, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	found := dnsTargets.FindStringSubmatch(string(raw))
	if found == nil {
		m.t.Fatalf("prometheus.yml finds its targets in a way that this test does not know:\n%s", raw)
	}
	static := "    static_configs:\n"
	for name := range strings.SplitSeq(found[1], ", ") {
		var targets []string
		for i := range m.replicas(name) {
			targets = append(targets, `"`+m.at(container(name, i), found[2])+`"`)
		}
		static += "      - targets: [" + strings.Join(targets, ", ") + "]\n        labels: {__meta_dns_name: " + name + "}\n"
	}
	text := interval.ReplaceAllString(strings.Replace(string(raw), found[0], static, 1), "$1: 1s")
	rules, err := filepath.Glob(filepath.Join(b.root, "etc/prometheus/rules/*"))
	if err != nil {
		m.t.Fatal(err)
	}
	texts := map[string]string{file: text}
	for _, name := range rules {
		raw, err := os.ReadFile(name)
		if err != nil {
			m.t.Fatal(err)
		}
		texts[name] = interval.ReplaceAllString(string(raw), "$1: 1s")
	}
	for name, text := range texts {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) replicas(name string) int {
	if d := m.project.Services[name].Deploy; d != nil && d.Replicas != nil {
		return *d.Replicas
	}
	return 1
}
