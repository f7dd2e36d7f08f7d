package localtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// victim tells a run of this test program to run one test that is expected to fail, and how.
const victim = "LOCALTEST_VICTIM"

func TestMain(m *testing.M) { localtest.Main(m) }

// runVictim runs the test TestVictim in a process of its own.
func runVictim(t *testing.T, how string, environ ...string) (output string, failed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$", "-test.v")
	cmd.Env = append(append(os.Environ(), victim+"="+how), environ...)
	out, err := cmd.CombinedOutput()
	return string(out), err != nil
}

func TestVictim(t *testing.T) {
	switch os.Getenv(victim) {
	case "database":
		localtest.Database(t)
	case "prometheus":
		localtest.Promtool(t)
	case "leak":
		// A goroutine without a waiter is what is to be found.
		go func() { select {} }()
	}
}

func TestMissingPostgresFailsTheRunAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	out, failed := runVictim(t, "database", "PG_BIN="+t.TempDir())
	if !failed || strings.Contains(out, "SKIP") || !strings.Contains(out, "no PostgreSQL 15 or newer found") || !strings.Contains(out, "PG_BIN") {
		t.Errorf("failed: %t, output:\n%s", failed, out)
	}
}

func TestLeakedGoroutineFailsTheRun(t *testing.T) {
	t.Parallel()
	out, failed := runVictim(t, "leak")
	if !failed || !strings.Contains(out, "TestVictim.func1") {
		t.Errorf("failed: %t, output:\n%s", failed, out)
	}
}

func TestOrdinaryRunSucceeds(t *testing.T) {
	t.Parallel()
	if out, failed := runVictim(t, "nothing"); failed {
		t.Errorf("output:\n%s", out)
	}
}
