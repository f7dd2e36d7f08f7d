package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestRotateSaysWhereTheKeysetCanBeWritten makes the errors of folders that root, too, cannot write to, which a test cannot.
func TestRotateSaysWhereTheKeysetCanBeWritten(t *testing.T) {
	t.Parallel()
	const file = "/run/secrets/keyset.json"
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&fs.PathError{Op: "open", Path: file, Err: syscall.EROFS}, true},
		{&fs.PathError{Op: "open", Path: file, Err: syscall.EACCES}, true},
		{&os.LinkError{Op: "rename", Old: file + ".1", New: file, Err: syscall.EBUSY}, true},
		{&fs.PathError{Op: "open", Path: file, Err: syscall.ENOSPC}, false},
		{errors.New("the database is gone"), false},
		{nil, false},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("adding a key to the keyset %s: %w", file, err)
		}
		got := whereToWrite(err)
		if !errors.Is(got, c.err) || (got != nil && strings.Contains(got.Error(), "cli keys rotate --in-place")) != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
