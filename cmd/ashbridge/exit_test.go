package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

func TestExitStatuses(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) string {
		return newFakeAPI(t, map[string][]reply{"GET /v1/holds": {{status, body}}}).url
	}
	problem := func(status int, name string) string { return answer(status, problemJSON(name, "A title", status)) }
	for _, c := range []struct {
		name, url string
		args      []string
		code      int
		says      string
	}{
		{"done", answer(200, `{"holds":[],"next_cursor":null}`), nil, exitDone, "nothing to decide"},
		{"no token", "", []string{"--token-file="}, exitUsage, "ASHBRIDGE_TOKEN"},
		{"unknown flag", "", []string{"--colour"}, exitUsage, "See ashbridge holds list --help"},
		{"argument", "", []string{"more"}, exitUsage, "unknown command"},
		{"wrong value", problem(400, "invalid-request"), nil, exitUsage, "Do something."},
		{"wrong token", problem(401, "unauthorized"), nil, exitRefused, "request r-1\nThe token is that of ASHBRIDGE_TOKEN"},
		{"role", problem(403, "forbidden"), nil, exitRefused, "request r-1"},
		{"not found", problem(404, "not-found"), nil, exitNotFound, "404"},
		{"gone", problem(410, "removed"), nil, exitNotFound, "410"},
		{"conflict", problem(409, "paused"), nil, exitNotNow, "409"},
		{"refused key", problem(422, "wrong-key"), nil, exitNotNow, "422"},
		{"too many", problem(429, "too-many-failures"), nil, exitUnreached, "429"},
		{"broken", problem(500, "internal"), nil, exitFailed, "500"},
		{"Ashby away", problem(502, "ashby-unavailable"), nil, exitUnreached, "502"},
		{"store away", problem(503, "unavailable"), nil, exitUnreached, "503"},
		{"another program", answer(404, "<html>"), nil, exitUnreached, "is it Ashbridge's gateway?"},
		{"another program that answers", answer(200, "<html>"), nil, exitUnreached, "is it Ashbridge's gateway?"},
		{"nobody", "http://127.0.0.1:1", nil, exitUnreached, "--api-url says where it is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, c.url, "", append([]string{"holds", "list"}, c.args...)...)
			got.want(t, c.code, c.says)
			if (c.code != exitDone) == (got.errOut == "") {
				t.Errorf("error output %q", got.errOut)
			}
			if strings.Contains(got.out+got.errOut, testToken) {
				t.Error("the token is shown")
			}
		})
	}
}

func TestInterruptedCommandsSaySo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := newRoot(io.Discard, io.Discard)
	root.SetArgs([]string{"holds", "list", "--api", "http://127.0.0.1:1", "--token-file", tokenFile(t)})
	if code := execute(ctx, root); code != exitInterrupted {
		t.Errorf("status %d", code)
	}
	if code := exitCode(t.Context(), begunError{context.Canceled}); code != exitFailed {
		t.Errorf("status %d of what nobody interrupted", code)
	}
}

func TestGroupsKnowTheirCommands(t *testing.T) {
	t.Parallel()
	command(t, "", "", "connections", "lsit").want(t, exitUsage, `unknown command "lsit"`, "did you mean list?")
	command(t, "", "", "connections").want(t, exitDone, "Connect an employer, and watch the first sync")
	command(t, "", "", "conections").want(t, exitUsage, "connections")
}

func TestEveryStatusIsExplained(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	root := newRoot(&out, io.Discard)
	root.SetArgs([]string{"--help"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	explained := map[int]bool{}
	for _, e := range exitCodes {
		explained[e.code] = true
		if !strings.Contains(out.String(), e.means) {
			t.Errorf("--help does not say %q", e.means)
		}
	}
	codes := []int{
		exitCode(t.Context(), nil), exitCode(t.Context(), errors.New("usage")),
		exitCode(t.Context(), begunError{errors.New("failed")}), exitCode(t.Context(), begunError{errInterrupted}),
		exitCode(t.Context(), begunError{apiclient.ErrUnreachable}),
	}
	for status := 400; status < 600; status++ {
		codes = append(codes, exitOf(&apiclient.Problem{Type: "urn:ashbridge:problem:x", Status: status}))
	}
	for _, code := range codes {
		if !explained[code] {
			t.Errorf("status %d is not explained", code)
		}
	}
}

func TestErrorsOfAllCommandsTellThatTheyBegan(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}
	below := &cobra.Command{Use: "below", RunE: func(*cobra.Command, []string) error { return errors.New("no") }}
	root.AddCommand(group("group", "", below))
	markBegun(root)
	root.SetArgs([]string{"group", "below"})
	if code := exitCode(t.Context(), root.ExecuteContext(t.Context())); code != exitFailed {
		t.Errorf("status %d", code)
	}
}
