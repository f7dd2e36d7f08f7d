package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestKeysInitPrintsNoSecret(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	var out bytes.Buffer
	for _, args := range [][]string{{"keys", "init", dir}, {"keys", "init", dir, "--json"}} {
		root := newRoot(&out, &out)
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "made    "+filepath.Join(dir, "database-url")) || !strings.Contains(out.String(), `"state": "kept"`) {
		t.Errorf("it does not say what was made and what was kept:\n%s", out.String())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 12 {
		t.Fatalf("%d files: %v", len(entries), err)
	}
	// Whatever is random: 26 characters of base32, keys, seeds.
	random := regexp.MustCompile(`[A-Za-z0-9_+/]{26,}`)
	found := 0
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == "nats-accounts.conf" {
			continue
		}
		for _, secret := range random.FindAllString(string(raw), -1) {
			found++
			if strings.Contains(out.String(), secret) {
				t.Errorf("a part of %s was printed", e.Name())
			}
		}
	}
	if found < 12 {
		t.Errorf("only %d secrets were looked for", found)
	}
}
