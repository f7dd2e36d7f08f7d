package localtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Prometheus is the path of the server's program. Where there is none the test fails, with the line that brings it. It
// is only a program: who starts it chooses its address and its folder (FreeAddr, t.TempDir).
func Prometheus(t testing.TB) string {
	t.Helper()
	return prometheusProgram(t, "prometheus")
}

// Promtool is the path of the program that checks and tests rules. Where there is none the test fails, with the line that
// brings it.
func Promtool(t testing.TB) string {
	t.Helper()
	return prometheusProgram(t, "promtool")
}

// prometheusProgram looks where ops/install-prometheus.sh looks and unpacks.
func prometheusProgram(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("PROMETHEUS_BIN"); dir != "" {
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("PROMETHEUS_BIN names %s, and %s is not there: correct or unset it", dir, name)
		}
		return path
	}
	places := []string{
		name, "/usr/bin/" + name, "/usr/local/bin/" + name, "/opt/homebrew/bin/" + name, "/home/linuxbrew/.linuxbrew/bin/" + name,
	}
	if cache, err := prometheusCache(); err == nil {
		places = append(places, filepath.Join(cache, "usr", "bin", name))
	}
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	t.Fatalf("there is no %s: `make prometheus` brings it without starting a server, PROMETHEUS_BIN names a folder that has it", name)
	return ""
}

// prometheusCache is the folder into which ops/install-prometheus.sh unpacks a package.
func prometheusCache() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "ashbridge", "prometheus"), nil
}
