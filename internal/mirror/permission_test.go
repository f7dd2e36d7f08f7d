package mirror_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// tried is that the listing of postings was answered, or that nothing was tried.
func tried(postings bool) map[string]bool {
	if !postings {
		return nil
	}
	return map[string]bool{"jobs:read": true}
}

func TestBuildReport(t *testing.T) {
	t.Parallel()
	key := func(scopes ...string) *ashby.APIKey {
		return &ashby.APIKey{Title: "Ashbridge", Scopes: scopes, HasScopes: true}
	}
	tests := []struct {
		name     string
		info     *ashby.APIKey
		readable bool
		ok       bool
		probedBy string
		states   string // scope=state, in order
		advice   []string
	}{
		{
			name: "just right", info: key("apiKeys:read", "jobs:read", "organization:read"), readable: true, ok: true, probedBy: "apiKey.info",
			states: "jobs:read=granted organization:read=granted apiKeys:read=granted",
		},
		{
			name: "no organisation", info: key("apiKeys:read", "jobs:read"), ok: true, probedBy: "apiKey.info",
			states: "jobs:read=granted organization:read=missing apiKeys:read=granted",
			advice: []string{"Give the key read on Organization: Ashby → Admin → Integrations → API Keys → “Ashbridge” → "},
		},
		{
			name: "no jobs", info: key("apiKeys:read", "organization:read"), ok: false, probedBy: "apiKey.info",
			states: "jobs:read=missing organization:read=granted apiKeys:read=granted",
			advice: []string{"Give the key read on Jobs; without it"},
		},
		{
			name: "too much", info: key("jobs:write", "jobs:read", "organization:read", "apiKeys:read", "candidates:read", "teleport:read", "jobs:write"),
			ok: true, probedBy: "apiKey.info",
			states: "jobs:read=granted organization:read=granted apiKeys:read=granted " +
				"candidates:read=excess jobs:write=excess teleport:read=excess",
			advice: []string{"Take read on Candidates", "Take write on Jobs", "Take read on teleport"},
		},
		{
			name: "the key may not say", readable: true, ok: true, probedBy: "jobPosting.list",
			states: "jobs:read=granted organization:read=unknown apiKeys:read=missing",
			advice: []string{"Give the key read on API Keys: Ashby → Admin → Integrations → API Keys → the key → "},
		},
		{
			name: "nothing is allowed", ok: false, probedBy: "jobPosting.list",
			states: "jobs:read=missing organization:read=unknown apiKeys:read=missing",
			advice: []string{"Give the key read on Jobs; without it", "Give the key read on API Keys"},
		},
		{
			name: "an old answer without scopes", info: &ashby.APIKey{Title: "feed"}, readable: true, ok: true, probedBy: "apiKey.info",
			states: "jobs:read=granted organization:read=unknown apiKeys:read=granted",
			advice: []string{"Name a key “Ashbridge”"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := mirror.BuildReport(tt.info, tried(tt.readable), []string{"jobs"})
			if r.OK != tt.ok || r.ProbedBy != tt.probedBy {
				t.Errorf("ok %v by %s", r.OK, r.ProbedBy)
			}
			var states []string
			for _, p := range r.Permissions {
				states = append(states, p.Scope+"="+string(p.State))
				requireExplained(t, p)
			}
			if diff := cmp.Diff(tt.states, strings.Join(states, " ")); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if len(r.Advice) != len(tt.advice)+1 || !strings.Contains(r.Advice[len(r.Advice)-1], "confidential") {
				t.Fatalf("advice: %q", r.Advice)
			}
			for i, want := range tt.advice {
				if !strings.HasPrefix(r.Advice[i], want) {
					t.Errorf("advice %d: %q, want %q …", i, r.Advice[i], want)
				}
			}
		})
	}
}

// requireExplained checks that a line says why, and how to mend what can be mended.
func requireExplained(t *testing.T, p mirror.Permission) {
	t.Helper()
	if p.Why == "" || p.Module == "" || p.Access == "" {
		t.Errorf("says too little: %+v", p)
	}
	if (p.Fix == "") != (p.State == mirror.Granted) {
		t.Errorf("fix of a %s permission: %q", p.State, p.Fix)
	}
	if p.Required != (p.Scope == "jobs:read") {
		t.Errorf("required: %+v", p)
	}
}

