package e2e

import (
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// TestMigrationIsWrittenDown runs the command on an empty database, in which the audit log is made by it, and once more.
func TestMigrationIsWrittenDown(t *testing.T) {
	t.Parallel()
	binary, url := buildBinary(t, t.TempDir()), localtest.Database(t)
	raw, err := sqlx.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	var want []string
	for range 2 {
		cmd := exec.CommandContext(t.Context(), binary, "migrate")
		cmd.Env = []string{"ASHBRIDGE_DATABASE_URL=" + url}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("migrating: %v\n%s", err, out)
		}
		want = append(want, "schema.migrate by command: done")
		var got []string
		if err := raw.Select(&got, `SELECT action || ' by ' || actor_kind || ': ' || outcome FROM audit_log ORDER BY id`); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}
