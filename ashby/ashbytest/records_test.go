package ashbytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// people gives a bench with candidates and everything else, and a key that may read all of it.
func people(t *testing.T, n int, opts Options) *bench {
	t.Helper()
	if opts.RequestsPerMinute == 0 {
		opts.RequestsPerMinute = 1 << 20
	}
	b := setup(t, 12, opts)
	b.org.GenerateCandidates(n)
	b.key = b.org.AddKey(KeyOptions{Scopes: AllScopes()})
	return b
}

// TestEveryPagedKind reads each paged list in small pages, and again with its token.
func TestEveryPagedKind(t *testing.T) {
	t.Parallel()
	b := people(t, 30, Options{})
	for _, k := range b.sim.catalogue.kinds {
		if !k.paged {
			continue
		}
		for _, params := range b.listings(&k) {
			extra := strings.TrimSuffix(strings.TrimPrefix(params, "{"), "}")
			if extra != "" {
				extra = "," + extra
			}
			whole := b.good(k.list, "{"+strings.TrimPrefix(extra, ",")+"}")
			if hasToken := whole.body.Token != nil; hasToken != k.token {
				t.Errorf("%s: token %v", k.list, hasToken)
			}
			if !k.token {
				continue
			}
			rows, token := b.pass(k.list, extra, "", 3)
			if !slices.Equal(ids(rows), ids(whole.rows(t))) && !whole.body.More {
				t.Errorf("%s: small pages show other rows", k.list)
			}
			again, _ := b.pass(k.list, extra, token, 3)
			if len(again) != 0 {
				t.Errorf("%s: %d rows changed without a change", k.list, len(again))
			}
		}
	}
}

// TestRecordsDependOnSeedAndSlugAlone compares what three simulators show.
func TestRecordsDependOnSeedAndSlugAlone(t *testing.T) {
	t.Parallel()
	show := func(seed uint64) string {
		b := people(t, 25, Options{Seed: seed, Now: stopped})
		var out strings.Builder
		for _, a := range b.asks() {
			results := b.ask(a[0], a[1]).body.Results
			fmt.Fprintf(&out, "%s %s %s\n", a[0], a[1], results)
		}
		return out.String()
	}
	first := show(1)
	if show(1) != first {
		t.Error("the same seed shows something else")
	}
	if show(2) == first {
		t.Error("another seed shows the same")
	}
}

// TestPersonalDataIsMarked finds the marker in every row about a person.
func TestPersonalDataIsMarked(t *testing.T) {
	t.Parallel()
	b := people(t, 40, Options{})
	for kind, fields := range map[string][]string{
		"candidate": {"name"}, "user": {"firstName", "lastName", "email"}, "candidate_note": {"content"},
		"candidate_fraud_check": {"fraudSignals"}, "application": {"candidate", "hiringTeam"}, "application_feedback": {"submittedByUser", "submittedValues"},
		"survey_submission": {"submittedValues"}, "interview_event": {"interviewers"}, "offer": {"latestVersion"}, "job": {"author", "hiringTeam"},
	} {
		all := b.org.RecordIDs(kind)
		if len(all) == 0 {
			t.Errorf("there is no %s", kind)
		}
		for _, id := range all {
			body, _ := b.org.Record(kind, id)
			for _, field := range fields {
				if !strings.Contains(fmt.Sprint(body[field]), PersonalMarker) {
					t.Errorf("%s of %s is %v", field, kind, body[field])
				}
			}
		}
	}
}

func TestScopesOfRecords(t *testing.T) {
	t.Parallel()
	b := people(t, 3, Options{})
	for _, k := range b.sim.catalogue.kinds {
		b.org.SetScopes(b.key, slices.DeleteFunc(AllScopes(), func(s string) bool { return s == k.scope })...)
		if got := b.ask(k.list, "{}"); got.status != http.StatusForbidden || got.code(t) != "missing_endpoint_permission" {
			t.Errorf("%s without %s: %s", k.list, k.scope, got.raw)
		}
		b.org.SetScopes(b.key, k.scope)
		if got := b.ask(k.list, `{"nonsense":true}`); got.code(t) != "invalid_input" {
			t.Errorf("%s: %s", k.list, got.raw)
		}
		if k.parent != "" {
			if got := b.ask(k.list, "{}"); got.code(t) != "invalid_input" {
				t.Errorf("%s without %s: %s", k.list, k.parentParam, got.raw)
			}
			got := b.ask(k.list, fmt.Sprintf(`{%q:"00000000-0000-4000-8000-000000000000"}`, k.parentParam))
			if got.code(t) != k.parent+"_not_found" {
				t.Errorf("%s of an unknown parent: %s", k.list, got.raw)
			}
		}
	}
}

func TestConfidentialJobsHideTheirApplications(t *testing.T) {
	t.Parallel()
	b := people(t, 30, Options{})
	count := func() (candidates, applications int) {
		return len(b.good("candidate.list", "{}").rows(t)), len(b.good("application.list", "{}").rows(t))
	}
	candidates, applications := count()
	for _, job := range b.org.RecordIDs("job") {
		if of := len(b.good("application.list", fmt.Sprintf(`{"jobId":%q}`, job)).rows(t)); of > 0 {
			b.org.SetConfidential(job, true)
			if c, a := count(); a != applications-of || c >= candidates {
				t.Errorf("%d candidates with %d applications, of %d and %d", c, a, candidates, applications)
			}
			b.key = b.org.AddKey(KeyOptions{Scopes: AllScopes(), Confidential: true})
			if c, a := count(); c != candidates || a != applications {
				t.Errorf("with the right: %d and %d", c, a)
			}
			return
		}
	}
	t.Fatal("no job has applications")
}

func TestManyCandidatesHaveTheirApplications(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	t.Cleanup(sim.Close)
	org := sim.AddOrganization("acme", "Acme")
	org.GenerateCandidates(10_000)
	if n := len(org.RecordIDs("application")); n != 12_000 {
		t.Errorf("%d applications", n)
	}
	if n := len(org.RecordIDs("candidate_note")); n < 9_000 {
		t.Errorf("%d notes", n)
	}
}

// BenchmarkGenerate100000Candidates shows that a large employer is there in about a second.
func BenchmarkGenerate100000Candidates(b *testing.B) {
	for b.Loop() {
		sim := New(Options{})
		sim.AddOrganization("acme", "Acme").GenerateCandidates(100_000)
		sim.Close()
	}
}
