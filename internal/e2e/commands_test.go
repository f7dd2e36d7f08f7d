package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

// TestCommands runs the program as an operator and a script run it, against a whole system: an employer is connected and
// disconnected, and the status tells what went wrong.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := start(t)
	org := s.sim.AddOrganization("acme", "Acme GmbH")
	org.Generate(30)
	key := org.AddKey(ashbytest.KeyOptions{Title: "Ashbridge", Scopes: ashbytest.AllScopes()})
	binary := buildBinary(t, t.TempDir())
	run := func(status int, in string, args ...string) (out, errOut string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "ASHBRIDGE_API_URL=" + s.base, "ASHBRIDGE_TOKEN=" + adminToken}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &stdout, &stderr
		err := cmd.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			t.Fatal(err)
		} else if got := 0; ok && exit.ExitCode() != status || !ok && got != status {
			t.Errorf("%v ended with %v, want %d\n%s\n%s", args, err, status, &stdout, &stderr)
		}
		if shown := stdout.String() + stderr.String(); strings.Contains(shown, key) || strings.Contains(shown, adminToken) {
			t.Errorf("%v shows a secret", args)
		}
		return stdout.String(), stderr.String()
	}
	says := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("nothing says %q in\n%s", part, text)
			}
		}
	}
	add := []string{"connections", "add", "--employer-ref", "acme", "--employer-name", "Acme GmbH"}

	out, errOut := run(0, key+"\n", append(add, "--json")...)
	var made struct {
		ID    string
		Setup struct{ Secret string } `json:"webhook_setup"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.ID == "" || made.Setup.Secret == "" {
		t.Fatalf("%v in %s", err, out)
	}
	says(errOut, "The first sync is done after", "30 postings at Ashby")
	out, errOut = run(5, key, add...)
	says(out+errOut, "Key already connected (409)", made.ID)
	_, errOut = run(5, "wrong-key-0123456789", append(add, "--no-wait")...)
	says(errOut, "Ashby refuses the key (422)")

	out, _ = run(0, "", "connections", "list")
	says(out, made.ID, "acme", "active", "0 of ")
	out, _ = run(0, "", "webhooks", "setup", "acme")
	says(out, "jobPostingUpdate", "created")
	s.eventually("the pings have come", func() error {
		if out, _ := run(0, "", "webhooks", "list", "acme"); !strings.Contains(out, "7 of 7 work") {
			return errors.New(out)
		}
		return nil
	})
	run(0, "", "connections", "sync", "acme", "--wait")
	run(0, "", "connections", "pause", "acme")
	_, errOut = run(5, "", "connections", "sync", "acme")
	says(errOut, "Connection paused (409)")
	out, _ = run(0, "", "connections", "resume", "acme")
	says(out, "is active")
	out, _ = run(0, "", "connections", "show", made.ID)
	says(out, "30 postings in Ashby's last listing", "Jobs, read", "granted")
	run(0, "", "holds", "list")
	out, _ = run(0, "", "__complete", "connections", "show", "ac")
	says(out, "acme\tAcme GmbH, active")
	token, errOut := run(0, "", "tokens", "create", "looker", "--role", "read-only", "--expires", "10d")
	says(errOut, "looker, read-only", "ends: in ")
	reader := s.file(token)
	out, _ = run(0, "", "tokens", "whoami", "--token-file", reader)
	says(out, "looker", "read-only")
	_, errOut = run(3, "", "connections", "pause", "acme", "--token-file", reader)
	says(errOut, "(403)", "operator")
	out, _ = run(0, "", "tokens", "list")
	says(out, "looker", "by environment")
	run(0, "", "tokens", "revoke", strings.Fields(strings.Split(out, "\n")[1])[0])
	run(3, "", "connections", "list", "--token-file", reader)
	out, _ = run(0, "", "audit", "list", "--actor", "looker")
	says(out, "looker (token)", "connection.pause", "refused (403)")
	rotate := []string{"keys", "rotate", "--database-url-file", s.file(s.dbURL), "--keyset-file", s.parts.Keys.Path()}
	out, _ = run(0, "", rotate...)
	says(out, "are sealed with it")
	run(0, "", "connections", "sync", "acme", "--wait") // with the old key in memory until now
	out, _ = run(0, "", "audit", "list", "--action", "keyset")
	says(out, "keyset.rotate", "(command)", "done")
	run(0, "", "connections", "remove", "acme", "--jobs", "close", "--yes")
	run(4, "", "connections", "show", "acme")
	out, _ = run(0, "", "connections", "show", made.ID, "--json")
	says(out, `"status": "removed"`)
	run(3, "", "connections", "list", "--token-file", s.file("a-token-that-is-wrong"))
	run(6, "", "connections", "list", "--api", "http://127.0.0.1:1")
	run(2, "", "connections", "list", "--status")
}

// file writes text to a file.
func (s *system) file(text string) string {
	s.t.Helper()
	f, err := os.CreateTemp(s.t.TempDir(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
	return f.Name()
}
