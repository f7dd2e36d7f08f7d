package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFilesAreWhatTheCodeMakes compares the files with the code: Grafana reads the one, people change the other.
func TestFilesAreWhatTheCodeMakes(t *testing.T) {
	t.Parallel()
	made, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range made {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes (%v): run `make dashboards`", path, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if made[f] == nil {
			t.Errorf("%s is made by no code: remove it", f)
		}
	}
}
