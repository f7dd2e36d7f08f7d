package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// engine is a docker that notes how it was called; the secrets that it "makes" are those of the next version each time.
const engine = `#!/bin/sh
echo "docker $*" >>"$CALLS"
case "$*" in
*"run --rm"*)
	dir=${SECRETS_DIR:-./secrets}
	case "$*" in *demo.env*) dir=${SECRETS_DIR:-./secrets-demo} ;; esac
	echo "$$" >"$dir/nats-accounts.conf" ;;
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
	for _, name := range []string{"ops/compose.sh", "ops/demo.env"} {
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

// run runs the script, and returns what it printed and what it called.
func (s *script) run(act string, environ ...string) (out string, calls []string) {
	s.t.Helper()
	_ = os.Remove(s.calls)
	cmd := exec.CommandContext(s.t.Context(), "/bin/sh", filepath.Join(s.dir, "ops/compose.sh"), act)
	cmd.Env = append([]string{"PATH=" + filepath.Join(s.dir, "bin") + ":" + os.Getenv("PATH"), "CALLS=" + s.calls, "HOME=" + s.dir}, environ...)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", act, err, printed)
	}
	raw, err := os.ReadFile(s.calls)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(printed), strings.Split(strings.TrimSpace(string(raw)), "\n")
}

// asking is what each run begins with.
var asking = []string{"docker compose version", "docker info"}

func TestUpMakesSecretsAndStarts(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	const plain, demo = "docker compose --env-file .env ", "docker compose --env-file .env --env-file ops/demo.env --profile demo "
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
		{"down", []string{plain + "--profile setup --profile tools down", demo + "--profile setup --profile tools down"}, ""},
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
	if err := os.WriteFile(filepath.Join(s.dir, ".env"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := s.run("up", "GRAFANA_LISTEN=127.0.0.1:3131")
	for _, want := range []string{"http://127.0.0.1:8181", "http://127.0.0.1:3131"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not name %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "cannot reach it yet") {
		t.Errorf("it asks for an address that is there:\n%s", out)
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
	if !strings.HasSuffix(last, "--profile setup down --volumes --timeout 20") {
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
