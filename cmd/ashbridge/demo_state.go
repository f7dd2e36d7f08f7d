package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// demoSaveEvery bounds what a demo that is killed takes back: the changes of that long.
const demoSaveEvery = 5 * time.Second

// demoState is the file in which the demo's simulated Ashby outlives the process.
type demoState struct {
	path    string
	savedAt time.Time
}

func newDemoState(dir string) *demoState { return &demoState{path: filepath.Join(dir, "sim.json")} }

// load gives the simulator what was saved; false where there is nothing, or nothing of use, which is an error too.
func (s *demoState) load(sim *ashbytest.Simulator) (isLoaded bool, err error) {
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := sim.Load(f); err != nil {
		return false, fmt.Errorf("%s: %w", s.path, err)
	}
	return true, nil
}

// isDue says whether so much time has passed since the last save that a change is worth one.
func (s *demoState) isDue() bool { return time.Since(s.savedAt) >= demoSaveEvery }

// save replaces the file in one step, so that a process killed meanwhile leaves the old state. There are keys in it:
// only this user may read it.
func (s *demoState) save(sim *ashbytest.Simulator) error {
	s.savedAt = time.Now()
	temporary := s.path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(sim.Save(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, s.path)
}
