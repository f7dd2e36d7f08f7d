//go:build linux || darwin || freebsd

package local

import (
	"fmt"
	"syscall"
)

// DiskRoom tells how much room is on the disk of a folder for whoever is not root, and how large it is, in bytes.
func DiskRoom(dir string) (free, size uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("looking at the disk of %s: %w", dir, err)
	}
	block := uint64(s.Bsize)
	return uint64(max(0, int64(s.Bavail))) * block, uint64(s.Blocks) * block, nil //nolint:unconvert // other types on other systems
}
