// Package durable puts small files on disk so that a crash leaves the old content or the new one, never a half. A file that
// is not to be replaced is not, whoever else writes at the same moment.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Private is the mode of a file that its owner alone may read.
const Private fs.FileMode = 0o600

// Create writes a file that only its owner may read. It appears under its name when it is whole, durable before Create
// returns. Where the name is taken, the error is fs.ErrExist and the file there stays as it is.
func Create(path string, data []byte) error {
	temporary, err := write(path, data, Private)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }()
	// A link refuses an existing name as O_EXCL does, and leaves no half file behind as O_EXCL may.
	if err := os.Link(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Replace exchanges the content of a file at once or not at all; mode and owner stay.
func Replace(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temporary, err := write(path, data, info.Mode().Perm())
	if err != nil {
		return err
	}
	err = keepOwner(temporary, info)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

// NextName is where Overwrite keeps the new content of a file while it writes.
func NextName(path string) string { return path + ".next" }

// Overwrite writes into a file that is there, for those who have it open or mounted by itself and would not see another one
// in its place. The new content is complete in NextName while it does so: a crash may leave a part of each in the file.
func Overwrite(path string, data []byte) (err error) {
	temporary, err := write(path, data, Private)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, NextName(path)); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return errors.Join(err, os.Remove(NextName(path)))
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Remove(NextName(path))
}

// write writes data durably to a new file beside path and returns its name.
func write(path string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
