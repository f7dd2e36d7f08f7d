package localtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func TestPrometheusIsThere(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"prometheus": localtest.Prometheus(t), "promtool": localtest.Promtool(t)} {
		out, err := exec.CommandContext(t.Context(), path, "--version").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), name+", version ") {
			t.Errorf("%s --version: %v\n%s", path, err, out)
		}
	}
}

func TestMissingPrometheusFailsTheTestAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	out, failed := runVictim(t, "prometheus", "PROMETHEUS_BIN="+t.TempDir())
	if !failed || strings.Contains(out, "SKIP") || !strings.Contains(out, "correct or unset it") {
		t.Errorf("failed: %t, output:\n%s", failed, out)
	}
}