func TestBuildReportOfMoreModules(t *testing.T) {
	t.Parallel()
	key := func(scopes ...string) *ashby.APIKey {
		return &ashby.APIKey{Title: "Ashbridge", Scopes: append(scopes, "apiKeys:read"), HasScopes: true}
	}
	everything := "jobs candidates interviews offers hiring_process organization approvals"
	tests := []struct {
		name, modules string
		info          *ashby.APIKey
		readable, ok  bool
		states        string // scope=state, required ones marked, without the self-check
		advice        []string
	}{
		{
			name: "jobs need not be named", modules: "offers", info: key("jobs:read", "organization:read", "offers:read"), ok: true,
			states: "jobs:read=granted! organization:read=granted offers:read=granted!",
		},
		{
			name: "a module's permission is missing", modules: "jobs offers", info: key("jobs:read", "organization:read"), ok: true,
			states: "jobs:read=granted! organization:read=granted offers:read=missing!",
			advice: []string{"Give the key read on Offers; until then the module offers stays paused: Ashby → Admin"},
		},
		{
			name: "jobs are missing", modules: "jobs offers", info: key("organization:read", "offers:read"), ok: false,
			states: "jobs:read=missing! organization:read=granted offers:read=granted!",
			advice: []string{"Give the key read on Jobs; without it Ashbridge cannot work"},
		},
		{
			name: "what completes a module is missing", modules: "jobs candidates interviews",
			info: key("jobs:read", "organization:read", "candidates:read", "interviews:read"), ok: true,
			states: "jobs:read=granted! organization:read=granted candidates:read=granted! hiringProcessMetadata:read=missing interviews:read=granted!",
			advice: []string{"Give the key read on Hiring Process: Ashby → Admin"},
		},
		{
			name: "organisation as a module", modules: "jobs organization", info: key("jobs:read"), ok: true,
			states: "jobs:read=granted! organization:read=missing!",
			advice: []string{"Give the key read on Organization; until then the module organization stays paused"},
		},
		{
			name: "everything", modules: everything,
			info: key("jobs:read", "organization:read", "candidates:read", "interviews:read", "offers:read", "hiringProcessMetadata:read", "approvals:read"),
			ok:   true,
			states: "jobs:read=granted! organization:read=granted! candidates:read=granted! hiringProcessMetadata:read=granted! " +
				"interviews:read=granted! offers:read=granted! approvals:read=granted!",
		},
		{
			name: "nothing can be seen", modules: "jobs offers approvals", readable: true, ok: true,
			states: "jobs:read=granted! organization:read=unknown offers:read=unknown! approvals:read=unknown!",
			advice: []string{"Give the key read on API Keys: "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := mirror.BuildReport(tt.info, tried(tt.readable), strings.Fields(tt.modules))
			var states []string
			for _, p := range r.Permissions {
				if p.Why == "" || p.Module == "" || (p.Fix == "") != (p.State == mirror.Granted) {
					t.Errorf("says too little: %+v", p)
				}
				if p.Scope == "apiKeys:read" {
					continue
				}
				states = append(states, p.Scope+"="+string(p.State)+map[bool]string{true: "!"}[p.Required])
			}
			if diff := cmp.Diff(tt.states, strings.Join(states, " ")); diff != "" || r.OK != tt.ok {
				t.Errorf("ok %t, states (-want +got):\n%s", r.OK, diff)
			}
			if len(r.Advice) != len(tt.advice)+1 {
				t.Fatalf("advice: %q", r.Advice)
			}
			for i, want := range tt.advice {
				if !strings.HasPrefix(r.Advice[i], want) {
					t.Errorf("advice %d: %q, want %q …", i, r.Advice[i], want)
				}
			}
		})
	}
}

func TestReportSaysWhatAPermissionIsFor(t *testing.T) {
	t.Parallel()
	why := func(scope string, modules ...string) string {
		for _, p := range mirror.BuildReport(nil, tried(true), modules).Permissions {
			if p.Scope == scope {
				return p.Why
			}
		}
		return ""
	}
	for got, want := range map[string]string{
		why("hiringProcessMetadata:read", "candidates", "interviews"):     "Reads candidate_tag for the module candidates, interviewer_pool for the module interviews.",
		why("hiringProcessMetadata:read", "candidates", "hiring_process"): "Reads sources, reasons, custom fields and forms, which are stored sealed.",
		why("organization:read"): "Reads the full addresses of all locations and the names that candidates see.",
		why("organization:read", "organization"): "Reads the full addresses of all locations and the names that candidates see. " +
			"Reads the organisation's users too, who are stored sealed.",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A listing that was answered or refused counts more than what the key says of itself.
func TestReportGoesByWhatWasTried(t *testing.T) {
	t.Parallel()
	info := &ashby.APIKey{Title: "Ashbridge", Scopes: []string{"jobs:read", "apiKeys:read", "candidates:read"}, HasScopes: true}
	r := mirror.BuildReport(info, map[string]bool{
		"jobs:read": true, "candidates:read": false, "hiringProcessMetadata:read": true,
	}, []string{"candidates", "jobs", "offers"})
	var states []string
	for _, p := range r.Permissions {
		states = append(states, p.Scope+"="+string(p.State))
	}
	want := "jobs:read=granted organization:read=missing candidates:read=missing hiringProcessMetadata:read=granted " +
		"offers:read=missing apiKeys:read=granted"
	if diff := cmp.Diff(want, strings.Join(states, " ")); diff != "" || !r.OK {
		t.Errorf("ok %v, states (-want +got):\n%s", r.OK, diff)
	}
	if r := mirror.BuildReport(info, map[string]bool{"jobs:read": false}, []string{"jobs"}); r.OK {
		t.Error("a key that may not list postings suffices")
	}
}
