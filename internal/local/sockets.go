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

const (
	// maxSocketPath is the longest path that a Unix socket can have on Linux; macOS allows 103.
	maxSocketPath = 103
	// socketName is the file that PostgreSQL makes in its socket folder for its default port.
	socketName = ".s.PGSQL.5432"
	// socketPrefix begins the names of our socket folders.
	socketPrefix = "ashbridge-pg-"
)

// errPathTooLong says that no folder for temporary files has a path short enough for a socket.
var errPathTooLong = errors.New("path too long for a Unix socket")

// makeSocketDir makes a private folder for the server's socket in the first of bases that the account can reach and
// whose path is short enough: the data folder itself may lie too deep.
func makeSocketDir(a account, bases ...string) (string, error) {
	faults := make([]error, 0, len(bases))
	for _, base := range bases {
		// MkdirTemp adds at most ten digits.
		if length := len(filepath.Join(base, socketPrefix+"0123456789", socketName)); length > maxSocketPath {
			faults = append(faults, fmt.Errorf("%w: %d bytes in %s, and %d are allowed", errPathTooLong, length, base, maxSocketPath))
			continue
		}
		if closed := a.closedAbove(base); closed != "" && a.credential != nil {
			faults = append(faults, fmt.Errorf("user %s may not enter %s", serverUser, closed))
			continue
		}
		dir, err := os.MkdirTemp(base, socketPrefix)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if err := a.own(dir); err != nil {
			return "", errors.Join(err, os.Remove(dir))
		}
		return dir, nil
	}
	return "", fmt.Errorf("making a folder for PostgreSQL's socket; set TMPDIR to a short path: %w", errors.Join(faults...))
}

// rememberSocketDir notes the folder in the data folder, for forgetSocketDir after a crash.
func rememberSocketDir(note, dir string) error { return os.WriteFile(note, []byte(dir), 0o600) }

// forgetSocketDir removes the socket folder that an earlier start noted and, having been killed, could not remove.
func forgetSocketDir(note string, a account) error {
	raw, err := os.ReadFile(note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	dir := string(raw)
	// Only a real folder with our name that is the server's own: the note could be old and the name reused.
	info, err := os.Lstat(dir)
	if err == nil && info.IsDir() && filepath.IsAbs(dir) && strings.HasPrefix(filepath.Base(dir), socketPrefix) {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == a.uid {
			err = os.RemoveAll(dir)
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(note))
}
