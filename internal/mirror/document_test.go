package mirror_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// ashbyDocument is Ashby's published OpenAPI document of May 2026.
const ashbyDocument = "../../../shared/ashby/openapi-2026-05.json"

// The example that Ashby's own document gives of a posting comes through translation with its words.
func TestAshbysOwnExample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(ashbyDocument)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("Ashby's OpenAPI document is not on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	schema := dig(document, "paths", "/jobPosting.info", "post", "responses", "200", "content", "application/json", "schema")
	success, _ := dig(schema, "oneOf").([]any)
	parts, _ := dig(success[0], "allOf").([]any)
	properties, _ := dig(parts[1], "properties", "results", "properties").(map[string]any)
	example := map[string]any{}
	for name, property := range properties {
		if value := dig(property, "example"); value != nil {
			example[name] = value
		}
	}
	example["id"], example["externalLink"] = "posting-1", "https://jobs.example/1"

	p, err := ashby.DecodePosting(encode(t, example))
	if err != nil {
		t.Fatal(err)
	}
	j := mirror.Translate(employer, p, mirror.Refs{}, markup.New())
	validate(t, j)
	plain, _ := example["descriptionPlain"].(string)
	if diff := cmp.Diff(words(plain), words(j.DescriptionText)); diff != "" || len(words(plain)) < 50 {
		t.Errorf("words of the description (-Ashby +ours):\n%s", diff)
	}
	want := []string{"People", "Recruiting", "Recruiting Operations"}
	if diff := cmp.Diff(want, j.DepartmentPath); diff != "" {
		t.Errorf("path (-Ashby +ours):\n%s", diff)
	}
	if j.Title != example["title"] || j.Locations[0].Name != example["locationName"] {
		t.Errorf("title %q, locations %+v", j.Title, j.Locations)
	}
}

func dig(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}
