package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenIntoAFile that nobody else may read, whatever the umask, and that replaces none.
func TestTokenIntoAFile(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{"POST /v1/tokens": {{403, problemJSON("forbidden", "Forbidden", 403)}, {201, tokenMade}, {201, tokenMade}}})
	file := filepath.Join(t.TempDir(), "token")
	create := []string{"tokens", "create", "grafana", "--role", "read-only", "--out"}
	command(t, api.url, "", append(create, file)...).want(t, exitRefused)
	if _, err := os.Stat(file); err == nil {
		t.Error("a file is left where there is no token")
	}
	got := command(t, api.url, "", append(create, file)...)
	got.want(t, exitDone, "tok_1", file)
	raw, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	if err != nil || statErr != nil || string(raw) != "ash_canary\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", raw, info.Mode(), err)
	}
	asJSON := command(t, api.url, "", append(create, file+"2", "--json")...)
	if document := asJSON.wantJSON(t); document["id"] != "tok_1" || document["token"] != nil {
		t.Errorf("%v", document)
	}
	again := command(t, api.url, "", append(create, file)...)
	again.want(t, exitUsage, "--out", "exists")
	if all := got.out + got.errOut + asJSON.out + again.errOut; strings.Contains(all, "ash_canary") {
		t.Errorf("the token is shown: %s", all)
	}
	if asked := api.requests(); len(asked) != 3 {
		t.Errorf("asked %q", asked)
	}
}

func TestOpenTokenFileIsTold(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, map[string][]reply{"GET /v1/holds": {page("holds")}})
	file := tokenFile(t)
	list := []string{"holds", "list", "--api", api.url, "--token-file", file}
	if got := command(t, "", "", list...); strings.Contains(got.errOut, "warning") {
		t.Errorf("of a private file: %s", got.errOut)
	}
	if err := os.Chmod(file, 0o666); err != nil { //nolint:gosec // it is what must be noticed
		t.Fatal(err)
	}
	command(t, "", "", list...).want(t, exitDone, "warning: --token-file: other users of this machine may read "+file, "chmod 600")
}
