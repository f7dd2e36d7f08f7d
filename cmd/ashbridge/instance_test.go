package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFoldersAtOnePathOfTwoMachinesHaveTwoOwners: both may use one database.
func TestFoldersAtOnePathOfTwoMachinesHaveTwoOwners(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ashbridge")
	fresh := func() string {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		owner, err := ownerOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		return owner
	}
	here, there := fresh(), fresh()
	if here == there || !strings.HasPrefix(there, "up@"+dir) {
		t.Errorf("owners %q and %q", here, there)
	}
	if again, err := ownerOf(dir); err != nil || again != there {
		t.Errorf("after a restart: %q, %v", again, err)
	}
	if err := os.WriteFile(filepath.Join(dir, instanceName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if owner, err := ownerOf(dir); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("an empty file: %q, %v", owner, err)
	}
}
