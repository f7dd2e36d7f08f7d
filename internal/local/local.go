// Package local runs what Ashbridge needs on the machine itself: a PostgreSQL server as a managed child process, made
// from the installed programs, and a NATS server inside this process. Both keep everything they acknowledged through a
// crash, a kill -9 and a power cut, hold their data folder for themselves alone, and are gone when Stop returns. Data is
// never wiped: a folder that cannot be used is refused with a sentence that says what to do.
package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrInUse says that another process, or another part of this one, holds the folder.
var ErrInUse = errors.New("in use by another process")

// Lock is the sole right to a folder. The system takes it back when the process ends, however it ends.
type Lock struct {
	file *os.File
}

// LockDir makes the folder if it is absent and locks it, or returns ErrInUse at once. Run by root, the folder is made
// so that other users may pass through it, since PostgreSQL's user must reach its data; files in it keep their own
// modes.
func LockDir(dir string) (*Lock, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		err = errors.Join(err, f.Close())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("folder %s is %w%s: stop that one or choose another folder", dir, ErrInUse, holderOf(holder))
		}
		return nil, fmt.Errorf("locking the folder %s: %w", dir, err)
	}
	// The number is for people; the lock itself is the system's.
	if err := writeHolder(f); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the folder %s: %w", dir, err), f.Close())
	}
	return &Lock{file: f}, nil
}

// Unlock gives the folder back. The lock's file stays, since removing it could let two in. To close it is not enough: a
// child process that is being started at this moment holds it for as long as its start takes.
func (l *Lock) Unlock() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}

// makeDir makes a folder and those above it that are missing, all with the same mode whatever the umask.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.Mkdir(dir, mode); errors.Is(err, fs.ErrExist) {
		// Somebody else was quicker, or it is no folder, which opening a file in it will show.
		return nil
	} else if err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	return nil
}

// writeHolder notes who holds the lock.
func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}

// holderOf is what a lock's file tells of its holder.
func holderOf(content []byte) string {
	pid := strings.TrimSpace(string(content))
	if pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
