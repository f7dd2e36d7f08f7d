package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

func TestSimulationOfFlags(t *testing.T) {
	t.Parallel()
	o := simOptions{organization: "northwind", postings: 3, candidates: 5, seed: 1, faults: []string{"html:job.list:2", "soft-error@2"}}
	sim, org, key, err := newSimulation(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	if len(org.Postings()) != 3 || len(org.RecordIDs("candidate")) != 5 || len(org.RecordIDs("user")) == 0 || key == "" {
		t.Errorf("%d postings, %d candidates", len(org.Postings()), len(org.RecordIDs("candidate")))
	}
	if on := sim.ActiveFaults(); len(on) != 2 || on[0].Count != 2 || on[1].Page != 2 {
		t.Errorf("faults %+v", on)
	}
	for _, wrong := range []simOptions{{faults: []string{"nothing"}}, {candidates: -1}} {
		if _, _, _, err := newSimulation(wrong, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
}

func TestListFaults(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	root := newRoot(&out, &out)
	root.SetArgs([]string{"sim", "--list-faults"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != len(ashbytest.Faults()) || !strings.Contains(out.String(), "gzip-bomb") {
		t.Errorf("%s", out.String())
	}
}
