package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/internal/secretdir"
)

// checkServers holds the other programs' commands against their files: what they keep lies in a volume, what they read is
// mounted.
func (d *deployment) checkServers() {
	postgres := d.Services["postgres"]
	environ := compose.Environment(postgres)
	if environ["POSTGRES_USER"] != "ashbridge" || environ["POSTGRES_DB"] != "ashbridge" {
		d.fault("postgres has the user %s and the database %s, and `ashbridge keys init` knows ashbridge", environ["POSTGRES_USER"], environ["POSTGRES_DB"])
	}
	d.inVolume(postgres, environ["PGDATA"])
	if filepath.Dir(environ["PGDATA"]) != mountOf(postgres, environ["PGDATA"]).Target {
		d.fault("postgres keeps its data at the top of its volume, which it does not own as it wants to: PGDATA names a folder in it")
	}
	for _, flag := range []string{"--auth-host=scram-sha-256", "--data-checksums"} {
		if !strings.Contains(environ["POSTGRES_INITDB_ARGS"], flag) {
			d.fault("postgres is made without %s", flag)
		}
	}
	d.checkConnections(postgres)
	d.checkNATS(d.Services["nats"])
	prometheus := d.Services["prometheus"]
	d.inVolume(prometheus, argument(prometheus, "--storage.tsdb.path="))
	d.isMounted(prometheus, argument(prometheus, "--config.file="))
	if argument(prometheus, "--storage.tsdb.retention.size=") == "" {
		d.fault("prometheus may fill the disk")
	}
	var days int
	if _, err := fmt.Sscanf(argument(prometheus, "--storage.tsdb.retention.time="), "%dd", &days); err != nil || days <= 30 {
		d.fault("prometheus forgets after %d days, and the objective is over 30", days)
	}
	grafana := d.Services["grafana"]
	d.inVolume(grafana, "/var/lib/grafana")
	d.isMounted(grafana, "/etc/grafana/provisioning/datasources")
	d.isMounted(grafana, "/etc/grafana/provisioning/dashboards")
	d.isMounted(grafana, compose.Environment(grafana)["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
	d.checkGrafana(grafana)
	if s := d.Services["simulator"]; !slices.Equal(flagsOf(s.Command), flagsOf(d.Services["connect"].Command)) {
		d.fault("connect is told of another organisation or seed than the simulator has: %v, %v", s.Command, d.Services["connect"].Command)
	}
	if board, connect := d.Services["board"], d.Services["connect"]; compose.Environment(board)["JOBBOARD_SUBSCRIBER_FILE"] != argument(connect, "--board=") ||
		mountOf(board, argument(connect, "--board=")).Source != mountOf(connect, argument(connect, "--board=")).Source {
		d.fault("connect leaves the board's login where the board does not look")
	}
}

// flagsOf are the organisation and the seed in a command of sim.
func flagsOf(command []string) []string {
	text := strings.ReplaceAll(strings.Join(command, " "), "=", " ")
	return regexp.MustCompile(`--(?:organization|seed) \w+`).FindAllString(text, -1)
}

func argument(s types.ServiceConfig, prefix string) string {
	for _, arg := range s.Command {
		if value, ok := strings.CutPrefix(arg, prefix); ok {
			return value
		}
	}
	return ""
}

// mountOf is the mount in which a path of a container lies.
func mountOf(s types.ServiceConfig, path string) (best types.ServiceVolumeConfig) {
	for _, v := range s.Volumes {
		if (path == v.Target || strings.HasPrefix(path, v.Target+"/")) && len(v.Target) > len(best.Target) {
			best = v
		}
	}
	return best
}

func (d *deployment) inVolume(s types.ServiceConfig, path string) {
	if mountOf(s, path).Type != types.VolumeTypeVolume {
		d.fault("%s keeps its data at %q, which is not in a named volume", s.Name, path)
	}
}

func (d *deployment) isMounted(s types.ServiceConfig, path string) {
	mount := mountOf(s, path)
	if mount.Type != types.VolumeTypeBind {
		d.fault("%s reads %q, which is not mounted", s.Name, path)
	} else if _, err := os.Stat(mount.Source + strings.TrimPrefix(path, mount.Target)); err != nil {
		d.fault("%s reads %s: %v", s.Name, path, err)
	}
}

// checkConnections wants the database to take as many connections as all processes may open, and some more.
func (d *deployment) checkConnections(postgres types.ServiceConfig) {
	var most, sum int
	if _, err := fmt.Sscan(argument(postgres, "--max_connections="), &most); err != nil {
		d.fault("postgres has no --max_connections")
	}
	cfg, err := config.Load(map[string]string{"HOME": "/"}, nil, 0)
	if err != nil {
		d.fault("%v", err)
	}
	for _, name := range []string{"gateway", "syncer", "notifier"} {
		sum += replicas(d.Services[name]) * cfg.DatabaseMaxConns
	}
	if most < sum+10 {
		d.fault("postgres takes %d connections, and the processes may open %d", most, sum)
	}
}

// checkNATS follows the server's configuration from file to file.
func (d *deployment) checkNATS(nats types.ServiceConfig) {
	file := ""
	if len(nats.Command) == 2 && nats.Command[0] == "--config" && slices.Equal([]string(nats.Entrypoint), []string{"nats-server"}) {
		file = nats.Command[1]
	}
	text := d.natsConfiguration(nats, file)
	dir := regexp.MustCompile(`store_dir: "([^"]+)"`).FindStringSubmatch(text)
	include := regexp.MustCompile(`(?m)^include \./(accounts\.conf)`).FindStringSubmatch(text)
	monitor := regexp.MustCompile(`(?m)^http: "([^"]+)"`).FindAllStringSubmatch(text, -1) // the last one counts
	if dir == nil || include == nil || monitor == nil || !strings.Contains(text, "sync_interval: always") {
		d.fault("%s of nats says nothing of store_dir, of accounts, of http or of sync_interval: always", file)
		return
	}
	if at := monitor[len(monitor)-1][1]; at != "0.0.0.0:8222" {
		d.fault("nats has its monitoring at %s, where `ashbridge doctor` of the service cli does not reach it", at)
	}
	d.inVolume(nats, dir[1])
	granted := map[string]string{}
	for _, s := range nats.Secrets {
		granted[secretTarget(s)] = filepath.Base(d.Secrets[s.Source].File)
	}
	for target, want := range map[string]string{
		include[1]: secretdir.NATSAccounts, secretdir.NATSPasswords: secretdir.NATSPasswords, // which the accounts include
	} {
		if target = filepath.Join(filepath.Dir(file), target); granted[target] != want {
			d.fault("nats finds %q at %s, not %s", granted[target], target, want)
		}
	}
}

// natsConfiguration is a file of ops/nats with those that it includes and that are mounted beside it.
func (d *deployment) natsConfiguration(nats types.ServiceConfig, file string) string {
	d.isMounted(nats, file)
	raw, err := os.ReadFile(filepath.Join(d.root, "ops/nats", filepath.Base(file)))
	if err != nil {
		d.fault("nats: %v", err)
		return ""
	}
	const first = "include ./nats.conf\n"
	if strings.Contains(string(raw), first) {
		return strings.Replace(string(raw), first, d.natsConfiguration(nats, filepath.Join(filepath.Dir(file), "nats.conf")), 1)
	}
	return string(raw)
}

// checkGrafana holds what is provisioned against where it is mounted.
func (d *deployment) checkGrafana(grafana types.ServiceConfig) {
	var provider struct {
		Providers []struct{ Options struct{ Path string } }
	}
	var sources struct {
		Datasources []struct{ URL string }
	}
	for pattern, into := range map[string]any{"dashboards/*.y*ml": &provider, "datasources/*.y*ml": &sources} {
		files, err := filepath.Glob(filepath.Join(d.root, "ops/grafana/provisioning", pattern))
		if err != nil || len(files) != 1 {
			d.fault("ops/grafana/provisioning has %v for %s", files, pattern)
			continue
		}
		raw, err := os.ReadFile(files[0])
		if err != nil || yaml.Unmarshal(raw, into) != nil {
			d.fault("%s cannot be read", files[0])
		}
	}
	for _, p := range provider.Providers {
		if mount := mountOf(grafana, p.Options.Path); mount.Target != p.Options.Path || filepath.Base(mount.Source) != "dashboards" {
			d.fault("grafana looks for dashboards at %s, and they are not mounted there", p.Options.Path)
		}
	}
	for _, s := range sources.Datasources {
		if s.URL != fmt.Sprintf("http://prometheus:%d", listening["prometheus"]) || len(d.shared("grafana", "prometheus")) == 0 {
			d.fault("grafana looks for Prometheus at %s", s.URL)
		}
	}
}

// scraping is what is held against the compose file of ops/prometheus/prometheus.yml.
type scraping struct {
	RuleFiles []string `yaml:"rule_files"`
	Alerting  struct {
		Alertmanagers []struct {
			Files []struct{ Files []string } `yaml:"file_sd_configs"`
		}
	}
	Scrapes []struct {
		Job string `yaml:"job_name"`
		DNS []struct {
			Names []string
			Type  string
			Port  uint32
		} `yaml:"dns_sd_configs"`
		Relabel []struct {
			From []string `yaml:"source_labels"`
			To   string   `yaml:"target_label"`
		} `yaml:"relabel_configs"`
	} `yaml:"scrape_configs"`
}

// checkPrometheus wants Prometheus to look for every service that has metrics, where it has them.
func (d *deployment) checkPrometheus() {
	raw, err := os.ReadFile(filepath.Join(d.root, "ops/prometheus/prometheus.yml"))
	if err != nil {
		d.fault("%v", err)
		return
	}
	var file scraping
	if err := yaml.Unmarshal(raw, &file); err != nil || len(file.Scrapes) == 0 || len(file.Scrapes[0].DNS) != 1 || len(file.Scrapes[0].Relabel) != 1 {
		d.fault("prometheus.yml cannot be read: %v", err)
		return
	}
	var want []string
	for _, name := range d.ServiceNames() {
		if _, ok := compose.Environment(d.Services[name])["ASHBRIDGE_ADMIN_ADDR"]; ok {
			want = append(want, name)
		}
	}
	job, found := file.Scrapes[0], slices.Sorted(slices.Values(file.Scrapes[0].DNS[0].Names))
	if slices.Sort(want); job.Job != "ashbridge" || !slices.Equal(found, want) || job.DNS[0].Type != "A" || job.DNS[0].Port != listening["syncer"] {
		d.fault("prometheus.yml has the job %s of %v at %d, and %v have metrics", job.Job, found, job.DNS[0].Port, want)
	}
	if r := job.Relabel[0]; !slices.Equal(r.From, []string{"__meta_dns_name"}) || r.To != "service" {
		d.fault("prometheus.yml does not label what it reads with the service")
	}
	if !slices.Equal(file.RuleFiles, []string{"rules/*.yml"}) {
		d.fault("prometheus.yml takes its rules from %v", file.RuleFiles)
	}
	own, err := os.ReadFile(filepath.Join(d.root, ".gitignore"))
	if a := file.Alerting.Alertmanagers; err != nil || len(a) != 1 || len(a[0].Files) != 1 || len(a[0].Files[0].Files) != 1 ||
		!strings.Contains(string(own), "/ops/prometheus/"+a[0].Files[0].Files[0]+"\n") {
		d.fault("prometheus.yml names its Alertmanagers in %v, not in a file of the operator's own", a)
	}
}

func TestPrometheusReadsItsConfiguration(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), localtest.Promtool(t), "check", "config", filepath.Join(repository, "ops/prometheus/prometheus.yml")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// instructions are those of a Dockerfile, each in one line.
func instructions(text string) (out []string) {
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	for line := range strings.Lines(regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// checkDockerfile wants a static program of the right toolchain in an image without a shell.
func (d *deployment) checkDockerfile() {
	var last []string
	for _, line := range instructions(d.dockerfile) {
		if from, ok := strings.CutPrefix(line, "FROM "); ok {
			last = nil
			words := strings.Fields(regexp.MustCompile(`--\S+ `).ReplaceAllString(from, ""))
			if !isPinned(words[0]) {
				d.fault("ops/Dockerfile builds from %s, which is not one version", words[0])
			}
			d.checkToolchain(words[0])
		}
		last = append(last, line)
		if strings.HasPrefix(line, "ADD ") {
			d.fault("ops/Dockerfile adds what may come from elsewhere: %s", line)
		}
	}
	for _, want := range []string{
		`ENV CGO_ENABLED=0 GOTOOLCHAIN=local`, `--mount=type=cache,target=/go/pkg/mod go mod download`, `--mount=type=cache,target=/root/.cache/go-build`,
		`go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/ashbridge ./examples/jobboard`,
	} {
		if !strings.Contains(strings.Join(instructions(d.dockerfile), "\n"), want) {
			d.fault("ops/Dockerfile lacks %s", want)
		}
	}
	stage := strings.Join(last, "\n")
	if !strings.HasPrefix(stage, "FROM gcr.io/distroless/static-") || strings.Contains(stage, "\nRUN ") {
		d.fault("the image is not a distroless one, or has a step for which it would need a shell")
	}
	for _, want := range []string{
		"COPY --from=build /out/ashbridge /out/jobboard /\n", "USER 65532:65532\n", "EXPOSE 8080 9090\n", `ENTRYPOINT ["/ashbridge"]`,
		`org.opencontainers.image.licenses="Apache-2.0"`, `org.opencontainers.image.version="$VERSION"`,
	} {
		if !strings.Contains(stage+"\n", want) {
			d.fault("the image lacks %s", strings.TrimSpace(want))
		}
	}
}

// checkToolchain wants the compiler to be one that go.mod takes.
func (d *deployment) checkToolchain(image string) {
	found := regexp.MustCompile(`^golang:(\d+)\.(\d+)`).FindStringSubmatch(image)
	if found == nil {
		return
	}
	raw, err := os.ReadFile(filepath.Join(d.root, "go.mod"))
	want := regexp.MustCompile(`(?m)^go (\d+)\.(\d+)`).FindStringSubmatch(string(raw))
	if err != nil || want == nil || found[1] != want[1] || found[2] < want[2] {
		d.fault("ops/Dockerfile builds with Go %s.%s, and go.mod wants %v", found[1], found[2], want)
	}
}

// TestTheBuilderGetsWhatTheProgramsAreMadeOf holds .dockerignore against the folders of the packages.
func TestTheBuilderGetsWhatTheProgramsAreMadeOf(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(repository, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "!") {
			allowed = append(allowed, line[1:])
		}
	}
	if !strings.Contains("\n"+string(raw), "\n*\n") {
		t.Error(".dockerignore lets everything to the builder that it does not name")
	}
	const module = "github.com/bebitcoiner/ashbridge/"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}}", "./cmd/ashbridge", "./examples/jobboard")
	cmd.Dir = repository
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	needed := []string{"go.mod", "go.sum"}
	for line := range strings.Lines(string(out)) {
		if folder, ok := strings.CutPrefix(strings.TrimSpace(line), module); ok {
			needed = append(needed, folder)
		}
	}
	if len(needed) < 20 {
		t.Fatalf("only %v are needed", needed)
	}
	for _, folder := range needed {
		if !slices.ContainsFunc(allowed, func(a string) bool { return folder == a || strings.HasPrefix(folder, a+"/") }) {
			t.Errorf("the builder does not get %s", folder)
		}
	}
	for _, a := range allowed {
		if !slices.ContainsFunc(needed, func(n string) bool { return n == a || strings.HasPrefix(n, a+"/") }) {
			t.Errorf("the builder gets %s, which is not needed", a)
		}
	}
}
