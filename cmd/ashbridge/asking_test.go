package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	const id = "h-1"
	hold := example(t, "Hold", map[string]any{"id": id, "connection": acmeID, "state": "open"})
	api := newFakeAPI(t, map[string][]reply{
		"GET /v1/holds":              {page("holds", hold), page("holds")},
		"POST /v1/holds/h-1/approve": {{200, hold}}, "POST /v1/holds/h-1/reject": {{409, problemJSON("hold-ended", "Hold ended", 409)}},
	})
	command(t, api.url, "", "holds", "list", "--connection", acmeID, "--ended").want(t, exitDone, "VANISHED", id, "- h-1: ", "  rejected by environment ", ": We ask the employer.", "holds approve h-1` lets")
	command(t, api.url, "", "holds", "list", "--ended").want(t, exitDone, "none ended")
	command(t, api.url, "", "holds", "approve", id, "--note", "they moved").want(t, exitDone, "hold h-1 of")
	command(t, api.url, "", "holds", "reject", id).want(t, exitNotNow, "Hold ended (409)")
	command(t, api.url, "", "holds", "approve", id, "--json").wantJSON(t)
	want := []string{
		"GET /v1/holds?connection=" + acmeID + "&ended=true", "GET /v1/holds?ended=true", `POST /v1/holds/h-1/approve {"note":"they moved"}`,
		"POST /v1/holds/h-1/reject", "POST /v1/holds/h-1/approve",
	}
	if asked := api.requests(); !slices.Equal(asked, want) {
		t.Errorf("asked %q", asked)
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	types := []any{
		map[string]any{"event_type": "jobUpdate", "state": "working", "coverage": 0.75, "by_webhook": 3, "by_poll": 1, "last_seen_at": "2026-11-23T10:00:00Z"},
		map[string]any{"event_type": "jobCreate", "state": "missing", "what_to_do": "Look in Ashby."},
		map[string]any{"event_type": "openingCreate", "state": "never_seen", "what_to_do": "Create it."},
	}
	conn := example(t, "Connection", map[string]any{"webhook_setup": map[string]any{"types": types}})
	gone := example(t, "Connection", map[string]any{"webhook_setup": nil, "status": "removed"})
	api := newFakeAPI(t, map[string][]reply{
		"GET /v1/connections": {page("connections", conn)}, "GET " + acme: {{200, gone}},
		"POST " + acme + "/webhooks": {
			{200, `{"connection":"c","webhooks":[{"event_type":"jobUpdate","action":"created","problem":""}]}`},
			{200, `{"connection":"c","webhooks":[{"event_type":"jobUpdate","action":"failed","problem":"Ashby says no."}]}`},
		},
	})
	command(t, api.url, "", "webhooks", "list").want(t, exitDone, "1 of 3 work", "75% of 4", "- jobCreate: Look in Ashby.", "1 types were never seen", "webhooks setup "+acmeID)
	command(t, api.url, "", "webhooks", "list", acmeID).want(t, exitDone, "is removed")
	document := command(t, api.url, "", "webhooks", "list", "--json").wantJSON(t)
	if all := document["webhooks"].([]any); len(all[0].(map[string]any)["types"].([]any)) != 3 {
		t.Errorf("%v", document)
	}
	command(t, api.url, testKey, "webhooks", "setup", acmeID, "--api-key-file", "-").want(t, exitDone, "created")
	command(t, api.url, "", "webhooks", "setup", acmeID).want(t, exitFailed, "Ashby says no.")
	if asked := api.requests(); asked[3] != "POST "+acme+`/webhooks {"api_key":"`+testKey+`"}` || asked[4] != "POST "+acme+"/webhooks" {
		t.Errorf("asked %q", asked)
	}
}

const tokenJSON = `{"id":"tok_1","name":"grafana","role":"read-only","hint":"ash_api_8f","created_at":"2026-11-23T10:00:00Z",` +
	`"created_by":"environment","last_used_at":null,"expires_at":null,"revoked_at":%s%s}`

var tokenMade = fmt.Sprintf(tokenJSON, "null", `,"token":"ash_canary"`)

