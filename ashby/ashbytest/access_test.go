package ashbytest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	revoked := b.org.AddKey(KeyOptions{})
	if !b.org.RevokeKey(revoked) {
		t.Fatal("the key was not found")
	}
	for _, tc := range []struct {
		name   string
		auth   func(*http.Request)
		status int
	}{
		{"no key", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"empty key", func(r *http.Request) { r.SetBasicAuth("", "") }, http.StatusUnauthorized},
		{"unknown key", func(r *http.Request) { r.SetBasicAuth("nonsense", "") }, http.StatusForbidden},
		{"revoked key", func(r *http.Request) { r.SetBasicAuth(revoked, "") }, http.StatusForbidden},
		{"good key", func(*http.Request) {}, http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := b.request("jobPosting.list", "{}")
			tc.auth(req)
			got, err := b.do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != tc.status {
				t.Fatalf("status %d, want %d", got.status, tc.status)
			}
			if plain := strings.HasPrefix(got.header.Get("Content-Type"), "text/plain"); plain != (tc.status != http.StatusOK) {
				t.Errorf("content type %q", got.header.Get("Content-Type"))
			}
		})
	}
}

func TestMissingScope(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{ErrorForm: FormAlternating})
	b.org.SetScopes(b.key, "jobs:read")
	formA := b.ask("apiKey.info", "{}")
	formB := b.ask("location.list", "{}")
	if formA.status != http.StatusForbidden || formB.status != http.StatusForbidden {
		t.Fatalf("statuses %d and %d", formA.status, formB.status)
	}
	if got := formA.code(t); got != "missing_endpoint_permission" {
		t.Errorf("form A says %q", got)
	}
	if entry, _ := formB.body.Errors[0].(map[string]any); entry["message"] != "missing_endpoint_permission" || formB.body.ErrorInfo != nil {
		t.Errorf("form B is %s", formB.raw)
	}
	b.org.SetScopes(b.key, "jobs:read", "apiKeys:read")
	info := b.good("apiKey.info", "{}").one(t)
	if len(info["scopes"].([]any)) != 2 {
		t.Errorf("scopes %v", info["scopes"])
	}
}

func TestInputIsStrict(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	for name, tc := range map[string]struct{ method, body string }{
		"unknown parameter": {"jobPosting.list", `{"limit":100}`},
		"not a uuid":        {"job.info", `{"id":"1"}`},
		"missing id":        {"jobPosting.info", `{}`},
		"limit too great":   {"job.list", `{"limit":101}`},
		"limit as text":     {"job.list", `{"limit":"10"}`},
		"unknown status":    {"job.list", `{"status":["open"]}`},
		"unknown expand":    {"jobPosting.info", `{"jobPostingId":"` + b.org.Postings()[0].ID + `","expand":["location"]}`},
		"not an object":     {"job.list", `[]`},
		"broken":            {"job.list", `{"limit":`},
	} {
		got := b.ask(tc.method, tc.body)
		if got.status != http.StatusOK || got.body.Success || got.code(t) != "invalid_input" {
			t.Errorf("%s: status %d: %s", name, got.status, got.raw)
		}
	}
	req := b.request("jobPosting.list", "{}")
	req.Header.Del("Content-Type")
	if got, err := b.do(req); err != nil || got.code(t) != "invalid_input" {
		t.Errorf("without a content type: %v %s", err, got.raw)
	}
	req = b.request("jobPosting.list", "{}")
	req.Header.Set("Ashby-Version", "2020-01-01")
	if got, err := b.do(req); err != nil || got.code(t) != "invalid_input" {
		t.Errorf("with an unknown version: %v %s", err, got.raw)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	if got := b.ask("candidate.create", "{}"); got.status != http.StatusNotFound {
		t.Errorf("unknown endpoint: status %d", got.status)
	}
	req := b.request("job.list", "")
	req.Method = http.MethodGet
	if got, err := b.do(req); err != nil || got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, status %d", err, got.status)
	}
}

func TestHeadersAndLog(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	id := b.org.Postings()[0].ID
	got := b.good("jobPosting.info", `{"jobPostingId":"`+id+`"}`)
	for name, want := range map[string]string{
		"Ashby-Version": "2026-01-01", "Ashby-Version-Status": "active", "X-Ratelimit-Limit": "1000", "X-Ratelimit-Remaining": "999",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if len(got.header.Get("X-Ashby-Request-Id")) != 26 {
		t.Errorf("request id %q", got.header.Get("X-Ashby-Request-Id"))
	}
	eventually(t, "the request is in the log", func() bool { return len(b.sim.Requests()) == 1 })
	entry := b.sim.Requests()[0]
	if entry.Method != "jobPosting.info" || entry.ID != id || entry.Status != http.StatusOK || entry.Org != "acme" || entry.Key != b.key[60:] {
		t.Errorf("log entry %+v", entry)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)
	b := setup(t, 1, Options{RequestsPerMinute: 3, Now: func() time.Time { return now }})
	for range 3 {
		b.good("jobPosting.list", "{}")
	}
	now = now.Add(45*time.Second + 500*time.Millisecond)
	refused := b.ask("jobPosting.list", "{}")
	if refused.status != http.StatusTooManyRequests || refused.header.Get("Retry-After") != "15" {
		t.Fatalf("status %d, Retry-After %q", refused.status, refused.header.Get("Retry-After"))
	}
	if refused.header.Get("X-Ratelimit-Remaining") != "0" || refused.header.Get("X-Ratelimit-Scope") != "" {
		t.Errorf("headers %v", refused.header)
	}
	own := b.key
	b.key = b.org.AddKey(KeyOptions{})
	b.good("jobPosting.list", "{}")
	b.key = own
	now = now.Add(15 * time.Second)
	b.good("jobPosting.list", "{}")
}
