package smoke

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// places put the containers' network and file systems onto this machine: each address in them is one of loopback, each
// path one below a folder of the container's own. Nothing else of the compose file is changed.
type places struct {
	t       testing.TB
	dir     string
	project *types.Project
	// addresses are those of this machine by "container:port".
	addresses map[string]string
	// own are addresses within a container, names those of other services.
	own, names *regexp.Regexp
	// user is that of the containers, where this is root and can become it; else nil.
	user *syscall.Credential
}

func newPlaces(t testing.TB, project *types.Project, dir string) *places {
	hosts := project.ServiceNames()
	slices.Sort(hosts)
	p := &places{
		t: t, dir: dir, project: project, addresses: map[string]string{},
		own:   regexp.MustCompile(`\b(?:0\.0\.0\.0|127\.0\.0\.1):(\d+)`),
		names: regexp.MustCompile(`\b(` + strings.Join(hosts, "|") + `):(\d+)`),
	}
	if os.Geteuid() == 0 {
		p.user = &syscall.Credential{}
		if _, err := fmt.Sscanf(project.Services["gateway"].User, "%d:%d", &p.user.Uid, &p.user.Gid); err != nil {
			t.Fatalf("the user of the containers is %q: %v", project.Services["gateway"].User, err)
		}
	}
	return p
}

// give gives a file or folder to the user of the containers.
func (p *places) give(path string) {
	p.t.Helper()
	if p.user == nil {
		return
	}
	if err := os.Chown(path, int(p.user.Uid), int(p.user.Gid)); err != nil {
		p.t.Fatal(err)
	}
}

// container names a replica of a service; others reach the first.
func container(service string, replica int) string { return service + "-" + string(rune('1'+replica)) }

// at is where a container's port is on this machine.
func (p *places) at(container, port string) string {
	key := container + ":" + port
	if p.addresses[key] == "" {
		p.addresses[key] = localtest.FreeAddr(p.t)
	}
	return p.addresses[key]
}

// box is a container's view of the machine.
type box struct {
	*places
	service types.ServiceConfig
	name    string
	// root has what the container has mounted, by its path there.
	root  string
	paths *regexp.Regexp
	// direct are mounts that are the machine's own folder.
	direct map[string]string
}

// newBox mounts what a service mounts: named volumes, files and folders of the repository, secrets. What is read only is a
// copy in which the addresses and paths are those of this machine.
func (p *places) newBox(service types.ServiceConfig, replica int) *box {
	p.t.Helper()
	b := &box{places: p, service: service, name: container(service.Name, replica), direct: map[string]string{}}
	b.root = filepath.Join(p.dir, b.name)
	copies := map[string]string{}
	var targets []string
	for _, v := range service.Volumes {
		targets = append(targets, v.Target)
		switch {
		case v.Type == types.VolumeTypeVolume:
			b.direct[v.Target] = filepath.Join(p.dir, "volumes", v.Source)
			p.mkdir(b.direct[v.Target])
			p.give(b.direct[v.Target]) // as the service volumes does
		case v.ReadOnly:
			copies[v.Target] = v.Source
		default:
			b.direct[v.Target] = v.Source
		}
	}
	for _, s := range service.Secrets {
		target := cmp.Or(s.Target, s.Source)
		if !filepath.IsAbs(target) {
			target = filepath.Join(compose.SecretsMount, target)
		}
		targets = append(targets, target)
		copies[target] = p.project.Secrets[s.Source].File
	}
	p.mkdir(b.root)
	// The longest first: a mount may lie within another.
	slices.SortFunc(targets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for i, target := range targets {
		targets[i] = regexp.QuoteMeta(target)
	}
	if len(targets) > 0 {
		b.paths = regexp.MustCompile(`(^|[\s="':\[])(` + strings.Join(targets, "|") + `)`)
	}
	for target, source := range copies {
		b.copy(source, filepath.Join(b.root, target))
	}
	return b
}

// text is a text of the container with the addresses and paths of this machine.
func (b *box) text(s string) string {
	s = b.own.ReplaceAllStringFunc(s, func(m string) string { return b.at(b.name, b.own.FindStringSubmatch(m)[1]) })
	s = b.names.ReplaceAllStringFunc(s, func(m string) string {
		parts := b.names.FindStringSubmatch(m)
		return b.at(container(parts[1], 0), parts[2])
	})
	if b.paths == nil {
		return s
	}
	return b.paths.ReplaceAllStringFunc(s, func(m string) string {
		parts := b.paths.FindStringSubmatch(m)
		if direct, ok := b.direct[parts[2]]; ok {
			return parts[1] + direct
		}
		return parts[1] + filepath.Join(b.root, parts[2])
	})
}

// texts are several of them.
func (b *box) texts(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = b.text(s)
	}
	return out
}

// environ is the environment of the container's process: the compose file's, and what an engine adds.
func (b *box) environ() []string {
	out := []string{"HOME=/", "PATH=" + os.Getenv("PATH")}
	for name, value := range compose.Environment(b.service) {
		out = append(out, name+"="+b.text(value))
	}
	return out
}

// copy copies a file or folder, readable by its owner alone as secrets are.
func (b *box) copy(source, target string) {
	b.t.Helper()
	err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, rel)
		b.mkdir(filepath.Dir(to))
		if err := os.WriteFile(to, []byte(b.text(string(raw))), 0o600); err != nil {
			return err
		}
		b.give(to)
		return nil
	})
	if err != nil {
		b.t.Fatalf("mounting %s in %s: %v", source, b.name, err)
	}
}

func (p *places) mkdir(dir string) {
	p.t.Helper()
	if err := os.MkdirAll(dir, 0o711); err != nil {
		p.t.Fatal(err)
	}
}
