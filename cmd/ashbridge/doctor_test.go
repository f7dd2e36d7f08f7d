package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/doctor"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func TestDoctorPrintsFindingsAndFails(t *testing.T) {
	t.Parallel()
	closed := localtest.FreeAddr(t)
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := newRoot(&out, &out)
		root.SetArgs(append([]string{
			"doctor", "--data-dir", t.TempDir(), "--ashby-url", "http://" + closed, "--allow-private-ashby", "--http-addr", closed,
		}, args...))
		if err := root.ExecuteContext(t.Context()); !errors.Is(err, errUnwell) {
			t.Errorf("%v: %v", args, err)
		}
		return out.String()
	}
	text := run()
	for _, part := range []string{"FAILED   configuration", "→ ", "skipped  database", " failed, "} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
	var report struct{ Findings []doctor.Finding }
	if err := json.Unmarshal([]byte(run("--json")), &report); err != nil || len(report.Findings) < 8 {
		t.Errorf("as JSON: %d findings, %v", len(report.Findings), err)
	}
}
