package mirror

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Changed returns the names of the top-level fields in which two objects differ, sorted. Nothing is ignored: a field
// that one of them lacks differs, and so do 1 and 1.0. What is no object has no fields.
func Changed(before, after json.RawMessage) []string {
	b, a := fields(before), fields(after)
	differ := map[string]bool{}
	for name, value := range b {
		other, ok := a[name]
		if !ok || !bytes.Equal(value, other) && !bytes.Equal(canonical(value), canonical(other)) {
			differ[name] = true
		}
	}
	for name := range a {
		if _, ok := b[name]; !ok {
			differ[name] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(differ))...)
}

func fields(object json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(object, &m); err != nil {
		return nil
	}
	return m
}
