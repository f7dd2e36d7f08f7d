package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/bebitcoiner/ashbridge/internal/durable"
)

// instanceName is the file of a data folder that tells it from one at the same path of another machine.
const instanceName = "instance-id"

// ownerOf names the process that has locked a data folder. After a restart it is the same, so that the leases of the last run
// are its own; two processes at one database, each with its folder at the same path of its machine, have two.
func ownerOf(dir string) (string, error) {
	path := filepath.Join(dir, instanceName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw = []byte(uuid.NewString() + "\n")
		err = durable.Create(path, raw)
	}
	if err != nil {
		return "", fmt.Errorf("keeping the name of this data folder: %w", err)
	}
	id, err := uuid.Parse(strings.TrimSpace(string(raw)))
	if err != nil {
		return "", fmt.Errorf("%s holds no name of a data folder: remove it and a new one is made", path)
	}
	return "up@" + dir + "/" + id.String(), nil
}