func TestTokens(t *testing.T) {
	t.Parallel()
	valid, revoked := fmt.Sprintf(tokenJSON, "null", ""), fmt.Sprintf(tokenJSON, `"2026-11-24T10:00:00Z"`, "")
	api := newFakeAPI(t, map[string][]reply{
		"POST /v1/tokens":         {{201, tokenMade}},
		"GET /v1/tokens":          {page("tokens", valid, revoked)},
		"DELETE /v1/tokens/tok_1": {{200, revoked}},
		"GET /v1/whoami":          {{200, `{"id":"tok_1","name":"grafana","role":"read-only"}`}},
	})
	// A script catches the token alone.
	if got := command(t, api.url, "", "tokens", "create", "grafana", "--role", "read-only"); got.out != "ash_canary\n" || !strings.Contains(got.errOut, "this once") {
		t.Errorf("%+v", got)
	}
	command(t, api.url, "", "tokens", "create", "x", "--role", "king").want(t, exitUsage, "connect-only")
	command(t, api.url, "", "tokens", "create", "x").want(t, exitUsage, "role")
	command(t, api.url, "", "tokens", "create", "x", "--role", "admin", "--expires", "soon").want(t, exitUsage, "--expires")
	command(t, api.url, "", "tokens", "create", "x", "--role", "admin", "--expires", "2046-11-23T10:00:00+01:00", "--json").wantJSON(t)
	command(t, api.url, "", "tokens", "list", "--revoked").want(t, exitDone, "ash_api_8f…", "by environment", "revoked ")
	command(t, api.url, "", "tokens", "revoke", "tok_1").want(t, exitDone, "nobody can use it")
	command(t, api.url, "", "tokens", "whoami").want(t, exitDone, "tok_1, grafana", "read-only")
	want := []string{
		`POST /v1/tokens {"name":"grafana","role":"read-only"}`,
		`POST /v1/tokens {"expires_at":"2046-11-23T09:00:00Z","name":"x","role":"admin"}`,
		"GET /v1/tokens?revoked=true", "DELETE /v1/tokens/tok_1", "GET /v1/whoami",
	}
	if asked := api.requests(); !slices.Equal(asked, want) {
		t.Errorf("asked %q", asked)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"90d": now.AddDate(0, 0, 90), "36h": now.Add(36 * time.Hour), "2026-11-24T00:00:00Z": now.Add(14 * time.Hour),
	} {
		if got, err := expiry(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0d", "-1h", "d", "2026-11-22T00:00:00Z", "tomorrow"} {
		if _, err := expiry(text, now); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestAuditList(t *testing.T) {
	t.Parallel()
	const entry = `{"id":"1","at":"2026-11-23T10:00:00Z","actor":{"kind":"token","id":"tok_1","name":"ops"},"role":"operator",` +
		`"action":"hold.approve","target":"h-1","connection":"c","outcome":"done","status":200}`
	api := newFakeAPI(t, map[string][]reply{"GET /v1/audit": {page("entries", entry), page("entries")}})
	command(t, api.url, "", "audit", "list", "--since", "2026-11-23T10:00:00+01:00", "--actor", "ops", "--action", "hold", "--connection", acmeID).
		want(t, exitDone, "ops (token)", "hold.approve", "done (200)", "h-1")
	command(t, api.url, "", "audit", "list").want(t, exitDone, "Nothing was done")
	command(t, api.url, "", "audit", "list", "--json").wantJSON(t)
	command(t, api.url, "", "audit", "list", "--until", "later").want(t, exitUsage, "--until")
	command(t, api.url, "", "audit", "list", "--limit", "-1").want(t, exitUsage, "--limit")
	want := "GET /v1/audit?action=hold&actor=ops&connection=" + acmeID + "&since=2026-11-23T09%3A00%3A00Z"
	if asked := api.requests(); asked[0] != want || len(asked) != 3 {
		t.Errorf("asked %q", asked)
	}
}

func TestBoardsAreListed(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{
		"GET /v1/subscribers": {page("subscribers", example(t, "Subscriber", nil)), page("subscribers"), {409, problemJSON("no-issuer", "No issuer", 409)}},
		"GET /v1/endpoints": {
			page("endpoints", `{"id":"ep_1","url":"https://b.example/in","employers":["c"],"status":"disabled","status_reason":"It failed.","failed":2}`), page("endpoints"),
		},
	})
	command(t, api.url, "", "subscribers", "list").want(t, exitDone, "sub_", "active")
	command(t, api.url, "", "subscribers", "list").want(t, exitDone, "POST /v1/subscribers")
	command(t, api.url, "", "subscribers", "list").want(t, exitNotNow, "No issuer")
	command(t, api.url, "", "endpoints", "list").want(t, exitDone, "https://b.example/in", "disabled", "It failed.")
	command(t, api.url, "", "endpoints", "list", "--json").wantJSON(t)
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{
		"GET /v1/connections": {page("connections", synced(t))},
		"GET /v1/holds":       {page("holds", example(t, "Hold", map[string]any{"id": "h-1"}))},
		"GET /v1/tokens":      {page("tokens", fmt.Sprintf(tokenJSON, "null", ""), strings.Replace(fmt.Sprintf(tokenJSON, `"2026-11-24T10:00:00Z"`, ""), "tok_1", "tok_2", 1))},
		"GET /v1/subscribers": {page("subscribers", example(t, "Subscriber", map[string]any{"id": "sub_1"}))},
	})
	token := tokenFile(t)
	offered := func(url string, args ...string) []string {
		at := append([]string{"__complete"}, args[:2]...)
		at = append(at, "--api", url, "--token-file", token)
		got := command(t, "", "", append(at, args[2:]...)...)
		var words []string
		for line := range strings.Lines(got.out) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(word, ":") {
				words = append(words, word)
			}
		}
		return words
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"connections", "pause", ""}, []string{acmeID}},
		{[]string{"connections", "pause", "ac"}, []string{"acme-42"}},
		{[]string{"connections", "pause", "x"}, nil},
		{[]string{"connections", "pause", acmeID, ""}, nil},
		{[]string{"webhooks", "list", acmeID[:3]}, []string{acmeID}},
		{[]string{"holds", "list", "--connection", "acme"}, []string{"acme-42"}},
		{[]string{"holds", "approve", ""}, []string{"h-1"}},
		{[]string{"tokens", "revoke", ""}, []string{"tok_1"}},
		{[]string{"events", "replay", "--subscriber", ""}, []string{"sub_1"}},
		{[]string{"tokens", "create", "x", "--role", ""}, []string{"admin", "operator", "read-only", "connect-only"}},
		{[]string{"connections", "remove", acmeID, "--jobs", ""}, []string{"keep", "close"}},
	} {
		if got := offered(api.url, c.args...); !slices.Equal(got, c.want) {
			t.Errorf("%v offers %q, want %q", c.args, got, c.want)
		}
	}
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	for _, url := range []string{"http://127.0.0.1:1", silent.URL, "nowhere"} {
		began := time.Now()
		if got := offered(url, "connections", "pause", ""); len(got) != 0 || time.Since(began) > 5*time.Second {
			t.Errorf("%s offers %q after %s", url, got, time.Since(began))
		}
	}
}
