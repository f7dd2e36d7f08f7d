package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	acmeID = "0193577e-6d2a-7c41-9a61-3f5b6f0f0001" // as in the contract's example
	acme   = "/v1/connections/" + acmeID
)

// synced is a connection whose first sync is done.
func synced(t *testing.T) string {
	return example(t, "Connection", map[string]any{
		"sync.first_synced_at": "2026-11-23T10:00:41Z", "sync.last_verified_at": "2026-11-23T10:00:00Z",
		"sync.poll_started_at": "2026-11-23T10:00:00Z", "sync.poll_finished_at": "2026-11-23T10:00:41Z",
		"sync.done": 900, "sync.total": 900, "counts.public": 640, "counts.at_ashby": 900,
	})
}

func TestConnectionsList(t *testing.T) {
	t.Parallel()
	hostile := example(t, "Connection", map[string]any{"id": "other", "employer_name": "Evil\x1b[2J\nCorp", "status": "degraded"})
	api := newFakeAPI(t, map[string][]reply{"GET /v1/connections": {page("connections", synced(t), hostile)}})
	got := command(t, api.url, "", "connections", "list")
	got.want(t, exitDone, acmeID, "acme-42", "640", "ago", "first sync", "Evil\uFFFD[2J Corp")
	if strings.Contains(got.out, "\x1b") || strings.Count(got.out, "\n") != 3 {
		t.Errorf("%q", got.out)
	}
	only := command(t, api.url, "", "connections", "list", "--status", "active")
	if strings.Contains(only.out, "degraded") || !strings.Contains(only.out, acmeID) {
		t.Errorf("%s", only.out)
	}
	document := command(t, api.url, "", "connections", "list", "--json").wantJSON(t)
	if list := document["connections"].([]any); len(list) != 2 || document["next_cursor"] != nil {
		t.Errorf("%v", document)
	}
	none := newFakeAPI(t, map[string][]reply{"GET /v1/connections": {page("connections")}})
	command(t, none.url, "", "connections", "list").want(t, exitDone, "ashbridge connections add")
	if document := command(t, none.url, "", "connections", "list", "--json").wantJSON(t); len(document["connections"].([]any)) != 0 {
		t.Errorf("%v", document)
	}
}

func TestConnectionsAreNamedByEmployer(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{
		"GET /v1/connections": {page("connections", synced(t))}, "GET " + acme: {{200, synced(t)}},
	})
	command(t, api.url, "", "connections", "show", "acme-42").want(t, exitDone, "640 public", "Jobs, read", "granted", "candidates")
	command(t, api.url, "", "connections", "show", "nobody").want(t, exitNotFound, "nobody", "connections list")
	if id := command(t, api.url, "", "connections", "show", acmeID, "--json").wantJSON(t)["id"]; id != acmeID {
		t.Errorf("%v", id)
	}
}

func TestConnectionsAreChanged(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("  "+testKey+" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	patched := map[string][]reply{
		"PATCH " + acme: {{200, synced(t)}}, "GET " + acme: {{200, synced(t)}},
		"POST " + acme + "/sync": {{202, `{"connection":"` + acmeID + `","requested_at":"2026-11-23T10:00:00Z"}`}},
		"DELETE " + acme:         {{200, `{"connection":"` + acmeID + `","status":"removed","jobs":"keep"}`}},
	}
	for _, c := range []struct {
		args []string
		in   string
		ask  string
		says string
	}{
		{[]string{"pause", acmeID}, "", "PATCH " + acme + ` {"paused":true}`, "stay as they are"},
		{[]string{"resume", acmeID}, "", "PATCH " + acme + ` {"paused":false}`, "compared with Ashby now"},
		{[]string{"sync", acmeID}, "", "POST " + acme + "/sync", "compared with Ashby now"},
		{[]string{"rotate-key", acmeID}, testKey + "\n", "PATCH " + acme + ` {"api_key":"` + testKey + `"}`, "has a new key"},
		{[]string{"rotate-key", acmeID, "--api-key-file", key}, "", "PATCH " + acme + ` {"api_key":"` + testKey + `"}`, "…9d1c"},
		{[]string{"remove", acmeID, "--jobs", "keep", "--yes"}, "", "DELETE " + acme + "?jobs=keep", "640 public jobs stay"},
	} {
		api := newFakeAPI(t, patched)
		got := command(t, api.url, c.in, append([]string{"connections"}, c.args...)...)
		got.want(t, exitDone, c.says)
		if asked := api.requests(); !slices.Contains(asked, c.ask) {
			t.Errorf("%v asked %q", c.args, asked)
		}
		if strings.Contains(got.out+got.errOut, testKey) {
			t.Errorf("%v shows the key", c.args)
		}
		command(t, api.url, c.in, append([]string{"connections", "--json"}, c.args...)...).want(t, exitUsage) // not before the verb
		command(t, api.url, c.in, append(append([]string{"connections"}, c.args...), "--json")...).wantJSON(t)
	}
}

