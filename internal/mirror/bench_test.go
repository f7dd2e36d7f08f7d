package mirror_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// A poll hashes every posting of a listing, changed or not.
func BenchmarkHash(b *testing.B) {
	doc, err := os.ReadFile(filepath.Join("testdata", "posting.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		mirror.Hash(doc)
	}
}

func BenchmarkTranslate(b *testing.B) {
	p := readPosting(b)
	clean := markup.New()
	for b.Loop() {
		mirror.Translate(employer, p, mirror.Refs{Locations: places}, clean)
	}
}
