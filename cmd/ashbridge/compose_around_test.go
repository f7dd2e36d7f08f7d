package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

// listening are the ports of the services, and where each is said.
var listening = map[string]uint32{
	"postgres": 5432, "nats": 4222, "gateway": 8080, "syncer": 9090, "notifier": 9090, "prometheus": 9090, "grafana": 3000,
	"simulator": 8090, "board": 8070,
}

// version is a tag that names one, down to the patch.
var pinnedTag = regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?[-.\w]*$|@sha256:[0-9a-f]{64}$`)

func isPinned(image string) bool {
	if strings.HasPrefix(image, "gcr.io/distroless/static-debian") { // it has no other tags
		return strings.HasSuffix(image, ":nonroot")
	}
	parts := strings.Count(image[strings.LastIndex(image, ":")+1:], ".")
	return pinnedTag.MatchString(image) && (parts >= 2 || strings.HasPrefix(image, "postgres:"))
}

// checkImage wants images of one version each, and ours to be built once.
func (d *deployment) checkImage(s types.ServiceConfig) {
	switch {
	case s.Image != image && !isPinned(s.Image):
		d.fault("%s runs %s, which is not one version", s.Name, s.Image)
	case s.Image == image && s.Name == "migrate":
		if s.Build == nil || s.Build.Dockerfile != "ops/Dockerfile" || s.Build.Context != d.root || s.Build.Args["VERSION"] == nil {
			d.fault("migrate is to build the image from ops/Dockerfile with its version")
		}
	case s.Build != nil:
		d.fault("%s builds an image: migrate does", s.Name)
	case s.Image == image && s.PullPolicy != "never":
		d.fault("%s looks for the image %s elsewhere", s.Name, image)
	}
}

// checkMounts wants what is mounted to be there, and what is of the repository not to be written.
func (d *deployment) checkMounts(s types.ServiceConfig) {
	for _, v := range s.Volumes {
		switch {
		case v.Type == types.VolumeTypeBind && v.Source == d.secrets:
			if s.Name != "secrets" && s.Name != "cli" {
				d.fault("%s sees all secrets", s.Name)
			}
		case v.Type == types.VolumeTypeBind:
			if _, err := os.Stat(v.Source); err != nil || !strings.HasPrefix(v.Source, d.root+"/ops/") {
				d.fault("%s mounts %s, which is not in ops", s.Name, v.Source)
			}
			if !v.ReadOnly {
				d.fault("%s may write to %s", s.Name, v.Source)
			}
		case v.Type == types.VolumeTypeVolume && v.Source == "":
			d.fault("%s has a volume without a name at %s", s.Name, v.Target)
		case s.Name != "volumes":
			if need, ok := s.DependsOn["volumes"]; !ok || need.Condition != types.ServiceConditionCompletedSuccessfully {
				if _, isReader := s.DependsOn["connect"]; !isReader {
					d.fault("%s does not wait until its volume %s belongs to it", s.Name, v.Source)
				}
			}
			if d.Services["volumes"].Name != "" && v.Volume != nil && !v.Volume.NoCopy && s.Image != image {
				d.fault("%s has the engine change the owner of %s to that of the image: nocopy is missing", s.Name, v.Source)
			}
		}
	}
	for _, mount := range s.Tmpfs {
		if !strings.Contains(mount, "size=") {
			d.fault("%s has a tmpfs without a size: %s", s.Name, mount)
		}
	}
}

// checkSecrets wants each service to be given the secrets that it names, and no more.
func (d *deployment) checkSecrets(s types.ServiceConfig) {
	targets := map[string]bool{}
	for _, granted := range s.Secrets {
		targets[secretTarget(granted)] = true
		file := d.Secrets[granted.Source].File
		if info, err := os.Stat(file); err != nil || filepath.Dir(file) != d.secrets {
			d.fault("%s is given %s, which `ashbridge keys init` does not make", s.Name, file)
		} else if info.Mode().Perm()&0o077 != 0 {
			d.fault("%s: others may read %s", s.Name, file)
		}
	}
	named := map[string]bool{}
	for name, value := range compose.Environment(s) {
		isFile := strings.HasSuffix(name, "_FILE") && name != "JOBBOARD_SUBSCRIBER_FILE"
		if isFile && s.Name != "cli" {
			named[value] = true
		}
		if isFile && !targets[value] && s.Name != "cli" {
			d.fault("%s has %s=%s, and is not given that secret", s.Name, name, value)
		}
		if secret := regexp.MustCompile(`(?i)password|token|secret|issuer`); secret.MatchString(name) && !isFile {
			d.fault("%s has %s in its environment: secrets come from files", s.Name, name)
		}
	}
	for target := range targets {
		if !named[target] && s.Name != "nats" {
			d.fault("%s is given the secret %s and does not name it", s.Name, target)
		}
	}
}

// checkNetworks wants each service to reach those that it names, and no way out where none is needed.
func (d *deployment) checkNetworks(s types.ServiceConfig) {
	if s.Name == "postgres" && !slices.Equal(slices.Collect(maps.Keys(s.Networks)), []string{"back"}) || !d.Networks["back"].Internal {
		d.fault("postgres is to be in the internal network back alone")
	}
	texts := append(append(slices.Clone([]string(s.Command)), slices.Collect(maps.Values(compose.Environment(s)))...), d.contents(s)...)
	for name, port := range listening {
		address := regexp.MustCompile(`(?:^|[/@"'\s=])` + name + `:(\d+)`)
		for _, text := range texts {
			found := address.FindStringSubmatch(text)
			if found == nil || s.Name == "secrets" || s.Name == name {
				continue
			}
			if found[1] != fmt.Sprint(port) {
				d.fault("%s looks for %s at its port %s, and it listens at %d", s.Name, name, found[1], port)
			}
			if len(d.shared(s.Name, name)) == 0 && s.Name != "migrate" { // which is given all settings and asks Postgres alone
				d.fault("%s has no network in common with %s", s.Name, name)
			}
		}
	}
	for _, name := range []string{"gateway", "syncer", "notifier"} {
		if n := d.shared("prometheus", name); len(n) != 1 {
			d.fault("prometheus has the networks %v in common with %s: it would find it %d times", n, name, len(n))
		}
	}
}

