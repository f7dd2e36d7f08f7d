package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/secretdir"
)

const repository = "../.."

const (
	// image is that of our own services.
	image = "ashbridge:local"
	// drain is how long our services take at most to end what they began.
	drain = 10 * time.Second
)

// needs say what the commands of the compose file cannot do without.
var needs = map[string]config.Needs{
	"ashbridge gateway":     config.Gateway,
	"ashbridge syncer":      config.Syncer,
	"ashbridge notifier":    config.Notifier,
	"ashbridge migrate":     config.Migrate,
	"ashbridge sim":         0,
	"ashbridge sim connect": config.Client,
	"ashbridge keys init":   0,
	"ashbridge health":      0,
	"ashbridge":             0, // the service cli; checkOperator
}

// deployment is what the compose file says, and what it is held against.
type deployment struct {
	*types.Project
	root, text, dockerfile string
	// secrets is a folder that the service secrets has filled.
	secrets string
	faults  []string
}

func (d *deployment) fault(format string, args ...any) {
	d.faults = append(d.faults, fmt.Sprintf(format, args...))
}

// faultsOf are all that is wrong with a compose file, an image's description and the settings of the environment.
func faultsOf(ctx context.Context, content, dockerfile, secrets string, environ map[string]string) []string {
	root, err := filepath.Abs(repository)
	if err != nil {
		return []string{err.Error()}
	}
	environ = maps.Clone(environ)
	environ["SECRETS_DIR"] = secrets
	project, err := compose.Load(ctx, root, []byte(content), environ)
	if err != nil {
		return []string{err.Error()}
	}
	d := &deployment{Project: project, root: root, text: content, dockerfile: dockerfile, secrets: secrets}
	d.checkNames()
	for _, name := range d.ServiceNames() {
		s := d.Services[name]
		d.checkHardening(s)
		d.checkResources(s)
		d.checkImage(s)
		d.checkMounts(s)
		d.checkSecrets(s)
		d.checkNetworks(s)
		d.checkPorts(s)
		d.checkDependencies(s)
		d.checkHealth(s)
		if s.Image == image {
			d.checkCommand(s)
			d.checkSettings(s)
		}
	}
	d.checkOperator(d.Services["cli"])
	d.checkServers()
	d.checkVolumes()
	d.checkVariables()
	d.checkPrometheus()
	d.checkDockerfile()
	slices.Sort(d.faults)
	return slices.Compact(d.faults)
}

// sources are the files as they are in the repository, and secrets as `ashbridge keys init` makes them.
func sources(t *testing.T) (content, dockerfile, secrets string) {
	t.Helper()
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	content, dockerfile, secrets = read(compose.File), read("ops/Dockerfile"), t.TempDir()
	_, err := secretdir.Make(secretdir.Options{
		Dir: secrets, PostgresHost: "postgres:5432", NATSHosts: []string{"nats:4222"}, Owner: secretdir.Unchanged,
		PostgresOwner: secretdir.Unchanged, NATSOwner: secretdir.Unchanged, GrafanaOwner: secretdir.Unchanged,
	})
	if err != nil {
		t.Fatal(err)
	}
	return content, dockerfile, secrets
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	content, dockerfile, secrets := sources(t)
	demo, err := compose.Environ(repository, compose.DemoEnv)
	if err != nil {
		t.Fatal(err)
	}
	for name, environ := range map[string]map[string]string{
		"as it is": {}, "demo": demo,
		"for others": {"ASHBRIDGE_NATS_PUBLIC_URL": "tls://nats.example.com:4222", "SYNCERS": "4", "RUN_AS": "1000:1000"},
		"empty":      {"ASHBRIDGE_PUBLIC_URL": "", "ASHBRIDGE_MODULES": "", "SYNCERS": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range faultsOf(t.Context(), content, dockerfile, secrets, environ) {
				t.Error(fault)
			}
		})
	}
}

// checkNames says which services are missing, and which are there for the demo alone.
func (d *deployment) checkNames() {
	always := []string{"postgres", "nats", "migrate", "gateway", "syncer", "notifier", "prometheus", "grafana", "volumes"}
	for _, name := range always {
		if s, ok := d.Services[name]; !ok {
			d.fault("there is no service %s", name)
		} else if len(s.Profiles) > 0 {
			d.fault("%s is in the profiles %v: it is needed always", name, s.Profiles)
		}
	}
	profiles := map[string]string{"simulator": "demo", "connect": "demo", "board": "demo", "secrets": "setup", "cli": "tools"}
	for name, profile := range profiles {
		if s, ok := d.Services[name]; !ok || !slices.Equal(s.Profiles, []string{profile}) {
			d.fault("%s is to be in the profile %s alone", name, profile)
		}
	}
	if len(d.Services) != len(always)+len(profiles) {
		d.fault("there are the services %v: say here what the new one is", d.ServiceNames())
	}
	for name, least := range map[string]int{"syncer": 2, "notifier": 2} {
		if n := replicas(d.Services[name]); n < least {
			d.fault("%s has %d replicas, of which one cannot take over from another", name, n)
		}
	}
}

