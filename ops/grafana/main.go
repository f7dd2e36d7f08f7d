// Command grafana writes Ashbridge's dashboards, which Grafana reads as files. The folder is a module of its own, so
// that what knows Grafana's format is neither in the product nor in its build; `make dashboards` runs it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// folder is where the dashboards' files are, which compose mounts into Grafana, and page their description, seen from here.
const (
	folder = "dashboards"
	page   = "../../docs/dashboards.md"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "grafana:", err)
		os.Exit(1)
	}
}

func write() error {
	files, err := render()
	if err != nil {
		return err
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render returns all files by path.
func render() (map[string][]byte, error) {
	files := map[string][]byte{}
	boards := []board{overview(), employer(), plumbing()}
	var all []classic
	for _, b := range boards {
		built, err := b.build()
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.title, err)
		}
		out, err := json.MarshalIndent(built, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.title, err)
		}
		files[filepath.Join(folder, b.file)] = append(readable(out), '\n')
		all = append(all, built)
	}
	files[page] = document(boards, all)
	return files, nil
}

// readable undoes the escapes that are for HTML: queries and links are full of these characters. The kit encodes its parts
// by itself, so that an encoder cannot be told not to write them.
func readable(raw []byte) []byte {
	for escape, char := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		raw = bytes.ReplaceAll(raw, []byte(escape), []byte(char))
	}
	return raw
}
