package events_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Whatever the Go types write is described by the schemas, in words for people: a field that was added in Go alone would
// be valid, and unknown to whoever reads the schemas. What is inside a record or a JobPosting is not ours to describe.
func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	docs, err := readSchemas(events.Schemas())
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range events.Types() {
		raw, err := os.ReadFile("testdata/" + string(typ) + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var message any
		if err := json.Unmarshal(raw, &message); err != nil {
			t.Fatal(err)
		}
		file := string(typ) + ".schema.json"
		docs.described(t, file, docs.parts(file, docs[file]), message)
	}
}

// part is a schema and the file that it lies in.
type part struct {
	file   string
	schema object
}

// parts are all schemas that a value must keep to, or may: the schema itself, what it refers to, its alternatives.
func (d documents) parts(file string, schema any) []part {
	o, _ := schema.(object)
	all := []part{{file, o}}
	if ref, ok := o["$ref"].(string); ok {
		target, in := d.resolve(file, ref)
		all = append(all, d.parts(in, target)...)
	}
	branches, _ := o["anyOf"].([]any)
	for _, b := range branches {
		all = append(all, d.parts(file, b)...)
	}
	return all
}

func (d documents) described(t *testing.T, path string, schemas []part, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		var items []part
		for _, p := range schemas {
			items = append(items, d.parts(p.file, p.schema["items"])...)
		}
		for _, v := range value {
			d.described(t, path+"/0", items, v)
		}
	case object:
		names, isFree := false, false // isFree: a JobPosting
		for _, p := range schemas {
			_, has := p.schema["properties"]
			names = names || has
			isFree = isFree || at(p.schema, "properties", "@type") != nil
		}
		for name, v := range value {
			if !names || isFree {
				return
			}
			var below []part
			words := false
			for _, p := range schemas {
				if property, ok := at(p.schema, "properties")[name]; ok {
					below = append(below, d.parts(p.file, property)...)
				}
			}
			for _, p := range below {
				_, says := p.schema["description"]
				_, isConst := p.schema["const"]
				words = words || says || isConst
			}
			if !words {
				t.Errorf("%s/%s is not described", path, name)
			}
			d.described(t, path+"/"+name, below, v)
		}
	}
}