// contents are the addresses in the secrets that a service is given.
func (d *deployment) contents(s types.ServiceConfig) (out []string) {
	for _, granted := range s.Secrets {
		if raw, err := os.ReadFile(d.Secrets[granted.Source].File); err == nil && strings.Contains(granted.Source, "url") {
			out = append(out, string(raw))
		}
	}
	return out
}

func (d *deployment) shared(a, b string) (out []string) {
	for name := range d.Services[a].Networks {
		if _, ok := d.Services[b].Networks[name]; ok {
			out = append(out, name)
		}
	}
	return out
}

// checkPorts wants nothing published but what others have to reach, and that on loopback unless somebody says more.
func (d *deployment) checkPorts(s types.ServiceConfig) {
	published := []string{"gateway", "nats", "prometheus", "grafana", "simulator", "board"}
	if slices.Contains(published, s.Name) != (len(s.Ports) == 1) {
		d.fault("%s publishes %d ports", s.Name, len(s.Ports))
	}
	for _, p := range s.Ports {
		if ip := net.ParseIP(p.HostIP); ip == nil || !ip.IsLoopback() {
			d.fault("%s is published at %q", s.Name, p.HostIP)
		}
		if p.Target != listening[s.Name] {
			d.fault("%s publishes its port %d, and listens at %d", s.Name, p.Target, listening[s.Name])
		}
		if replicas(s) > 1 {
			d.fault("%s has several replicas and one published port", s.Name)
		}
	}
	isOutside := func(network string) bool { return !d.Networks[network].Internal }
	if len(s.Ports) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(s.Networks)), isOutside) {
		d.fault("%s is published, and in internal networks alone", s.Name)
	}
}

