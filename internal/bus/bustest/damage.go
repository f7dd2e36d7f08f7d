package bustest

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Blocks are the files that hold the messages of JOBS, oldest first.
func (s *Server) Blocks() []string {
	s.t.Helper()
	blocks, err := filepath.Glob(filepath.Join(s.dir, "jetstream", "*", "streams", "JOBS", "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		s.t.Fatalf("no blocks of JOBS: %v", err)
	}
	number := func(block string) int {
		n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(block), ".blk"))
		return n
	}
	slices.SortFunc(blocks, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return blocks
}

// Flip turns one bit of the stored message with an id: one of its body, where nothing but a checksum shows it.
func (s *Server) Flip(id string) {
	s.t.Helper()
	for _, block := range s.Blocks() {
		raw, err := os.ReadFile(block)
		if err != nil {
			s.t.Fatal(err)
		}
		// The id stands in the headers and then in the body.
		if i := bytes.LastIndex(raw, []byte(id)); i >= 0 {
			raw[i+len(id)+60] ^= 4
			s.write(block, raw)
			return
		}
	}
	s.t.Fatalf("message %s is in no block", id)
}

// Cut takes away what a block holds from the message with an id on, as a file system may after a crash. The block is the
// one that holds the message.
func (s *Server) Cut(id string) {
	s.t.Helper()
	for _, block := range s.Blocks() {
		raw, err := os.ReadFile(block)
		if err != nil {
			s.t.Fatal(err)
		}
		if i := bytes.Index(raw, []byte(id)); i >= 0 {
			s.write(block, raw[:i])
			return
		}
	}
	s.t.Fatalf("message %s is in no block", id)
}

// DropIndex removes what the server knows of its blocks beside them, as after a kill: it reads all of them at its start.
func (s *Server) DropIndex() {
	s.t.Helper()
	if err := os.Remove(filepath.Join(filepath.Dir(s.Blocks()[0]), "index.db")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) write(path string, raw []byte) {
	s.t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		s.t.Fatal(err)
	}
}
