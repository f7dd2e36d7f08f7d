package ashby

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// newerMethods are reading methods that came after the document of May 2026.
var newerMethods = []string{"auditLog.list", "version.list", "emailSender.list"}

// newerParams are parameters that came after the document of May 2026.
var newerParams = []string{"jobPosting.info includeUnpublishedJobPostings"}

// properties are the members that a schema knows, with what stands beside a reference. A member that several
// alternatives have is one of them.
func (d document) properties(schema any) map[string]any {
	s, _ := schema.(map[string]any)
	all := map[string]any{}
	if ref, ok := s["$ref"].(string); ok {
		maps.Copy(all, d.properties(d.follow(ref)))
	}
	for _, of := range []string{"allOf", "oneOf", "anyOf"} {
		parts, _ := s[of].([]any)
		for _, part := range parts {
			for name, property := range d.properties(part) {
				if other, twice := all[name]; twice {
					property = map[string]any{"oneOf": []any{other, property}}
				}
				all[name] = property
			}
		}
	}
	if own, ok := s["properties"].(map[string]any); ok {
		maps.Copy(all, own)
	}
	return all
}

func (d document) request(method string) map[string]any {
	return d.properties(d.follow("#/paths/~1" + method + "/post/requestBody/content/application~1json/schema"))
}

func (d document) answer(method string) map[string]any {
	return d.properties(d.follow("#/paths/~1" + method + "/post/responses/200/content/application~1json/schema"))
}

// isReading recognises the methods that list or show something.
var isReading = regexp.MustCompile(`\.(list\w*|info|search)$|^report\.`)

func TestCatalogueAndTheRestAreTheWholeDocument(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	documented := map[string]bool{}
	paths, _ := d["paths"].(map[string]any)
	for path := range paths {
		if method := strings.TrimPrefix(path, "/"); isReading.MatchString(method) {
			documented[method] = true
		}
	}
	if len(documented) < 60 {
		t.Fatalf("%d reading methods are in the document", len(documented))
	}
	covered := map[string]bool{}
	for _, r := range Catalogue() {
		for _, method := range []string{r.List, r.Info} {
			if method != "" && covered[method] {
				t.Errorf("%s stands twice in the catalogue", method)
			}
			covered[method] = true
		}
	}
	delete(covered, "")
	for method, reason := range NotMirrored() {
		if covered[method] || len(reason) < 20 {
			t.Errorf("%s is mirrored, or is not for no reason: %q", method, reason)
		}
		covered[method] = true
	}
	for method := range documented {
		if !covered[method] {
			t.Errorf("%s is neither mirrored nor named as left out", method)
		}
	}
	for method := range covered {
		if !documented[method] && !slices.Contains(newerMethods, method) {
			t.Errorf("%s is in no document", method)
		}
	}
}

func TestCatalogueAgreesWithTheDocument(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	for _, r := range Catalogue() {
		request := d.request(r.List)
		if _, paged := request["cursor"]; paged != r.Paged {
			t.Errorf("%s: paged %t, the document says %t", r.Kind, r.Paged, paged)
		}
		if _, incremental := request["syncToken"]; incremental != r.SyncToken {
			t.Errorf("%s: sync token %t, the document says %t", r.Kind, r.SyncToken, incremental)
		}
		sent := union(r.ListParams)
		for _, v := range r.Variants {
			maps.Copy(sent, v.Params)
		}
		if r.ParentParam != "" {
			sent[r.ParentParam] = "x"
		}
		requireDocumented(t, d, r.List, sent)
		if r.Info != "" {
			requireDocumented(t, d, r.Info, union(r.InfoParams, map[string]any{r.IDParam: "x"}))
		}
		if isList := d.isList(d.answer(r.List)["results"]); isList == r.Single {
			t.Errorf("%s: single %t, the document says %t", r.Kind, r.Single, !isList)
		}
		requireScope(t, d, r)
	}
}

// isList says whether a schema is of arrays, in its first form if it has several.
func (d document) isList(schema any) bool {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		return d.isList(d.follow(ref))
	}
	if forms, ok := s["oneOf"].([]any); ok {
		return d.isList(forms[0])
	}
	return s["type"] == "array"
}

// requireDocumented checks that a method takes what is sent, and that a list of words holds documented ones alone.
func requireDocumented(t *testing.T, d document, method string, sent map[string]any) {
	t.Helper()
	request := d.request(method)
	for name, value := range sent {
		schema, ok := request[name].(map[string]any)
		if !ok && !slices.Contains(newerParams, method+" "+name) {
			t.Errorf("%s does not take %s", method, name)
		}
		words, _ := value.([]string)
		if word, ok := value.(string); ok && word != "x" {
			words = []string{word}
		}
		enum := d.words(schema)
		for _, word := range words {
			if !slices.Contains(enum, word) {
				t.Errorf("%s: %s is %v, and not %q", method, name, enum, word)
			}
		}
	}
}

// words are the values that a schema of strings, or of a list of them, allows.
func (d document) words(schema any) []string {
	s, _ := schema.(map[string]any)
	var words []string
	if ref, ok := s["$ref"].(string); ok {
		words = d.words(d.follow(ref))
	}
	list, _ := s["enum"].([]any)
	for _, word := range list {
		if word, ok := word.(string); ok {
			words = append(words, word)
		}
	}
	for _, of := range []string{"allOf", "oneOf"} {
		parts, _ := s[of].([]any)
		for _, part := range parts {
			words = append(words, d.words(part)...)
		}
	}
	if s["items"] != nil {
		words = append(words, d.words(s["items"])...)
	}
	return words
}

var permission = regexp.MustCompile("`(\\w+)Read`")

func requireScope(t *testing.T, d document, r Resource) {
	t.Helper()
	text, _ := d.follow("#/paths/~1" + r.List + "/post/description").(string)
	if found := permission.FindStringSubmatch(text); found == nil || found[1]+":read" != r.Scope {
		t.Errorf("%s needs %s, the document says %v", r.Kind, r.Scope, found)
	}
}

func TestExpansionsAgreeWithTheDocument(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	for _, r := range Catalogue() {
		var offered []string
		for _, method := range []string{r.List, r.Info} {
			offered = append(offered, d.words(d.request(method)["expand"])...)
		}
		for _, name := range r.Expand {
			if !slices.Contains(offered, name) {
				t.Errorf("%s: the document does not offer %s", r.Kind, name)
			}
		}
		for _, name := range offered {
			if !slices.Contains(r.Expand, name) {
				t.Errorf("%s: the document offers %s too", r.Kind, name)
			}
		}
	}
}

func TestWebhookActionsAreTheDocuments(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "openapi-2026-05.json")
	hooks, _ := d["webhooks"].(map[string]any)
	documented := slices.Sorted(maps.Keys(hooks))
	documented = slices.DeleteFunc(documented, func(a string) bool { return a == "ping" })
	documented = append(documented, "jobPostingDelete") // newer than this document
	slices.Sort(documented)
	if got := slices.Sorted(slices.Values(WebhookActions(Modules()...))); !slices.Equal(got, documented) {
		t.Errorf("actions %v, the document says %v", got, documented)
	}
}