// TestNothingIsRemovedUnasked, where nobody is at a terminal.
func TestNothingIsRemovedUnasked(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{"GET " + acme: {{200, synced(t)}}})
	for _, args := range [][]string{{}, {"--jobs", "keep"}, {"--yes"}, {"--jobs", "sell", "--yes"}} {
		command(t, api.url, "y\ny\n", append([]string{"connections", "remove", acmeID}, args...)...).want(t, exitUsage, "--jobs")
	}
	if asked := api.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestAKeyIsNoFlag(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, nil)
	add := []string{"connections", "add", "--employer-ref", "acme-42", "--employer-name", "Acme"}
	command(t, api.url, "", append(add, "--api-key", testKey)...).want(t, exitUsage, "unknown flag: --api-key")
	command(t, api.url, "", append(add, testKey)...).want(t, exitUsage)
	command(t, api.url, "\n", add...).want(t, exitUsage, "there is no API key")
	command(t, api.url, "", append(add, "--api-key-file", "/absent")...).want(t, exitUsage, "--api-key-file")
	if asked := api.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestConnectionsAddWatchesTheFirstSync(t *testing.T) {
	t.Parallel()
	const secret = "whsec_canary"
	types := []any{map[string]any{"event_type": "jobPostingUpdate", "url": "https://b.example/hooks/ashby/t/jobPostingUpdate", "state": "never_seen"}}
	created := example(t, "Connection", map[string]any{
		"modules": []string{"jobs", "candidates"}, "module_states": []any{},
		"webhook_setup": map[string]any{"secret": secret, "types": types, "steps": []string{}},
	})
	running := example(t, "Connection", map[string]any{
		"sync.poll_started_at": "2026-11-23T10:00:00Z", "sync.poll_finished_at": nil, "sync.first_synced_at": nil,
		"sync.done": 300, "sync.total": 900,
	})
	answers := func() map[string][]reply {
		return map[string][]reply{"POST /v1/connections": {{201, created}}, "GET " + acme: {{200, running}, {200, synced(t)}}}
	}
	add := []string{"connections", "add", "--employer-ref", "acme-42", "--employer-name", "Acme GmbH", "--modules", "candidates", "--poll-interval", "30m"}
	api := newFakeAPI(t, answers())
	got := command(t, api.url, testKey, add...)
	got.want(t, exitDone, "Acme GmbH (acme-42) is connected", "Jobs, read", secret, "https://b.example/hooks/ashby/t/jobPostingUpdate")
	want := "reading postings: 300 of 900 (33%)\nThe first sync is done after 1s: 900 postings at Ashby, 640 public jobs.\n" +
		"candidates is paused: The API key may not read candidates.\nStill being read, a slice at a time: candidates.\n"
	if diff := cmp.Diff(want, strings.Replace(got.errOut, "after 0s", "after 1s", 1)); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	body := `{"api_key":"` + testKey + `","employer_name":"Acme GmbH","employer_ref":"acme-42","modules":["candidates"],"poll_interval":"30m"}`
	if asked := api.requests(); asked[0] != "POST /v1/connections "+body {
		t.Errorf("asked %q", asked)
	}
	if strings.Contains(got.out+got.errOut, testKey) {
		t.Error("the key is shown")
	}

	api = newFakeAPI(t, answers())
	document := command(t, api.url, testKey, append(add, "--json", "--no-wait")...).wantJSON(t)
	if document["webhook_setup"].(map[string]any)["secret"] != secret || len(api.requests()) != 1 {
		t.Errorf("%v asked %q", document, api.requests())
	}
}

func TestAKeyThatDoesNotSufficeIsToldWhatItLacks(t *testing.T) {
	t.Parallel()
	refused := strings.Replace(problemJSON("missing-permission", "The key lacks a permission", 422), "{", `{"report":{"ok":false,"permissions":[`+
		`{"module":"Jobs","access":"read","state":"missing","required":true,"fix":"Tick read on Jobs."}]},`, 1)
	api := newFakeAPI(t, map[string][]reply{"POST /v1/connections": {{422, refused}}})
	command(t, api.url, testKey, "connections", "add", "--employer-ref", "a", "--employer-name", "A").
		want(t, exitNotNow, "The key lacks a permission (422)", "Jobs, read: missing. Tick read on Jobs.")
}

func TestSyncWaitsForAPassThatBeganAfterIt(t *testing.T) {
	t.Parallel()
	at := func(started, finished, verified any) reply {
		return reply{200, example(t, "Connection", map[string]any{
			"sync.poll_started_at": started, "sync.poll_finished_at": finished, "sync.last_verified_at": verified,
			"sync.first_synced_at": "2026-11-23T08:00:00Z",
		})}
	}
	const before, older, later, end = "2026-11-23T10:00:00Z", "2026-11-23T09:00:00Z", "2026-11-23T10:05:00Z", "2026-11-23T10:06:00Z"
	answers := func() map[string][]reply {
		return map[string][]reply{
			"POST " + acme + "/sync": {{202, `{}`}},
			"GET " + acme: {
				at(before, older, older), // under way when it is asked
				at(before, later, before), at(later, later[:11]+"10:04:00Z", before), at(later, end, later),
			},
		}
	}
	api := newFakeAPI(t, answers())
	command(t, api.url, "", "connections", "sync", acmeID, "--wait").want(t, exitDone, "The sync is done")
	if n := len(api.requests()); n != 5 {
		t.Errorf("%d requests: %q", n, api.requests())
	}
	// With --json, the one document is the connection as it is then.
	again := newFakeAPI(t, answers())
	document := command(t, again.url, "", "connections", "sync", acmeID, "--wait", "--json").wantJSON(t)
	if sync, _ := document["sync"].(map[string]any); sync["last_verified_at"] != later {
		t.Errorf("%v", document)
	}
}

func TestTheFirstSyncOfWhatCannotSyncEnds(t *testing.T) {
	t.Parallel()
	for status, says := range map[string]string{"unauthorized": "Ashby refuses the key", "paused": "is paused", "removed": "is removed"} {
		api := newFakeAPI(t, map[string][]reply{
			"POST /v1/connections": {{201, example(t, "Connection", nil)}},
			"GET " + acme:          {{503, problemJSON("unavailable", "Unavailable", 503)}, {200, example(t, "Connection", map[string]any{"status": status})}},
		})
		command(t, api.url, testKey, "connections", "add", "--employer-ref", "a", "--employer-name", "A").
			want(t, exitFailed, says, "the gateway does not answer; waiting for it")
	}
}
