package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives the file the owner of another one.
func keepOwner(path string, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := os.Lchown(path, int(want.Uid), int(want.Gid))
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("it belongs to user %d and group %d, and only root or they may exchange it: %w", want.Uid, want.Gid, err)
	}
	return err
}
