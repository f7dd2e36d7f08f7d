package compose_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/compose"
)

// engine is a docker that notes how it was called, and with which settings in its environment; the secrets that it "makes"
// are those of the next version each time.
const engine = `#!/bin/sh
echo "docker $*" >>"$CALLS"
echo "$COMPOSE_PROJECT_NAME $SECRETS_DIR $ASHBRIDGE_ASHBY_URL $ASHBRIDGE_PUBLIC_URL $GATEWAY_LISTEN $SYNCERS" >>"$CALLS.environ"
case "$*" in
*"run --rm"*) echo "$$" >"${SECRETS_DIR:-${TEST_SECRETS:-./secrets}}/nats-accounts.conf" ;;
esac
`

// script is a copy of ops/compose.sh in a folder of its own, with that engine.
type script struct {
	t          *testing.T
	dir, calls string
}

func newScript(t *testing.T) *script {
	t.Helper()
	s := &script{t: t, dir: t.TempDir()}
	s.calls = filepath.Join(s.dir, "calls")
	write := func(name, content string) {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ops/compose.sh", "ops/demo.env", "ops/smoke.env", "docker-compose.yml"} {
		raw, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, string(raw))
	}
	write("bin/docker", engine)
	write("bin/go", "#!/bin/sh\necho \"go $*\" >>\"$CALLS\"\n")
	return s
}

// run runs the script, which must end well, and returns what it printed and what it called.
func (s *script) run(act string, environ ...string) (out string, calls []string) {
	s.t.Helper()
	out, calls, err := s.try(act, environ...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", act, err, out)
	}
	return out, calls
}

func (s *script) try(act string, environ ...string) (out string, calls []string, err error) {
	s.t.Helper()
	_ = os.Remove(s.calls)
	_ = os.Remove(s.calls + ".environ")
	cmd := exec.CommandContext(s.t.Context(), "/bin/sh", filepath.Join(s.dir, "ops/compose.sh"), act)
	cmd.Env = append([]string{"PATH=" + filepath.Join(s.dir, "bin") + ":" + os.Getenv("PATH"), "CALLS=" + s.calls, "HOME=" + s.dir}, environ...)
	printed, err := cmd.CombinedOutput()
	return string(printed), strings.Split(strings.TrimSpace(s.read(s.calls)), "\n"), err
}

