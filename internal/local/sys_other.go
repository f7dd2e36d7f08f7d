//go:build !linux

package local

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent does nothing where the kernel has no such service: a child that outlives a killed parent is found and
// stopped by the next start.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// commandLine is a process's program and arguments, cut at spaces.
func commandLine(pid int) ([]string, error) {
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(out)), nil
}
