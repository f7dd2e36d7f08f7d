package ashbytest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	faults "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// The document of May 2026 and reality differ in known ways, each taken out before an answer is compared with it. What
// differs in any other way fails the test.
var (
	// nullable fields are null in recorded answers or in the August document; the May document knows no null there.
	nullable = []string{
		"locationExternalName", "workplaceType", "applicationDeadline", "externalLink", "descriptionOpening", "descriptionBody",
		"descriptionClosing", "descriptionSocial", "address", "compensationTierSummary", "title", "additionalInformation", "currencyCode",
		"minValue", "maxValue", "applicationLimitCalloutHtml", "descriptionHtml", "descriptionPlain", "customRequisitionId", "openedAt",
		"closedAt", "externalName", "parentId", "extraData", "parentLocationId",
	}
	// undocumented fields are later than the document, or recorded though never documented.
	undocumented = map[string][]string{
		"jobPosting.list": {"status", "locationExternalName"},
		"jobPosting.info": {"status", "locationExternalName", "job"},
		// made up, so that readers meet fields that they know nothing of
		"application.info": {"isInternal"}, "application.list": {"isInternal"}, "source.list": {"archivedAt"},
		"candidate.info": {"anonymizedAt"}, "candidate.list": {"anonymizedAt"}, "candidate.search": {"anonymizedAt"},
		"user.info": {"timezone"}, "user.list": {"timezone"}, "user.search": {"timezone"},
		// of the August document
		"customField.info": {"description"}, "customField.list": {"description"},
		// the document has two forms, of which only the first is looked at
		"hiringTeamRole.list": {"id", "title"},
	}
)

// openDocument loads one of Ashby's documents, which takes seconds.
func openDocument(t *testing.T, name string) *v3.Document {
	t.Helper()
	doc, err := libopenapi.NewDocument(recorded(t, name))
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return &model.Model
}

// mayDocument is loaded once for all tests that only read it, one after another: nothing says that the validator may be
// used by several at once.
var mayDocument struct {
	sync.Mutex
	model *v3.Document
	valid validator.Validator
}

func lockMayDocument(t *testing.T) (*v3.Document, validator.Validator) {
	t.Helper()
	may := &mayDocument
	may.Lock()
	t.Cleanup(may.Unlock)
	if may.model == nil {
		may.model = openDocument(t, "openapi-2026-05.json")
		keepPaths(may.model, slices.Collect(maps.Keys(endpoints(newCatalogue()))))
		may.valid = validator.NewValidatorFromV3Model(may.model)
	}
	return may.model, may.valid
}

func TestAnswersFollowAshbysDocument(t *testing.T) {
	t.Parallel()
	model, valid := lockMayDocument(t)
	b := setup(t, 45, Options{})
	all := b.org.Postings()
	type ask struct{ method, body string }
	asks := []ask{
		{"apiKey.info", "{}"},
		{"jobBoard.list", "{}"},
		{"jobPosting.list", "{}"},
		{"job.list", `{"limit":20}`},
		{"job.list", `{"expand":["location","openings"]}`},
		{"job.info", `{"id":"` + all[0].JobID + `","expand":["location"]}`},
		{"location.list", "{}"},
		{"department.list", `{"includeArchived":true}`},
		{"jobPosting.info", `{"jobPostingId":"00000000-0000-4000-8000-000000000000"}`},
		{"job.info", `{"id":"00000000-0000-4000-8000-000000000000"}`},
		{"jobPosting.list", `{"limit":1}`},
	}
	for id := range b.org.Locations() {
		asks = append(asks, ask{"location.info", `{"locationId":"` + id + `"}`})
	}
	for id := range b.org.Departments() {
		asks = append(asks, ask{"department.info", `{"departmentId":"` + id + `"}`})
	}
	for _, p := range all[:20] {
		asks = append(asks, ask{"jobPosting.info", `{"jobPostingId":"` + p.ID + `","expand":["job"]}`})
	}
	for _, a := range asks {
		got := b.ask(a.method, a.body)
		documentedFieldsOnly(t, model, a.method, got)
		validate(t, valid, b, a.method, a.body, aligned(t, a.method, got.raw))
	}
}

// keepPaths forgets the other endpoints, whose schemas the validator would compile for nothing.
func keepPaths(model *v3.Document, methods []string) {
	for _, path := range slices.Collect(model.Paths.PathItems.KeysFromOldest()) {
		if !slices.Contains(methods, strings.TrimPrefix(path, "/")) {
			model.Paths.PathItems.Delete(path)
		}
	}
}

// TestFormBFollowsTheLaterDocument compares the second form of errors with the document of July 2026.
func TestFormBFollowsTheLaterDocument(t *testing.T) {
	t.Parallel()
	valid := validator.NewValidatorFromV3Model(openDocument(t, "openapi-2026-07-excerpt.json"))
	b := setup(t, 1, Options{ErrorForm: FormB})
	validate(t, valid, b, "apiKey.info", "{}", b.good("apiKey.info", "{}").raw)
	wrong := b.ask("apiKey.info", `{"id":1}`)
	if wrong.body.Success {
		t.Fatalf("%s", wrong.raw)
	}
	validate(t, valid, b, "apiKey.info", "{}", wrong.raw)
}

