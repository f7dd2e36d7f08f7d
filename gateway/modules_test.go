package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func allowAll(o *Options) { o.Modules = ashby.Modules() }

func TestModulesAreAddedAndTakenAway(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	e := b.connect("acme")
	key := goodKey + "-acme"
	path := "/v1/connections/" + e.ID
	lacking := okReport()
	lacking.OK = false // what is lacking is told, and refuses nothing
	lacking.Permissions = append(lacking.Permissions, mirror.Permission{
		Module: "Candidates", Access: "read", Scope: "candidates:read", State: mirror.Missing,
	})
	b.prober.set(key, probeAnswer{report: lacking})
	a := b.call(request{method: "PATCH", path: path, body: map[string]any{
		"modules": []string{"organization", "jobs", "candidates", "jobs"},
	}})
	var c connectionJSON
	a.into(t, &c)
	if a.status != http.StatusOK || fmt.Sprint(c.Modules) != "[candidates jobs organization]" || len(c.Report.Permissions) != 2 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if asked := b.prober.modules; fmt.Sprint(asked) != "[candidates jobs organization]" {
		t.Errorf("probed for %v", asked)
	}
	if purged := b.store.conns[e.ID].purged; len(purged) != 0 {
		t.Errorf("purged %v", purged)
	}
	eventually(t, "a hint to poll", func() bool {
		return slices.Contains(b.bus.published(), mirror.Hint{Connection: e.ID, Kind: mirror.HintPoll})
	})
	// Ashby need not answer for a module to be taken away, and what jobs has too stays.
	b.prober.set(key, probeAnswer{err: ashby.ErrUnavailable})
	a = b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": []string{"candidates", "jobs"}}})
	purged := b.store.conns[e.ID].purged
	if a.status != http.StatusOK || !slices.Contains(purged, "user") || slices.Contains(purged, "candidate") ||
		slices.Contains(purged, "location") {
		t.Errorf("%d %s, purged %v", a.status, a.body, purged)
	}
	a = b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": []string{"jobs"}}})
	purged = b.store.conns[e.ID].purged
	if a.status != http.StatusOK || !slices.Contains(purged, "candidate") || slices.Contains(purged, "location") {
		t.Errorf("%d %s, purged %v", a.status, a.body, purged)
	}
	b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": []string{"jobs", "offers"}}}).
		problem(t, 502, "ashby-unavailable")
	// Naming the present ones asks nobody and changes nothing.
	calls := b.prober.calls
	a = b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": []string{"jobs"}}})
	if a.status != http.StatusOK || b.prober.calls != calls {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestModulesThatCannotBeHad(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Modules = []string{"jobs", "candidates"} })
	e := b.connect("acme")
	path := "/v1/connections/" + e.ID
	for want, modules := range map[string][]string{
		"no module jobz": {"jobs", "jobz"}, "does not allow the module offers": {"jobs", "offers"},
		"must stay": {"candidates"}, "jobs must stay": {},
	} {
		p := b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": modules}}).problem(t, 422, "modules")
		if !strings.Contains(p.Detail, want) {
			t.Errorf("%v: %s", modules, p.Detail)
		}
	}
	b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": "jobs"}}).problem(t, 400, "invalid-request")
	b.call(request{method: "PATCH", path: path, body: map[string]any{"modules": nil}}).problem(t, 400, "invalid-request")
}

// A new key is probed once, with the new modules.
func TestModulesComeWithANewKey(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	e := b.connect("acme")
	b.prober.set("new-key-0123456789", probeAnswer{report: okReport(), postings: []string{"p1"}})
	calls := b.prober.calls
	a := b.call(request{method: "PATCH", path: "/v1/connections/" + e.ID, body: map[string]any{
		"modules": []string{"jobs", "offers"}, "api_key": "new-key-0123456789",
	}})
	if a.status != http.StatusOK || b.prober.calls != calls+1 || fmt.Sprint(b.prober.modules) != "[jobs offers]" {
		t.Errorf("%d %s, probed for %v", a.status, a.body, b.prober.modules)
	}
}

func TestRegistrationAlwaysHasJobs(t *testing.T) {
	t.Parallel()
	b := setup(t, allowAll)
	a := b.call(request{method: "POST", path: "/v1/connections", body: registrationBody(
		map[string]any{"modules": []string{"offers"}})})
	var c connectionJSON
	a.into(t, &c)
	if a.status != http.StatusCreated || fmt.Sprint(c.Modules) != "[jobs offers]" || fmt.Sprint(b.prober.modules) != "[jobs offers]" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