// settings writes .env.
func (s *script) settings(text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, ".env"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) read(path string) string {
	s.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// asking is what each run begins with.
var asking = []string{"docker compose version", "docker info"}

func TestUpMakesSecretsAndStarts(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	const plain, demo = "docker compose --env-file .env ", "docker compose --env-file .env --profile demo "
	const all = "--profile setup --profile tools --profile demo down"
	const up = "up --detach --wait --wait-timeout 300"
	for i, c := range []struct {
		act  string
		want []string
		says string
	}{
		{"up", []string{plain + "build migrate", plain + "run --rm --no-deps secrets", plain + up}, "token in ./secrets/admin-token"},
		// The second version has other accounts.
		{"up", []string{plain + "build migrate", plain + "run --rm --no-deps secrets", plain + "restart nats", plain + up}, "NATS: it is restarted"},
		{"demo", []string{demo + "build migrate", demo + "run --rm --no-deps secrets", demo + up}, "token in ./secrets-demo/admin-token"},
		{"down", []string{plain + all}, ""},
		{"demo-down", []string{demo + all}, ""},
	} {
		out, calls := s.run(c.act)
		if want := slices.Concat(asking, c.want); !slices.Equal(calls, want) {
			t.Errorf("%d, %s: it called\n%s\nnot\n%s", i, c.act, strings.Join(calls, "\n"), strings.Join(want, "\n"))
		}
		if !strings.Contains(out, c.says) {
			t.Errorf("%d, %s: it says\n%s", i, c.act, out)
		}
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	if err != nil || strings.Count(string(raw), "RUN_AS=") != 1 || strings.Contains(string(raw), "RUN_AS=0:") {
		t.Errorf(".env has %q, %v", raw, err)
	}
	for _, name := range []string{"secrets", "secrets-demo"} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestSettingsOfAnOperatorStay(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	settings := "RUN_AS=1234:1234\nASHBRIDGE_PUBLIC_URL=https://ashbridge.example.com\nGATEWAY_LISTEN=127.0.0.1:8181\n"
	s.settings(settings)
	out, _ := s.run("up", "GRAFANA_LISTEN=127.0.0.1:3131")
	for _, want := range []string{"http://127.0.0.1:8181", "http://127.0.0.1:3131"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not name %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "cannot reach it yet") || !strings.Contains(out, "set ASHBRIDGE_TRUSTED_PROXIES") {
		t.Errorf("it asks for an address that is there, or not for the proxy's, which is not:\n%s", out)
	}
	if raw, err := os.ReadFile(filepath.Join(s.dir, ".env")); err != nil || string(raw) != settings {
		t.Errorf(".env was changed: %s %v", raw, err)
	}
}

func TestSmokeHasEverythingOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	_, calls := s.run("smoke", "TMPDIR="+s.dir)
	last := calls[len(calls)-1]
	if !strings.HasSuffix(last, "--profile setup --profile tools down --volumes --timeout 20") {
		t.Errorf("it ends with %s", last)
	}
	test := calls[len(calls)-2]
	if !strings.HasPrefix(test, "go test -count=1 -run ^TestSmoke$ ./internal/smoke -containers -secrets "+s.dir+"/tmp.") {
		t.Errorf("it tests with %s", test)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "tmp.*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// TestNothingOfTheRealOneGetsToTheDemo calls the demo where all of its names are set to those of the real deployment.
func TestNothingOfTheRealOneGetsToTheDemo(t *testing.T) {
	t.Parallel()
	const names = "COMPOSE_PROJECT_NAME=real SECRETS_DIR=./secrets ASHBRIDGE_ASHBY_URL=https://ashby.example.com " +
		"ASHBRIDGE_PUBLIC_URL=https://ashbridge.example.com GATEWAY_LISTEN=0.0.0.0:80 SYNCERS=7"
	for act, want := range map[string]string{
		"demo":      "ashbridge-demo ./secrets-demo http://simulator:8090 http://gateway:8080 127.0.0.1:8180 7",
		"demo-down": "ashbridge-demo ./secrets-demo http://simulator:8090 http://gateway:8080 127.0.0.1:8180 7",
		"smoke":     "ashbridge-smoke DIR/secrets http://simulator:8090 http://gateway:8080 127.0.0.1:18080 2",
		"up":        "real ./secrets https://ashby.example.com https://ashbridge.example.com 0.0.0.0:80 7",
	} {
		s := newScript(t)
		s.settings(strings.ReplaceAll(names, " ", "\n"))
		s.run(act, append(strings.Fields(names), "TMPDIR="+s.dir)...)
		lines := strings.Split(strings.TrimSpace(s.read(s.calls+".environ")), "\n")
		for _, line := range lines[len(asking):] {
			if line = regexp.MustCompile(`/\S+/tmp\.\w+`).ReplaceAllString(line, "DIR"); line != want {
				t.Errorf("%s: Compose has %s, not %s", act, line, want)
			}
		}
	}
}

func TestSettingsAreReadAsComposeReadsThem(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct{ secrets, listen string }{
		"SECRETS_DIR=./own\nGATEWAY_LISTEN=127.0.0.1:81":                        {"./own", "127.0.0.1:81"}, // without an end
		"SECRETS_DIR=\"./own\" # ours\nGATEWAY_LISTEN='127.0.0.1:81'\n":         {"./own", "127.0.0.1:81"},
		"SECRETS_DIR=./own   # ours\r\nexport GATEWAY_LISTEN = 127.0.0.1:81 \n": {"./own", "127.0.0.1:81"},
		"SECRETS_DIR=./a\nSECRETS_DIR=./own\n#GATEWAY_LISTEN=1\n":               {"./own", "127.0.0.1:8080"},
		"SECRETS_DIR=\nGATEWAY_LISTEN=\nTEST=./own\n":                           {"./secrets", "127.0.0.1:8080"},
	} {
		s := newScript(t)
		s.settings(text)
		out, _ := s.run("up", "TEST_SECRETS="+c.secrets)
		if !strings.Contains(out, "token in "+c.secrets+"/admin-token") || !strings.Contains(out, "http://"+c.listen+" ") {
			t.Errorf("of %q it makes\n%s", text, out)
		}
		environ, err := compose.Environ(s.dir, ".env")
		if err != nil || cmp.Or(environ["SECRETS_DIR"], "./secrets") != c.secrets || cmp.Or(environ["GATEWAY_LISTEN"], "127.0.0.1:8080") != c.listen {
			t.Errorf("of %q Compose makes %v, %v", text, environ, err)
		}
		if environ["RUN_AS"] == "" || !strings.HasPrefix(s.read(filepath.Join(s.dir, ".env")), text) {
			t.Errorf("of %q it made %q", text, s.read(filepath.Join(s.dir, ".env")))
		}
	}
}

// TestSecretsBelongToTheUserOfTheContainers begins with a folder that is there, and a user who is quoted.
func TestSecretsBelongToTheUserOfTheContainers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string // in the folder before
		want uint32 // the owner where root calls
	}{"an empty folder": {"", 1234}, "secrets": {"keyset.json", 1234}, "something else": {"passwd", 0}} {
		s := newScript(t)
		s.settings("RUN_AS=\"1234:1234\" # the operator\n")
		folder := filepath.Join(s.dir, "secrets")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(folder, c.file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, _ := s.run("up")
		info, err := os.Stat(folder)
		if err != nil {
			t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		isSaid := strings.Contains(out, "and the containers run as 1234:1234")
		if os.Geteuid() != 0 {
			c.want = owner
			isSaid = !isSaid
		}
		if owner != c.want || isSaid != (c.want == 0) {
			t.Errorf("%s: the folder belongs to %d, not to %d; it says\n%s", name, owner, c.want, out)
		}
	}
}

func TestWhatWouldBeIgnoredIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"a setting that is misspelt":       {".env", "ASHBRIDGE_PUBLIC_ULR=https://a.example.com\n", "no container takes: ASHBRIDGE_PUBLIC_ULR"},
		"one that belongs to a container":  {".env", "RUN_AS=1:1\nexport ASHBRIDGE_HTTP_ADDR=:80\n", "no container takes: ASHBRIDGE_HTTP_ADDR"},
		"the beginning of another setting": {".env", "ASHBRIDGE_PUBLIC=x\n", "no container takes: ASHBRIDGE_PUBLIC"},
		"a file of before":                 {"ashbridge.env", "ASHBRIDGE_MODULES=jobs\n", "all settings are in .env"},
	} {
		s := newScript(t)
		if err := os.WriteFile(filepath.Join(s.dir, c.file), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, calls, err := s.try("up")
		if err == nil || !strings.Contains(out, c.want) || len(calls) != len(asking) {
			t.Errorf("%s: %v, %q\n%s", name, err, calls, out)
		}
	}
}

func TestSmokeSaysFirstThatItNeedsGo(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	out, calls, err := s.try("smoke", "GO=gone-from-here", "TMPDIR="+s.dir)
	if err == nil || !strings.Contains(out, "needs Go on this machine") || len(calls) != len(asking) {
		t.Errorf("%v, %q\n%s", err, calls, out)
	}
}
