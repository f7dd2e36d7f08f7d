package mirror_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestHash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		a, b string
		same bool
	}{
		{"order and space", `{"a":1,"b":[true,null]}`, "{ \"b\" : [true, null],\n\"a\":1 }", true},
		{"spelling of strings", `"A<é"`, `"\u0041\u003c\u00e9"`, true},
		{"order of a list", `[1,2]`, `[2,1]`, false},
		{"digits of a number", `72000.1`, `72000.10`, false},
		{"digits beyond a float", `9007199254740993`, `9007199254740992`, false},
		{"null and absent", `{"a":null}`, `{}`, false},
		{"text and number", `"1"`, `1`, false},
		{"something after the document", `{} {}`, `{}`, false},
		{"no document", `{"a":`, `{"a"`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if same := bytes.Equal(mirror.Hash([]byte(tt.a)), mirror.Hash([]byte(tt.b))); same != tt.same {
				t.Errorf("same = %v, want %v", same, tt.same)
			}
		})
	}
}

// A document hashes the same however it is written, and another one differently.
func TestHashIsCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := drawValue(t, 3)
		seed := rapid.Uint64().Draw(t, "seed")
		written, again := write(value, seed), write(value, seed+1)
		if !json.Valid([]byte(written)) {
			t.Fatalf("the test writes no JSON: %s", written)
		}
		if !bytes.Equal(mirror.Hash([]byte(written)), mirror.Hash([]byte(again))) {
			t.Fatalf("two ways to write one document differ:\n%s\n%s", written, again)
		}
		other := drawValue(t, 3)
		differ := write(value, 0) != write(other, 0)
		if hashes := !bytes.Equal(mirror.Hash([]byte(written)), mirror.Hash([]byte(write(other, seed)))); hashes != differ {
			t.Fatalf("documents differ: %v, hashes differ: %v\n%s\n%s", differ, hashes, written, write(other, seed))
		}
	})
}

func TestChanged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		before, after string
		want          []string
	}{
		{"nothing", `{"a":{"x":1,"y":2},"b":"é"}`, `{"b":"\u00e9","a":{"y":2,"x":1}}`, []string{}},
		{"several, sorted", `{"c":1,"a":1,"b":[1]}`, `{"c":2,"a":1,"b":[1,2]}`, []string{"b", "c"}},
		{"added and removed", `{"a":1}`, `{"b":null}`, []string{"a", "b"}},
		{"digits", `{"a":1.0}`, `{"a":1}`, []string{"a"}},
		{"nothing before", ``, `{"a":1}`, []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := mirror.Changed(json.RawMessage(tt.before), json.RawMessage(tt.after))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// drawValue draws a JSON value; objects are lists of pairs in the order of their unique keys.
func drawValue(t *rapid.T, depth int) any {
	kinds := 3
	if depth > 0 {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]json.Number{"0", "-1", "1.0", "1", "1e3", "72000.1", "9007199254740993"}).Draw(t, "number")
	case 1:
		return rapid.StringOf(rapid.RuneFrom([]rune(`a"\</é☃😀`))).Draw(t, "text")
	case 2:
		return rapid.SampledFrom([]any{nil, true, false}).Draw(t, "word")
	case 3:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	default:
		pairs := []pair{}
		for _, key := range []string{"a", "B", "é", "<"} {
			if rapid.Bool().Draw(t, "has key") {
				pairs = append(pairs, pair{key, drawValue(t, depth-1)})
			}
		}
		return pairs
	}
}

type pair struct {
	key   string
	value any
}

// write writes a value in one of many ways.
func write(value any, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	space := strings.Repeat(" ", r.IntN(2)) + strings.Repeat("\n", r.IntN(2))
	switch v := value.(type) {
	case []any:
		parts := []string{}
		for _, e := range v {
			parts = append(parts, write(e, seed))
		}
		return "[" + space + strings.Join(parts, space+",") + "]"
	case []pair:
		parts := []string{}
		for _, p := range v {
			parts = append(parts, write(p.key, seed)+space+":"+write(p.value, seed))
		}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{" + strings.Join(parts, ","+space) + space + "}"
	case string:
		raw, _ := json.Marshal(v)
		if r.IntN(2) == 0 {
			return string(raw)
		}
		var b strings.Builder
		for _, c := range string(raw) {
			if c > 0x7f && c < 0x10000 {
				fmt.Fprintf(&b, `\u%04x`, c)
				continue
			}
			b.WriteRune(c)
		}
		return b.String()
	default:
		raw, _ := json.Marshal(v)
		return string(raw)
	}
}