// TestWebhooksFollowAshbysDocument compares the bodies of deliveries with the document's webhooks. jobPostingDelete is
// not among them.
func TestWebhooksFollowAshbysDocument(t *testing.T) {
	t.Parallel()
	model, _ := lockMayDocument(t)
	b := setup(t, 1, Options{})
	p := b.org.Postings()[0]
	e := &edit{o: b.org, at: time.Now()}
	posting := b.org.postings[p.ID]
	e.touch(posting, "jobPostingPublish", "jobPostingUnpublish")
	job, _ := b.org.jobs.get(p.JobID)
	e.touchJob(job, "jobUpdate", nil)
	e.touchJob(job, "jobCreate", nil)
	check := schema_validation.NewSchemaValidator()
	for _, ev := range e.events {
		raw, err := json.Marshal(map[string]any{"action": ev.action, "webhookActionId": newActionID(), "data": ev.data})
		if err != nil {
			t.Fatal(err)
		}
		schema := model.Webhooks.GetOrZero(ev.action).Post.RequestBody.Content.GetOrZero("application/json").Schema.Schema()
		if ok, found := check.ValidateSchemaBytes(schema, aligned(t, ev.action, raw)); !ok {
			for _, f := range found {
				t.Errorf("%s: %s: %s", ev.action, f.Reason, reasons(f))
			}
		}
	}
}

func validate(t *testing.T, valid validator.Validator, b *bench, method, body string, answer []byte) {
	t.Helper()
	resp := &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body: io.NopCloser(bytes.NewReader(answer)),
	}
	req := b.request(method, body)
	req.URL.Scheme, req.URL.Host = "https", "api.ashbyhq.com"
	if ok, found := valid.ValidateHttpResponse(req, resp); !ok {
		for _, f := range found {
			t.Errorf("%s %s: %s: %s", method, body, f.Reason, reasons(f))
		}
		t.Logf("%.2000s", answer)
	}
}

// reasons says at which places an answer departs from the document.
func reasons(f *faults.ValidationError) string {
	lines := make([]string, 0, len(f.SchemaValidationErrors))
	for _, at := range f.SchemaValidationErrors {
		lines = append(lines, at.FieldPath+": "+at.Reason)
	}
	return strings.Join(lines, "; ")
}

// aligned takes the known differences out of an answer.
func aligned(t *testing.T, what string, raw []byte) []byte {
	t.Helper()
	out, err := json.Marshal(align(t, what, exact(t, raw)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func align(t *testing.T, what string, value any) any {
	t.Helper()
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = align(t, what, v[i])
		}
	case map[string]any:
		for name, member := range v {
			if member == nil {
				if !slices.Contains(nullable, name) && !slices.Contains(nullableIn[what], name) {
					t.Errorf("%s: %s is null, which is no known difference", what, name)
				}
				delete(v, name)
				continue
			}
			v[name] = align(t, what, member)
		}
		// three of the document's alternatives for a value are plain text, so that no text fits exactly one of them
		if _, ok := v["value"].(string); ok && strings.HasPrefix(v["value"].(string), InternalMarker) {
			v["value"] = true
		}
		// the flag has this name in reality and in the August document
		if show, ok := v["shouldDisplayCompensation"]; ok {
			delete(v, "shouldDisplayCompensation")
			v["shouldDisplayCompensationOnJobBoard"] = show
		}
	}
	return value
}

// documentedFieldsOnly fails on fields of the results that the document does not have, unless they are known.
func documentedFieldsOnly(t *testing.T, model *v3.Document, method string, got reply) {
	t.Helper()
	if !got.body.Success {
		return
	}
	schema := model.Paths.PathItems.GetOrZero("/" + method).Post.Responses.Codes.GetOrZero("200").Content.GetOrZero("application/json").Schema
	results := fieldsOf(schema.Schema().OneOf[0])["results"]
	var rows []any
	switch v := exact(t, got.body.Results).(type) {
	case []any:
		rows, results = v, results.Schema().Items.A
	default:
		rows = []any{v}
	}
	fields := fieldsOf(results)
	for _, row := range rows {
		object, _ := row.(map[string]any) // of hiring team roles, the titles alone are listed
		for name := range object {
			if fields[name] == nil && !slices.Contains(undocumented[method], name) {
				t.Errorf("%s shows %s, which is no known difference", method, name)
			}
		}
	}
}

// fieldsOf collects the properties of a schema and of all that it is made of.
func fieldsOf(proxy *base.SchemaProxy) map[string]*base.SchemaProxy {
	out := make(map[string]*base.SchemaProxy)
	schema := proxy.Schema()
	for _, part := range schema.AllOf {
		for name, field := range fieldsOf(part) {
			out[name] = field
		}
	}
	if schema.Properties != nil {
		for name, field := range schema.Properties.FromOldest() {
			out[name] = field
		}
	}
	return out
}
