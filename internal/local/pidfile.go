package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is what PostgreSQL writes to postmaster.pid in its data folder.
type pidFile struct {
	pid   int
	ready bool
}

// readPidFile reads the file; a file that is absent, or not written whole yet, gives the zero value.
func readPidFile(dataDir string) (pidFile, error) {
	raw, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, nil
	}
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(raw), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(lines[0]))
	if pid <= 0 {
		return pidFile{}, nil
	}
	// The eighth line is the state since PostgreSQL 10; pg_ctl waits for it in the same way.
	return pidFile{pid: pid, ready: len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"}, nil
}

// occupant says what the process of a pid file is.
type occupant int

const (
	noProcess    occupant = iota // no such process
	ourServer                    // a PostgreSQL server on this folder
	otherProgram                 // a program other than PostgreSQL, which got the number later
	unclear                      // the system does not tell, or it is a PostgreSQL on another folder
)

// occupantOf finds out what runs under pid.
func occupantOf(pid int, dataDir string) occupant {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return noProcess
	}
	args, err := commandLine(pid)
	switch {
	case err != nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH):
		return noProcess
	case err != nil || len(args) == 0:
		return unclear
	case !slices.Contains([]string{"postgres", "postmaster"}, filepath.Base(args[0])):
		// So is the empty name of a process that has ended and waits for its parent to take note.
		return otherProgram
	case slices.ContainsFunc(args[1:], func(arg string) bool { return sameFolder(arg, dataDir) }):
		return ourServer
	default:
		return unclear
	}
}

// sameFolder says whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
