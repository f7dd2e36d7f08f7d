package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

func newSimulator(t *testing.T) *ashbytest.Simulator {
	t.Helper()
	sim := ashbytest.New(ashbytest.Options{Seed: demoSeed})
	t.Cleanup(sim.Close)
	return sim
}

func TestDemoStateOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sim, state := newSimulator(t), newDemoState(dir)
	if isLoaded, err := state.load(sim); isLoaded || err != nil {
		t.Fatalf("loaded %v, %v from an empty folder", isLoaded, err)
	}
	org := sim.AddOrganization(demoRef, "Northwind")
	org.Generate(3)
	org.Retitle(org.Postings()[0].ID, "Another")
	if !state.isDue() {
		t.Error("never saved, and not due")
	}
	// What a killed process left must not stand in the way.
	if err := os.WriteFile(state.path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := state.save(sim); err != nil {
			t.Fatal(err)
		}
	}
	if state.isDue() {
		t.Error("just saved, and due")
	}
	info, err := os.Stat(filepath.Join(dir, "sim.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	second := newSimulator(t)
	if isLoaded, err := newDemoState(dir).load(second); !isLoaded || err != nil {
		t.Fatalf("loaded %v, %v", isLoaded, err)
	}
	if got := second.AddOrganization(demoRef, "").Postings(); !reflect.DeepEqual(got, org.Postings()) {
		t.Errorf("postings %+v", got)
	}
}

func TestBrokenDemoStateIsAnErrorAndNoMore(t *testing.T) {
	t.Parallel()
	state := newDemoState(t.TempDir())
	if err := os.WriteFile(state.path, []byte(`{"version":1,"seed"`), 0o600); err != nil {
		t.Fatal(err)
	}
	sim := newSimulator(t)
	if isLoaded, err := state.load(sim); isLoaded || err == nil {
		t.Fatalf("loaded %v, %v", isLoaded, err)
	}
	sim.AddOrganization(demoRef, "Northwind").Generate(1)
	if err := state.save(sim); err != nil {
		t.Fatal(err)
	}
	if isLoaded, err := state.load(newSimulator(t)); !isLoaded || err != nil {
		t.Errorf("loaded %v, %v after the demo started afresh", isLoaded, err)
	}
}
