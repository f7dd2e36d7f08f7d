package local

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent asks the kernel to send the child a signal when the thread that starts it ends, which a killed process
// does with all its threads. Whoever starts the child must therefore keep that thread: runtime.LockOSThread.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// commandLine is a process's program and arguments, empty for one that has ended but was not waited for yet.
func commandLine(pid int) ([]string, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil, err
	}
	return strings.Split(string(bytes.TrimRight(raw, "\x00")), "\x00"), nil
}
