// Package jobfeedtest checks implementations of jobfeed.Positions.
package jobfeedtest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// TestPositions checks that an implementation keeps what jobfeed relies on. fresh returns an empty one at each call; two
// that are open at once do not see one another's contents.
func TestPositions(t *testing.T, fresh func(t *testing.T) jobfeed.Positions) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, p jobfeed.Positions){
		"empty":       empty,
		"versions":    versions,
		"marks":       marks,
		"reset":       reset,
		"owned":       owned,
		"at once":     atOnce,
		"many":        many,
		"keys of any": keysOfAny,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

var someMark = jobfeed.Mark{
	Created: time.Date(2026, 11, 26, 12, 30, 15, 123456000, time.UTC), Sequence: 1 << 40, Event: "0198c0de-1234-7abc-8def-0123456789ab",
	Filter: "connections.v1.c jobs.v1.c.*", Replay: 3,
}

func load(t *testing.T, p jobfeed.Positions) jobfeed.Position {
	t.Helper()
	at, err := p.Load(t.Context())
	must(t, err)
	return at
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantMark(t *testing.T, got, want jobfeed.Mark) {
	t.Helper()
	if !got.Created.Equal(want.Created) {
		t.Errorf("Created is %v, want %v: microseconds and zone count", got.Created, want.Created)
	}
	got.Created, want.Created = time.Time{}, time.Time{}
	if got != want {
		t.Errorf("the mark is %+v, want %+v", got, want)
	}
}

func wantVersion(t *testing.T, at jobfeed.Position, key string, want int64) {
	t.Helper()
	if got := at.Versions[key]; got != want {
		t.Errorf("the version of %q is %d, want %d", key, got, want)
	}
}

func empty(t *testing.T, p jobfeed.Positions) {
	at := load(t, p)
	wantMark(t, at.Mark, jobfeed.Mark{})
	if len(at.Versions) != 0 {
		t.Errorf("%d versions are there", len(at.Versions))
	}
}

func versions(t *testing.T, p jobfeed.Positions) {
	must(t, p.Handled(t.Context(), "c/a", 1))
	must(t, p.Handled(t.Context(), "c/a", 4))
	must(t, p.Handled(t.Context(), "c", 1<<40))
	must(t, p.Handled(t.Context(), "c/a", 4)) // as after an answer that was lost
	at := load(t, p)
	wantVersion(t, at, "c/a", 4)
	wantVersion(t, at, "c", 1<<40)
	if len(at.Versions) != 2 {
		t.Errorf("versions are %v", at.Versions)
	}
	wantMark(t, at.Mark, jobfeed.Mark{})
}

func marks(t *testing.T, p jobfeed.Positions) {
	must(t, p.Reached(t.Context(), someMark))
	wantMark(t, load(t, p).Mark, someMark)
	other := jobfeed.Mark{Created: someMark.Created.Add(time.Hour)}
	must(t, p.Reached(t.Context(), other))
	wantMark(t, load(t, p).Mark, other)
}

func reset(t *testing.T, p jobfeed.Positions) {
	must(t, p.Handled(t.Context(), "c/a", 7))
	must(t, p.Reached(t.Context(), jobfeed.Mark{Sequence: 9}))
	must(t, p.Reset(t.Context(), someMark))
	at := load(t, p)
	wantMark(t, at.Mark, someMark)
	if len(at.Versions) != 0 {
		t.Errorf("after a reset there are the versions %v", at.Versions)
	}
	must(t, p.Handled(t.Context(), "c/a", 2)) // a replay begins with lower ones
	wantVersion(t, load(t, p), "c/a", 2)
}

func owned(t *testing.T, p jobfeed.Positions) {
	must(t, p.Handled(t.Context(), "c/a", 1))
	if at := load(t, p); at.Versions != nil {
		at.Versions["c/a"], at.Versions["x"] = 99, 99
	}
	at := load(t, p)
	wantVersion(t, at, "c/a", 1)
	wantVersion(t, at, "x", 0)
}

func atOnce(t *testing.T, p jobfeed.Positions) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for v := range int64(each) {
				if err := p.Handled(t.Context(), fmt.Sprint("c/", w), v+1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range uint64(each) {
			if err := p.Reached(t.Context(), jobfeed.Mark{Sequence: i + 1}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	at := load(t, p)
	for w := range writers {
		wantVersion(t, at, fmt.Sprint("c/", w), each)
	}
	wantMark(t, at.Mark, jobfeed.Mark{Sequence: each})
}

func many(t *testing.T, p jobfeed.Positions) {
	const n = 500
	for i := range n {
		must(t, p.Handled(t.Context(), fmt.Sprint("c/", i), int64(i+1)))
	}
	at := load(t, p)
	if len(at.Versions) != n {
		t.Fatalf("%d versions are there, want %d", len(at.Versions), n)
	}
	wantVersion(t, at, "c/499", n)
}

func keysOfAny(t *testing.T, p jobfeed.Positions) {
	keys := []string{"0198c0de-0000-7000-8000-00000000c0de/a%b_c", "C/A", "c/a", "c/'quoted'", "c/" + strings.Repeat("x", 128)}
	for i, k := range keys {
		must(t, p.Handled(t.Context(), k, int64(i+1)))
	}
	at := load(t, p)
	for i, k := range keys {
		wantVersion(t, at, k, int64(i+1))
	}
}
