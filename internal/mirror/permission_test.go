package mirror_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

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
			r := mirror.BuildReport(tt.info, tt.readable, []string{"jobs"})
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
