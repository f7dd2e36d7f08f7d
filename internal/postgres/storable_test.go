package postgres

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestStorable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":"b"}`:                 `{"a":"b"}`,
		`"\u0000"`:                  `"\ufffd"`,
		`"\\u0000"`:                 `"\\u0000"`,
		`"\\\u0000"`:                `"\\\ufffd"`,
		`"\uD83D\uDE00"`:            `"\uD83D\uDE00"`,
		`"\uD83D\uD83D\uDE00"`:      `"\ufffd\uD83D\uDE00"`,
		`"\uDE00"`:                  `"\ufffd"`,
		`"\uD83D"`:                  `"\ufffd"`,
		"\"a\xffb\"":                "\"a\uFFFDb\"",
		`"\u00e9 stays, \u0000 no"`: `"\u00e9 stays, \ufffd no"`,
	} {
		if got := string(storable([]byte(in))); got != want {
			t.Errorf("storable(%s) = %s, want %s", in, got, want)
		}
	}
}

func FuzzStorable(f *testing.F) {
	f.Add([]byte(`{"a":"\u0000\ud83d\ude00\\u0000"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got := storable(doc)
		if !utf8.Valid(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		if json.Valid(doc) && !json.Valid(got) {
			t.Errorf("%q became %q", doc, got)
		}
	})
}
