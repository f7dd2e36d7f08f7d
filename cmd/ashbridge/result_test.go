package main

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorsAreDocumentsWithJSON, in one line of the error output.
func TestErrorsAreDocumentsWithJSON(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{"GET /v1/holds": {{409, problemJSON("paused", "Paused", 409)}, {404, "<html>"}}})
	for name, c := range map[string]struct {
		url   string
		args  []string
		code  int
		field string
		want  any
	}{
		"the gateway's own": {api.url, nil, exitNotNow, "type", "urn:ashbridge:problem:paused"},
		"nobody there":      {"http://127.0.0.1:1", nil, exitUnreached, "type", "about:blank"},
		"usage":             {"", []string{"--api", "x y", "--token-file", "/absent"}, exitUsage, "exit_status", float64(exitUsage)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := command(t, c.url, "", append([]string{"holds", "list", "--json"}, c.args...)...)
			var document map[string]any
			if err := json.Unmarshal([]byte(got.errOut), &document); err != nil || strings.Count(got.errOut, "\n") != 1 {
				t.Fatalf("%v: %q", err, got.errOut)
			}
			if got.code != c.code || document[c.field] != c.want || document["detail"] == "" || document["exit_status"] != float64(c.code) {
				t.Errorf("status %d: %v", got.code, document)
			}
		})
	}
	for _, answer := range []string{"<html>", ""} { // of another program
		other := newFakeAPI(t, map[string][]reply{"GET /v1/holds": {{404, answer}}})
		if got := command(t, other.url, "", "holds", "list", "--json"); !strings.Contains(got.errOut, `"about:blank"`) {
			t.Errorf("%q: %s", answer, got.errOut)
		}
	}
}

func TestResultsAreDocumentsWithJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		key  string
	}{
		{[]string{"version"}, "version"},
		{[]string{"keys", "create", filepath.Join(dir, "k")}, "file"},
		{[]string{"keys", "issuer", filepath.Join(dir, "i")}, "public_key"},
		{[]string{"health", "--admin-addr", admin(t, nil)}, "ready"},
	} {
		got := command(t, "", "", append(c.args, "--json")...)
		got.want(t, exitDone)
		if document := got.wantJSON(t); document[c.key] == nil {
			t.Errorf("%v: %v", c.args, document)
		}
	}
}

// TestWrongValuesAreWrongUsage, before anything is asked or made.
func TestWrongValuesAreWrongUsage(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, nil)
	command(t, api.url, "", "connections", "list", "--status", "bogus").want(t, exitUsage, "there are active, degraded")
	command(t, "", "", "keys", "init", t.TempDir(), "--postgres-host", "x y").want(t, exitUsage, "host:port")
	command(t, "", "", "keys", "init", t.TempDir(), "--mode", "0002").want(t, exitUsage, "nobody else to write it")
	if asked := api.requests(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestAnInterruptedRotationSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	keyset := filepath.Join(t.TempDir(), "k")
	command(t, "", "", "keys", "create", keyset).want(t, exitDone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errOut strings.Builder
	root := newRoot(io.Discard, &errOut)
	root.SetArgs([]string{"keys", "rotate", "--keyset-file", keyset, "--database-url", "postgres://u@127.0.0.1:1/a?sslmode=disable"})
	if code := execute(ctx, root); code != exitInterrupted || !strings.Contains(errOut.String(), "call it again") {
		t.Errorf("status %d: %s", code, errOut.String())
	}
}

// TestAPausedConnectionIsNotSynced: nothing would come of it.
func TestAPausedConnectionIsNotSynced(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{"GET " + acme: {{200, example(t, "Connection", map[string]any{"status": "paused"})}}})
	command(t, api.url, "", "connections", "sync", acmeID).want(t, exitNotNow, "connections resume "+acmeID)
}

func TestAReplaySaysWhatIsTold(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{"POST /v1/subscribers/sub_1/replay": {{200, `{"id":"sub_1","name":"Board","consumer":"sub_1-1","replay":4}`}}})
	for says, args := range map[string][]string{
		"all events since 2026-11-23T10:00:00Z once more": {"--since", "2026-11-23T10:00:00Z"},
		"the latest event of each job once more":          {"--snapshot"},
		"all events of c/p since version 3 once more":     {"--job", "c/p", "--version", "3"},
	} {
		command(t, api.url, "", append([]string{"events", "replay", "--subscriber", "sub_1"}, args...)...).want(t, exitDone, says)
	}
}
