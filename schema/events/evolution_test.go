package events_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// released holds the schemas as the last release had them; EVOLUTION.md says when they are renewed.
const released = "testdata/released/v1"

func contracts(t *testing.T) (last, present documents) {
	t.Helper()
	last, err := readSchemas(os.DirFS(released))
	if err != nil {
		t.Fatal(err)
	}
	present, err = readSchemas(events.Schemas())
	if err != nil {
		t.Fatal(err)
	}
	return last, present
}

// Nothing that boards rely on changes within v1.
func TestContractKeepsToTheLastRelease(t *testing.T) {
	t.Parallel()
	last, present := contracts(t)
	raw, err := os.ReadFile(released + "/VERSION")
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(raw))
	if len(last) < len(events.Types()) {
		t.Fatalf("the release has %d schemas only", len(last))
	}
	d := compare(last, present)
	for _, b := range d.breaks {
		t.Errorf("breaks readers of version %s, see EVOLUTION.md: %s", version, b)
	}
	was, _, _ := strings.Cut(version, ".")
	if is, _, _ := strings.Cut(events.Version, "."); is != was {
		t.Errorf("version %s after %s: another first number needs subjects of its own", events.Version, version)
	}
	if len(d.additions) > 0 && events.Version == version {
		t.Errorf("the contract has grown, so raise events.Version above %s:\n%s", version, strings.Join(d.additions, "\n"))
	}
}

