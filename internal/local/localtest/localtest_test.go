package localtest_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("one of them", func(t *testing.T) {
			t.Parallel()
			db := open(t, localtest.Database(t))
			if _, err := db.Exec("CREATE TABLE mine (id int PRIMARY KEY)"); err != nil {
				t.Fatal(err)
			}
			var fsync, checksums, encoding string
			for setting, into := range map[string]*string{"fsync": &fsync, "data_checksums": &checksums, "server_encoding": &encoding} {
				if err := db.QueryRow("SELECT current_setting($1)", setting).Scan(into); err != nil {
					t.Fatal(err)
				}
			}
			if fsync != "on" || checksums != "on" || encoding != "UTF8" {
				t.Errorf("fsync %s, checksums %s, encoding %s", fsync, checksums, encoding)
			}
		})
	}
}

func TestWhatAKilledRunLeftIsRemoved(t *testing.T) {
	t.Parallel()
	// Other than the test's own folder, this one can be opened to the server's user.
	tmp, err := os.MkdirTemp("", "localtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	old, held, fresh := filepath.Join(tmp, "ashbridge-test-old"), filepath.Join(tmp, "ashbridge-test-held"), filepath.Join(tmp, "ashbridge-test-fresh")
	for _, dir := range []string{old, held, fresh} {
		if err := os.MkdirAll(filepath.Join(dir, "pg"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := local.LockDir(held)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Unlock() }()
	long := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(os.Chtimes(old, long, long), os.Chtimes(held, long, long), os.Chmod(tmp, 0o711)); err != nil {
		t.Fatal(err)
	}
	if out, failed := runVictim(t, "database", "TMPDIR="+tmp); failed {
		t.Fatalf("output:\n%s", out)
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || !slices.Equal(left, []string{fresh, held}) {
		t.Errorf("left are %v %v, want the fresh one and the one that is held", left, err)
	}
}
