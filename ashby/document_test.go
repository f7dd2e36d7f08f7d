package ashby

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
)

// document is Ashby's OpenAPI document, walked without a library.
type document map[string]any

func openDocument(t *testing.T, name string) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(shared(t, name), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// follow returns what a reference within the document points to.
func (d document) follow(ref string) any {
	var v any = map[string]any(d)
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, _ := strconv.Atoi(step)
			v = in[i]
		}
	}
	return v
}

// example makes a value of a schema out of the document's own examples, and of its formats where it has none.
func (d document) example(schema any, depth int) any {
	s, _ := schema.(map[string]any)
	if depth > 40 {
		return nil
	}
	if ref, ok := s["$ref"].(string); ok {
		return d.example(d.follow(ref), depth+1)
	}
	if v, ok := s["example"]; ok {
		return v
	}
	if list, ok := s["examples"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	if list, ok := s["oneOf"].([]any); ok {
		return d.example(list[0], depth+1)
	}
	if list, ok := s["allOf"].([]any); ok {
		return d.merged(s, list, depth)
	}
	if list, ok := s["enum"].([]any); ok {
		return list[0]
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		made := map[string]any{}
		for name, property := range properties {
			made[name] = d.example(property, depth+1)
		}
		return made
	}
	switch s["type"] {
	case "array":
		return []any{d.example(s["items"], depth+1)}
	case "string":
		return "text"
	case "boolean":
		return true
	case "number", "integer":
		return 1
	}
	return nil
}

// merged is the example of a schema that is several at once: objects are united, of other values the first counts.
func (d document) merged(s map[string]any, parts []any, depth int) any {
	united := map[string]any{}
	rest := maps.Clone(s)
	delete(rest, "allOf")
	for _, part := range append(parts, any(rest)) {
		switch v := d.example(part, depth+1).(type) {
		case map[string]any:
			maps.Copy(united, v)
		case nil:
		default:
			return v
		}
	}
	if len(united) == 0 {
		return nil
	}
	return united
}

func TestOwnExamplesOfTheDocument(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	for method, kind := range map[string]Kind{
		"job.info": KindJob, "job.list": KindJob, "jobPosting.info": KindPosting, "jobPosting.list": KindPosting,
		"location.info": KindLocation, "location.list": KindLocation,
		"department.info": KindDepartment, "department.list": KindDepartment,
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			schema := d.follow("#/paths/~1" + method + "/post/responses/200/content/application~1json/schema")
			body, err := json.Marshal(d.example(schema, 0))
			if err != nil {
				t.Fatal(err)
			}
			records, sent := readExample(t, method, kind, body)
			if len(records) != 1 {
				t.Fatalf("%d records of %s", len(records), body)
			}
			if len(sent) < 5 {
				t.Fatalf("the example is empty: %s", body)
			}
			raw, _ := json.Marshal(sent)
			loseNothing(t, raw, decodedFields(t, kind, records[0].Raw))
			t.Logf("%d members, of which %d are read", len(sent), len(decodedFields(t, kind, records[0].Raw)))
		})
	}
}

// readExample lets a client read an answer and returns its records and the raw object in it.
func readExample(t *testing.T, method string, kind Kind, body []byte) ([]Record, map[string]any) {
	t.Helper()
	c := newTestClient(t, says(200, string(body)), nil)
	results := at(mustAny(t, body), "results")
	if list, ok := results.([]any); ok && len(list) > 0 {
		results = list[0]
	}
	sent, _ := results.(map[string]any)
	switch {
	case method == "jobPosting.list":
		list, err := c.Postings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list.Records, sent
	case strings.HasSuffix(method, ".list"):
		page, err := c.Page(t.Context(), kind, PageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return page.Records, sent
	}
	r, err := c.Info(t.Context(), kind, fmt.Sprint(sent["id"]))
	if err != nil {
		t.Fatal(err)
	}
	return []Record{r}, sent
}

func TestOwnExamplesOfWebhooks(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	hooks, _ := d["webhooks"].(map[string]any)
	known := 0
	for action := range hooks {
		schema := d.follow("#/webhooks/" + action + "/post/requestBody/content/application~1json/schema")
		body, err := json.Marshal(d.example(schema, 0))
		if err != nil {
			t.Fatal(err)
		}
		w, err := ParseWebhook(body)
		if err != nil || w.Action != action || w.Ping != (action == "ping") || w.Known && w.ObjectID == "" {
			t.Errorf("%s: %+v, %v", action, w, err)
		}
		if w.Known {
			known++
		}
	}
	// jobPostingDelete is newer than this document.
	if want := len(WebhookActions(Modules()...)) - 1; known != want {
		t.Errorf("%d known actions, want %d", known, want)
	}
}

func TestOwnExamplesOfTheAPIKey(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-07-excerpt.json")
	const in = "#/paths/~1apiKey.info/post/responses/200/content/application~1json/examples/"
	success, err := json.Marshal(d.follow(in + "success/value"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := newTestClient(t, says(200, string(success)), nil).APIKeyInfo(t.Context())
	if err != nil || key.Title != "Ashby Automator Bot" || !key.HasScopes || strings.Join(key.Scopes, " ") != "apiKeys:read candidates:read" {
		t.Errorf("%+v, %v", key, err)
	}
	refusal, err := json.Marshal(d.follow(in + "error/value"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = newTestClient(t, says(200, string(refusal)), nil).APIKeyInfo(t.Context())
	if err == nil || outcome(err) != "refused" || !strings.Contains(err.Error(), "Example error message") {
		t.Errorf("err = %v", err)
	}
}