// The messages of today are valid for whoever checks them against the last release.
func TestMessagesKeepToTheLastRelease(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(released)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	ids := map[string]string{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		raw, err := os.ReadFile(released + "/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		id, _ := doc.(object)["$id"].(string)
		if err := c.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
		ids[f.Name()] = id
	}
	for _, typ := range events.Types() {
		id, known := ids[string(typ)+".schema.json"]
		if !known {
			continue // a type that is newer
		}
		schema, err := c.Compile(id)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(message(t, typ)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

const (
	jobFile    = "job.schema.json"
	dataFile   = "job.data.schema.json"
	closedFile = "job.closed.schema.json"
)

func field(d documents, file string, path ...string) object { return at(d[file], path...) }

func reasonOf(d documents) object {
	return field(d, closedFile, "properties", "data", "properties", "reason")
}

func appended(o object, key string, value any) {
	list, _ := o[key].([]any)
	o[key] = append(slices.Clone(list), value)
}

func without(o object, key string, value any) {
	list, _ := o[key].([]any)
	o[key] = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return v == value })
}

// What changes of the contract the comparison lets pass, and what it stops.
func TestComparisonBites(t *testing.T) {
	t.Parallel()
	for name, breaks := range breaking() {
		last, present := contracts(t)
		breaks(present)
		if d := compare(last, present); len(d.breaks) == 0 {
			t.Errorf("%s: went unnoticed", name)
		}
	}
	for name, grows := range additive() {
		last, present := contracts(t)
		grows(present)
		if d := compare(last, present); len(d.breaks) > 0 || len(d.additions) == 0 {
			t.Errorf("%s: breaks %q, additions %q", name, d.breaks, d.additions)
		}
	}
	last, present := contracts(t)
	field(present, jobFile, "properties", "title")["description"] = "Other words."
	present[jobFile]["title"], field(present, jobFile, "properties", "workplace_type")["examples"] = "Job", []any{"Moon"}
	before := compare(last, last)
	if d := compare(last, present); len(d.breaks)+len(d.additions)+len(before.breaks)+len(before.additions) > 0 {
		t.Errorf("words for people: %q, %q; against itself: %q, %q", d.breaks, d.additions, before.breaks, before.additions)
	}
}

func breaking() map[string]func(d documents) {
	return map[string]func(d documents){
		"a field less":                 func(d documents) { delete(field(d, jobFile, "properties"), "title") },
		"a field renamed":              func(d documents) { p := field(d, jobFile, "properties"); p["name"] = p["title"]; delete(p, "title") },
		"a nested field less":          func(d documents) { delete(field(d, jobFile, "$defs", "address", "properties"), "country_code") },
		"a field that may be absent":   func(d documents) { without(d[jobFile], "required", "title") },
		"all fields may be absent":     func(d documents) { delete(d[dataFile], "required") },
		"null where there was none":    func(d documents) { field(d, jobFile, "properties", "title")["type"] = []any{"string", "null"} },
		"null no more":                 func(d documents) { field(d, jobFile, "properties", "updated_at")["type"] = "string" },
		"a number for a text":          func(d documents) { field(d, jobFile, "properties", "title")["type"] = "number" },
		"a decimal for a whole number": func(d documents) { field(d, dataFile, "properties", "version")["type"] = "number" },
		"no type any more":             func(d documents) { delete(field(d, jobFile, "properties", "title"), "type") },
		"another element of a list":    func(d documents) { field(d, jobFile, "properties", "department_path", "items")["type"] = "object" },
		"a list may hold anything":     func(d documents) { delete(field(d, jobFile, "properties", "locations"), "items") },
		"a value of a closed set more": func(d documents) {
			appended(field(d, "connection.data.schema.json", "properties", "jobs"), "enum", "hide")
		},
		"a value of a closed set less": func(d documents) {
			without(field(d, "connection.data.schema.json", "properties", "jobs"), "enum", "keep")
		},
		"a value of an open set less": func(d documents) { without(reasonOf(d), "enum", "deleted") },
		"an open set closed":          func(d documents) { delete(reasonOf(d), "x-open") },
		"a closed set opened and grown": func(d documents) {
			o := field(d, "connection.data.schema.json", "properties", "jobs")
			o["x-open"] = true
			appended(o, "enum", "hide")
		},
		"any value instead of a set": func(d documents) { delete(reasonOf(d), "enum") },
		"a set instead of any value": func(d documents) { field(d, jobFile, "properties", "workplace_type")["enum"] = []any{"OnSite"} },
		"another constant":           func(d documents) { field(d, "envelope.schema.json", "properties", "specversion")["const"] = "2.0" },
		"another format":             func(d documents) { field(d, jobFile, "properties", "published_on")["format"] = "date-time" },
		"no format":                  func(d documents) { delete(field(d, jobFile, "properties", "updated_at"), "format") },
		"another pattern": func(d documents) {
			field(d, jobFile, "$defs", "address", "properties", "country_code")["pattern"] = "^..$"
		},
		"a pattern more":         func(d documents) { field(d, jobFile, "properties", "id")["pattern"] = "^[a-z]+$" },
		"a lower bound":          func(d documents) { field(d, dataFile, "properties", "version")["minimum"] = 0.0 },
		"a length that was none": func(d documents) { field(d, jobFile, "properties", "title")["maxLength"] = 80.0 },
		"no fields beyond":       func(d documents) { d[jobFile]["additionalProperties"] = false },
		"another condition":      func(d documents) { field(d, "record.data.schema.json", "if")["anyOf"] = []any{true} },
		"another consequence": func(d documents) {
			field(d, "record.data.schema.json", "then", "properties", "record")["type"] = "string"
		},
		"an alternative more": func(d documents) { appended(field(d, jobFile, "properties", "pay"), "anyOf", object{"type": "string"}) },
		"an alternative that changed": func(d documents) {
			field(d, jobFile, "$defs", "pay", "properties", "summary")["type"] = "object"
		},
		"another schema behind a reference": func(d documents) { field(d, dataFile, "properties", "job")["$ref"] = "envelope.schema.json" },
		"a reference that leads nowhere":    func(d documents) { field(d, dataFile, "properties", "job")["$ref"] = "nothing.schema.json" },
		"a type less":                       func(d documents) { delete(d, closedFile) },
		"another id":                        func(d documents) { d[jobFile]["$id"] = "https://example.com/job" },
		"another dialect":                   func(d documents) { d[jobFile]["$schema"] = "http://json-schema.org/draft-07/schema#" },
		"a keyword that is not known here":  func(d documents) { d[jobFile]["dependentRequired"] = object{} },
		"nothing is valid":                  func(d documents) { field(d, jobFile, "properties")["title"] = false },
	}
}

func additive() map[string]func(d documents) {
	return map[string]func(d documents){
		"a field more": func(d documents) { field(d, jobFile, "properties")["benefits"] = object{"type": "string"} },
		"a field more that is always sent": func(d documents) {
			field(d, jobFile, "properties")["benefits"] = object{"type": "string"}
			appended(d[jobFile], "required", "benefits")
		},
		"a nested field more":         func(d documents) { field(d, jobFile, "$defs", "tier", "properties")["id"] = object{"type": "string"} },
		"a field that is always sent": func(d documents) { appended(d["connection.data.schema.json"], "required", "counts") },
		"a value of an open set more": func(d documents) { appended(reasonOf(d), "enum", "expired") },
		"a type more":                 func(d documents) { d["job.reopened.schema.json"] = object{} },
		"an envelope's extension more": func(d documents) {
			field(d, "envelope.schema.json", "properties")["traceparent"] = object{"type": "string"}
		},
	}
}
