package schema_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/bebitcoiner/ashbridge/schema"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The HTTP interface promises the job that the events promise: the same fields at every level, as surely there.
func TestJobIsTheSameInBothContracts(t *testing.T) {
	t.Parallel()
	var http, event map[string]any
	if err := yaml.Unmarshal(schema.OpenAPI(), &http); err != nil {
		t.Fatal(err)
	}
	raw, err := fs.ReadFile(events.Schemas(), "job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	inEvent, inHTTP := shape(event, event), shape(http, dig(http, "components", "schemas", "Job"))
	delete(inEvent, "json_ld") // the event's schema names some of its fields
	delete(inHTTP, "json_ld")
	if diff := cmp.Diff(inEvent, inHTTP); diff != "" || len(inEvent) < 20 {
		t.Errorf("job (-events +HTTP):\n%s", diff)
	}
}

// shape is the fields of a schema, each with whether it is always there and its own fields.
func shape(doc, node map[string]any) map[string]any {
	if ref, ok := node["$ref"].(string); ok {
		return shape(doc, dig(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	fields := map[string]any{}
	required := map[any]bool{}
	names, _ := node["required"].([]any)
	for _, name := range names {
		required[name] = true
	}
	for name, property := range dig(node, "properties") {
		below := shape(doc, property.(map[string]any))
		below["always"] = required[name]
		fields[name] = below
	}
	alternatives, _ := node["anyOf"].([]any)
	for _, a := range alternatives {
		for name, below := range shape(doc, a.(map[string]any)) {
			fields[name] = below
		}
	}
	if items, ok := node["items"].(map[string]any); ok {
		fields["[]"] = shape(doc, items)
	}
	return fields
}
