package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// before is the program that this one must be able to run beside on the tables of this one, by its commit. It moves on with
// each release.
var before = struct {
	commit string
	// restarts says that it starts on newer tables. The first that does is the one after this pin; the pinned one goes on
	// while its tables are migrated, and refuses to start on them anew.
	restarts bool
}{commit: "7e0a294"}

// buildBefore builds the program before this one from the repository's history.
func buildBefore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := exec.CommandContext(t.Context(), "git", "cat-file", "-e", before.commit+"^{commit}").Run(); err != nil {
		t.Skipf("the history of the repository, with the commit %s, is not here: the upgrade from it is not tested", before.commit)
	}
	archive := filepath.Join(dir, "source.tar")
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "ashbridge-before")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/ashbridge")
	// As `make build` does it: what both programs are made of is compiled once, wherever they are built.
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(t.Context(), "git", "-C", "../..", "archive", "-o", archive, before.commit),
		exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", source),
		build,
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	return binary
}

// TestFormerVersionBesideThisOne upgrades a running system: the tables are migrated while the former program works on them,
// and both go on side by side, each with its gateway, syncer and notifier, until the former's work is taken over.
func TestFormerVersionBesideThisOne(t *testing.T) {
	t.Parallel()
	former := buildBefore(t)
	p := newProcesses(t, ashbytest.Options{Seed: 19, RetryScale: 0.02, RequestsPerMinute: 1 << 20})
	b := startBalancer(t)
	p.base = b.url
	p.env = append(p.env, "ASHBRIDGE_PUBLIC_URL="+b.url)
	p.migrate(former)
	p.start("nats")
	old := []string{"gateway/old", "syncer/old", "notifier/old"}
	for _, name := range old {
		p.launch(name, former)
	}
	for _, name := range old {
		p.waitReady(name)
	}
	b.add(t, "gateway/old", p.child("gateway/old"))

	db := openSQL(t, p.dbURL)
	connected := map[string]*ashbytest.Organization{}
	join := func(slug string) *ashbytest.Organization {
		org := p.sim.AddOrganization(slug, slug+" Ltd")
		org.Generate(30)
		connected[p.connect(org).ID] = org
		return org
	}
	agreed := func() error {
		var errs []error
		for id, org := range connected {
			errs = append(errs, agree(t.Context(), db, p.natsURL, id, org))
		}
		return errors.Join(errs...)
	}
	first := join("first")
	wait(t, "the former program works", agreed, p.logs.tail)
	load := startLoadEvery(t, first, 40*time.Millisecond)
	goesOn := func(what string) {
		from := load.changes()
		wait(t, "the load goes on "+what, func() error { return atLeast(load.changes()-from, 10) }, p.logs.tail)
	}
	goesOn("with the former program alone")
	p.migrate(p.binary)
	goesOn("on the new tables")
	p.base = "http://" + p.child("gateway/old").http
	join("by-the-former")
	p.begin(b, "gateway/new", "syncer/new", "notifier/new")
	goesOn("with both")
	p.base = "http://" + p.child("gateway/new").http
	join("by-this-one")
	goesOn("with all three employers")
	for _, name := range []string{"syncer/old", "notifier/old"} {
		p.terminate(name)
		goesOn("without " + name)
	}
	p.restartFormer(former, "syncer/old", "notifier/old")
	changes := load.end()
	_, judged := p.judge(db, agreed, b.faults)
	if judged < changes/2 {
		t.Errorf("only %d webhooks for %d changes", judged, changes)
	}
	for _, name := range []string{"gateway/old", "gateway/new"} {
		if n := p.webhooksTaken(name); n == 0 {
			t.Errorf("%s took no webhook", name)
		}
	}
}

// restartFormer starts the former program on the tables of this one, as a supervisor does after a crash or who goes back to
// it, and requires what its version promises.
func (p *processes) restartFormer(former string, names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.launch(name, former)
		if before.restarts {
			p.waitReady(name)
			continue
		}
		c := p.child(name)
		select {
		case <-c.done:
		case <-time.After(patience):
			p.t.Fatalf("%s neither works nor ends\n%s", name, c.log.tail())
		}
		if c.exit == nil {
			p.t.Errorf("%s ended as if it was told to\n%s", name, c.log.tail())
		}
	}
}

// webhooksTaken is how many webhooks a gateway has committed, as its metrics say.
func (p *processes) webhooksTaken(name string) int {
	p.t.Helper()
	resp, err := p.http.Get("http://" + p.child(name).admin + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		n := 0
		if _, err := fmt.Sscanf(lines.Text(), `ashbridge_gateway_webhooks_total{outcome="accepted"} %d`, &n); err == nil {
			return n
		}
	}
	p.t.Fatalf("%s does not say how many webhooks it took", name)
	return 0
}
