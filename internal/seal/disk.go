package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// readPrivate reads a file that only its owner may read. The mode is taken from the open file, so that it cannot be
// exchanged in between.
func readPrivate(path string) ([]byte, version, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, version{}, fmt.Errorf("%w at %s: name the file that was made for this installation, or let `ashbridge up` make one",
			ErrNoKeyset, path)
	}
	if err != nil {
		return nil, version{}, fmt.Errorf("reading the keyset: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, version{}, fmt.Errorf("reading the keyset: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, version{}, fmt.Errorf("reading the keyset %s: %w: it is not a file of a keyset's size", path, ErrMalformed)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, version{}, fmt.Errorf("reading the keyset %s: %w (mode %04o): run `chmod 600 %s`, and replace its keys if "+
			"others may have read them", path, ErrInsecure, mode, path)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, version{}, fmt.Errorf("reading the keyset: %w", err)
	}
	return data, versionOf(info), nil
}

// version tells one content of the file from the next.
type version struct {
	inode    uint64
	size     int64
	modified time.Time
}

func versionOf(info fs.FileInfo) version {
	v := version{size: info.Size(), modified: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		v.inode = stat.Ino
	}
	return v
}

// lockRotation keeps other rotations of the same file out until unlock is called.
func lockRotation(path string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("rotating the keyset: %w", err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("rotating the keyset %s: taking the lock: %w", path, err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil
}