func replicas(s types.ServiceConfig) int {
	if s.Deploy != nil && s.Deploy.Replicas != nil {
		return *s.Deploy.Replicas
	}
	return 1
}

// isOnce are services that do something and end.
func isOnce(s types.ServiceConfig) bool {
	return slices.Contains([]string{"volumes", "secrets", "migrate", "connect", "cli"}, s.Name)
}

// checkHardening says what a container could do that it need not.
func (d *deployment) checkHardening(s types.ServiceConfig) {
	uid, _, _ := strings.Cut(s.User, ":")
	capabilities := []string{}
	switch {
	case s.Name == "volumes": // a new volume belongs to root
		capabilities = []string{"CHOWN"}
		if s.NetworkMode != "none" {
			d.fault("volumes runs as root: it is to have no network")
		}
	case uid == "" || uid == "0" || uid == "root":
		d.fault("%s runs as root", s.Name)
	case s.User != d.Services["gateway"].User:
		d.fault("%s runs as %s and the gateway as %s: the secrets belong to one user", s.Name, s.User, d.Services["gateway"].User)
	}
	if !s.ReadOnly {
		d.fault("%s may write to its root", s.Name)
	}
	if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(append([]string{}, s.CapAdd...), capabilities) {
		d.fault("%s drops the capabilities %v and adds %v", s.Name, s.CapDrop, s.CapAdd)
	}
	if !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
		d.fault("%s has the security options %v, not no-new-privileges", s.Name, s.SecurityOpt)
	}
	if s.Privileged || s.Pid != "" || s.Ipc != "" || s.UserNSMode != "" || len(s.Devices) > 0 || s.UseAPISocket ||
		s.NetworkMode != "" && s.NetworkMode != "none" {
		d.fault("%s shares something with the machine", s.Name)
	}
	if s.ContainerName != "" || s.Hostname != "" {
		d.fault("%s has a fixed name: there could be no second of it", s.Name)
	}
}

// checkResources holds what a container may use against what its process knows.
func (d *deployment) checkResources(s types.ServiceConfig) {
	if s.Logging == nil || s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
		d.fault("%s may fill the disk with its log", s.Name)
	}
	if restart := map[bool]string{true: "no", false: "unless-stopped"}[isOnce(s)]; s.Restart != restart {
		d.fault("%s has the restart policy %q, not %q", s.Name, s.Restart, restart)
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < 2*drain {
		d.fault("%s is killed before it can have drained, which takes up to %v", s.Name, drain)
	}
	if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 || s.Deploy.Resources.Limits.Pids == 0 {
		d.fault("%s has no limit of memory or processes", s.Name)
		return
	}
	if slices.Contains([]string{"volumes", "postgres", "secrets"}, s.Name) { // no programs of Go, or over at once
		return
	}
	limit, soft := int64(s.Deploy.Resources.Limits.MemoryBytes), int64(0)
	if _, err := fmt.Sscanf(compose.Environment(s)["GOMEMLIMIT"], "%dMiB", &soft); err != nil {
		d.fault("%s has no GOMEMLIMIT in MiB", s.Name)
	} else if soft <<= 20; soft > limit*95/100 || soft < limit*80/100 {
		d.fault("%s has a GOMEMLIMIT of %d and a limit of %d bytes: it is to be about nine tenths", s.Name, soft, limit)
	}
}

// checkCommand holds a service of our image against the command tree, and its environment against the configuration.
func (d *deployment) checkCommand(s types.ServiceConfig) {
	if len(s.Entrypoint) > 0 {
		d.checkJobboard(s)
		return
	}
	d.runs(s, s.Command)
	if s.HealthCheck != nil && len(s.HealthCheck.Test) > 2 && s.HealthCheck.Test[1] == "/ashbridge" {
		d.runs(s, s.HealthCheck.Test[2:])
	}
}

