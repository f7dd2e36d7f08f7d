package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/durable"
)

func TestCreateReplacesNothingAndReplaceKeepsTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.Replace(path, []byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replacing nothing: %v", err)
	}
	if err := durable.Create(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating what is there: %v", err)
	}
	content := func(want string, mode fs.FileMode) {
		t.Helper()
		raw, err := os.ReadFile(path)
		if err != nil || string(raw) != want {
			t.Errorf("it holds %q, %v", raw, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode %o, %v", info.Mode().Perm(), err)
		}
	}
	content("one", durable.Private)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(path, []byte("three")); err != nil {
		t.Fatal(err)
	}
	content("three", 0o640)
	open, err := os.Open(path) // as one has it who mounted it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	for _, next := range []string{"a longer one", "4"} {
		if err := durable.Overwrite(path, []byte(next)); err != nil {
			t.Fatal(err)
		}
		content(next, 0o640)
		raw := make([]byte, 100)
		if n, _ := open.ReadAt(raw, 0); string(raw[:n]) != next {
			t.Errorf("who has the file open sees %q", raw[:n])
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}