// checkDependencies wants conditions that can come true, and those without which a service fails at its start.
func (d *deployment) checkDependencies(s types.ServiceConfig) {
	for name, need := range s.DependsOn {
		on := d.Services[name]
		if need.Condition == types.ServiceConditionHealthy && on.HealthCheck == nil ||
			(need.Condition == types.ServiceConditionCompletedSuccessfully) != isOnce(on) || !need.Required {
			d.fault("%s waits for %s to be %s, which it never is", s.Name, name, need.Condition)
		}
	}
	const healthy, done = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	running := map[string]string{"migrate": done, "postgres": healthy, "nats": healthy}
	for on, condition := range map[string]map[string]string{
		"gateway": running, "syncer": running, "notifier": running, "migrate": {"postgres": healthy},
		"connect": {"gateway": healthy, "simulator": healthy}, "board": {"connect": done},
	}[s.Name] {
		if s.DependsOn[on].Condition != condition {
			d.fault("%s does not wait for %s (%s)", s.Name, on, condition)
		}
	}
}

// checkHealth wants a check of every service that stays, by a program that its image has.
func (d *deployment) checkHealth(s types.ServiceConfig) {
	if isOnce(s) {
		return
	}
	h := s.HealthCheck
	if h == nil || h.Disable || len(h.Test) < 3 || h.Test[0] != "CMD" || h.Interval == nil || h.Timeout == nil || h.Retries == nil || h.StartPeriod == nil {
		d.fault("%s has no whole health check", s.Name)
		return
	}
	image, _, _ := strings.Cut(s.Image, ":")
	if program := (map[string]string{"ashbridge": "/ashbridge", "postgres": "pg_isready"})[image]; h.Test[1] != cmp.Or(program, "wget") {
		d.fault("%s checks its health with %s, which its image has not", s.Name, h.Test[1])
	}
	last := h.Test[len(h.Test)-1]
	address := regexp.MustCompile(`^http://127\.0\.0\.1:(\d+)/`).FindStringSubmatch(last)
	port := listening[s.Name]
	if s.Name == "nats" {
		port = 8222 // monitoring
	}
	if strings.HasPrefix(last, "http") && (address == nil || address[1] != fmt.Sprint(port)) {
		d.fault("%s checks its health at %s", s.Name, last)
	}
}

// checkVolumes wants every volume to be declared, used, and given to the user of the containers.
func (d *deployment) checkVolumes() {
	v := d.Services["volumes"]
	var targets, names []string
	for _, mount := range v.Volumes {
		targets, names = append(targets, mount.Target), append(names, mount.Source)
	}
	slices.Sort(names)
	if declared := slices.Sorted(maps.Keys(d.Volumes)); !slices.Equal(names, declared) {
		d.fault("the volumes are %v, and %v are given to the user of the containers", declared, names)
	}
	if want := append([]string{d.Services["gateway"].User}, targets...); !slices.Equal([]string(v.Command), want) ||
		!slices.Equal([]string(v.Entrypoint), []string{"/bin/chown"}) {
		d.fault("volumes runs %v %v, not chown %v", v.Entrypoint, v.Command, want)
	}
	used := map[string]bool{}
	for _, s := range d.Services {
		for _, mount := range s.Volumes {
			if s.Name != "volumes" && mount.Type == types.VolumeTypeVolume {
				used[mount.Source] = true
			}
		}
	}
	for name := range d.Volumes {
		if !used[name] {
			d.fault("nobody uses the volume %s", name)
		}
	}
}

// checkVariables wants every setting of the file to be known to the configuration, or explained at the top of the file.
func (d *deployment) checkVariables() {
	head, _, _ := strings.Cut(d.text, "\nname:")
	for _, found := range regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(d.text, -1) {
		name := found[1]
		if strings.HasPrefix(name, config.Prefix) {
			if !strings.Contains(d.text, name+": ${"+name) {
				d.fault("%s is not handed on under its name", name)
			}
		} else if name != "VERSION" && !strings.Contains(head, name) {
			d.fault("%s is not explained at the top of the file", name)
		}
	}
}
