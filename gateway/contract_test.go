package gateway

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/bebitcoiner/ashbridge/schema"
)

// contract is what the tests read of the OpenAPI document.
type contract struct {
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Schemas struct {
			Problem struct {
				Properties struct {
					Type struct{ Enum []string }
				}
			} `yaml:"Problem"`
		}
	}
}

func readContract(t *testing.T) contract {
	t.Helper()
	var c contract
	if err := yaml.Unmarshal(schema.OpenAPI(), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

var fiberParam = regexp.MustCompile(`:([a-z]+)`)

func TestDocumentAndRouteTableAreTheSame(t *testing.T) {
	t.Parallel()
	methods := map[string]string{"get": "GET", "post": "POST", "patch": "PATCH", "delete": "DELETE", "put": "PUT", "head": "HEAD"}
	var documented, served []string
	for path, item := range readContract(t).Paths {
		for key := range item {
			if method, ok := methods[key]; ok {
				documented = append(documented, method+" "+path)
			} else if key != "parameters" {
				t.Errorf("%s: unexpected %s", path, key)
			}
		}
	}
	for _, r := range prepare(t).routes() {
		served = append(served, r.method+" "+fiberParam.ReplaceAllString(r.path, "{$1}"))
	}
	slices.Sort(documented)
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("documented %q\nserved %q", documented, served)
	}
}

// TestNothingIsServedBesideTheTable looks at what Fiber itself registered.
func TestNothingIsServedBesideTheTable(t *testing.T) {
	t.Parallel()
	b := prepare(t)
	table := make(map[string]bool)
	for _, r := range b.routes() {
		table[r.label()] = true
	}
	for _, r := range b.newApp(t.Context()).GetRoutes(true) {
		if !table[r.Method+" "+r.Path] {
			t.Errorf("served, but not in the table: %s %s", r.Method, r.Path)
		}
	}
}

func TestDocumentListsEveryProblemType(t *testing.T) {
	t.Parallel()
	made := make(map[string]bool)
	for _, p := range []*problem{
		errInternal, errUnavailable, errNoToken, errNotFound, errNoRoute, errMethod, errRemoved,
		errBadRequest, errInvalid, errTooLarge, errHeaderTooLarge, errSlow, errEncodedBody, errBadSignature,
		errDuplicateKey, errDuplicateEmployer, errOtherOrganization, errPaused, errAmbiguous, errWrongKey,
		errMissingPermission, errAshbyUnavailable, errUnknownKind, errModuleOff, errModules, errHoldEnded, errBusy,
		errWebhooksForbidden, errManyReaders, errNoIssuer, errRevoked, errUnknownEmployers, errNotSubscribed, errNoVersion,
		errTestBusy, errNotActive, errTooMany, errForbidden, errTooManyFailures, errTooManyRefusals, errDuplicateName,
	} {
		made[p.Type] = true
	}
	documented := readContract(t).Components.Schemas.Problem.Properties.Type.Enum
	if got := slices.Sorted(maps.Keys(made)); !slices.Equal(got, documented) {
		t.Errorf("made %q\ndocumented %q", got, documented)
	}
}

func TestDocumentIsValidOpenAPI(t *testing.T) {
	t.Parallel()
	v, err := document()
	if err != nil {
		t.Fatal(err)
	}
	validating.Lock()
	defer validating.Unlock()
	if ok, faults := v.ValidateDocument(); !ok {
		for _, f := range faults {
			t.Errorf("%s: %s %v", f.Message, f.Reason, f.SchemaValidationErrors)
		}
	}
}