// runs says what is wrong with a command of ashbridge in a service's container.
func (d *deployment) runs(s types.ServiceConfig, args []string) {
	root := newRoot(io.Discard, io.Discard)
	cmd, rest, err := root.Find(args)
	if err != nil {
		d.fault("%s: %v: %v", s.Name, args, err)
		return
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		d.fault("%s: %v: %v", s.Name, args, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		d.fault("%s: %v: %v", s.Name, args, err)
	}
	need, isKnown := needs[cmd.CommandPath()]
	if !isKnown || cmd != root && !cmd.Runnable() {
		d.fault("%s runs `%s`: say here what it needs", s.Name, cmd.CommandPath())
		return
	}
	environ := d.environ(s)
	for name := range compose.Environment(s) {
		if name != "GOMEMLIMIT" && !strings.HasPrefix(name, config.Prefix) {
			d.fault("%s sets %s, which nothing in it reads", s.Name, name)
		}
	}
	flags := cmd.Flags()
	if flags.Lookup("admin-addr") == nil && flags.Lookup("api-url") == nil { // a command that reads no configuration
		flags = nil
	}
	cfg, err := config.Load(environ, flags, need)
	if err != nil {
		d.fault("%s: %v", s.Name, err)
		return
	}
	d.checkConfig(s, cfg, need)
}

// environ is what a command in a service's container reads of its environment, with the files of this machine.
func (d *deployment) environ(s types.ServiceConfig) map[string]string {
	environ := map[string]string{"HOME": "/"}
	for name, value := range compose.Environment(s) {
		if strings.HasPrefix(name, config.Prefix) {
			environ[name] = d.onThisMachine(s, value)
		}
	}
	return environ
}

// onThisMachine is a value in which the path of a mounted secret is that of the file which is mounted.
func (d *deployment) onThisMachine(s types.ServiceConfig, value string) string {
	for _, v := range s.Volumes {
		if rest, ok := strings.CutPrefix(value, v.Target+"/"); ok && v.Type == types.VolumeTypeBind {
			return filepath.Join(v.Source, rest)
		}
	}
	for _, granted := range s.Secrets {
		if value == secretTarget(granted) {
			return d.Secrets[granted.Source].File
		}
	}
	return value
}

func secretTarget(s types.ServiceSecretConfig) string {
	target := s.Target
	if target == "" {
		target = s.Source
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(compose.SecretsMount, target)
	}
	return target
}

// checkConfig holds a service's configuration against what the others have and what is around it.
func (d *deployment) checkConfig(s types.ServiceConfig, cfg config.Config, need config.Needs) {
	if need&config.NeedKeyset == 0 {
		return
	}
	if cfg.AdminAddr != "0.0.0.0:9090" {
		d.fault("%s has its metrics at %s, where Prometheus does not find them", s.Name, cfg.AdminAddr)
	}
	if user, _, _ := strings.Cut(strings.TrimPrefix(cfg.NATSURL.Reveal(), "nats://"), ":"); user != s.Name {
		d.fault("%s logs in at NATS as %s", s.Name, user)
	}
	if s.Name == "gateway" && (cfg.NATSIssuer.Reveal() == "" || cfg.NATSPublicURL == "" || cfg.HTTPAddr != "0.0.0.0:8080") {
		d.fault("the gateway lacks NATS_ISSUER or NATS_PUBLIC_URL, without which no board can log in, or listens at %s", cfg.HTTPAddr)
	}
	mine, others := compose.Environment(s), compose.Environment(d.Services["gateway"])
	for name, value := range mine {
		// Only the gateway cannot do without a public address.
		if other, ok := others[name]; ok && other != value && (name != config.Prefix+"PUBLIC_URL" || value != "") {
			d.fault("%s has %s=%s, and the gateway %s", s.Name, name, value, other)
		}
	}
}

// checkJobboard holds the example board's variables against its flags.
func (d *deployment) checkJobboard(s types.ServiceConfig) {
	if !slices.Equal(s.Entrypoint, []string{"/jobboard"}) || len(s.Command) > 0 {
		d.fault("%s runs %v %v, which the image has not", s.Name, s.Entrypoint, s.Command)
	}
	source, err := os.ReadFile(filepath.Join(d.root, "examples/jobboard/main.go"))
	if err != nil {
		d.fault("%s: %v", s.Name, err)
	}
	for name := range s.Environment {
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "JOBBOARD_"), "_", "-"))
		if name != "GOMEMLIMIT" && !strings.Contains(string(source), `, "`+flag+`", "`) {
			d.fault("%s sets %s, and the board has no flag %s", s.Name, name, flag)
		}
	}
}
