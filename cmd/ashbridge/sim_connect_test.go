package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheKeyIsThatOfTheSimulator(t *testing.T) {
	t.Parallel()
	sim, _, key, err := newSimulation(simOptions{organization: "acme", postings: 2, seed: 7}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	if got := simulatedKey(simConnectOptions{organization: "acme", seed: 7}); got.Reveal() != key {
		t.Errorf("the key is %q, the simulator's %q", got.Reveal(), key)
	}
}

func TestSimConnect(t *testing.T) {
	t.Parallel()
	key := simulatedKey(simConnectOptions{organization: "northwind", seed: 1}).Reveal()
	const subscriber = `{"id":"sub_1","name":"the demo's job board","url":"nats://n:1","user":"sub_1-1","password":"secret"}`
	const connection = `{"id":"c1","employer_ref":"northwind","webhook_setup":{"urls":{"ping":"http://g/hooks"}}}`
	for name, c := range map[string]struct {
		connections, subscribers string
		asked                    []string
	}{
		"for the first time": {
			"", "",
			[]string{
				"GET /v1/connections",
				"POST /v1/connections " + fmt.Sprintf(`{"api_key":%q,"employer_name":"northwind","employer_ref":"northwind"}`, key),
				"POST /v1/connections/c1/webhooks {}",
				"GET /v1/subscribers", `POST /v1/subscribers {"name":"the demo's job board"}`,
			},
		},
		"again": {
			connection, subscriber,
			[]string{
				"GET /v1/connections", "POST /v1/connections/c1/webhooks {}", "POST /v1/connections/c1/sync",
				"GET /v1/subscribers", "POST /v1/subscribers/sub_1/rotate", `POST /v1/subscribers/sub_1/replay {"snapshot":true}`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				what := r.Method + " " + r.URL.Path
				answer := map[string]string{
					"GET /v1/connections": `{"connections":[` + c.connections + `]}`, "POST /v1/connections": connection,
					"GET /v1/subscribers": `{"subscribers":[` + c.subscribers + `]}`, "POST /v1/subscribers": subscriber,
					"POST /v1/subscribers/sub_1/rotate": subscriber,
				}[what]
				if body, _ := io.ReadAll(r.Body); len(body) > 0 {
					what += " " + string(body)
				}
				asked = append(asked, what)
				if r.Header.Get("Authorization") != "Bearer token-of-16-characters" {
					t.Error("without the token")
				}
				_, _ = io.WriteString(w, cmp.Or(answer, "{}"))
			}))
			defer server.Close()
			simulator := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			defer simulator.Close()
			dir := t.TempDir()
			token, board := filepath.Join(dir, "token"), filepath.Join(dir, "board.json")
			if err := os.WriteFile(token, []byte("token-of-16-characters\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			root := newRoot(&out, &out)
			root.SetArgs([]string{
				"sim", "connect", "--api", server.URL, "--admin-token-file", token, "--board", board,
				"--ashby-url", simulator.URL, "--allow-private-ashby", "--json",
			})
			if err := root.ExecuteContext(t.Context()); err != nil {
				t.Fatalf("%v\n%s\n%q", err, out.String(), asked)
			}
			var document map[string]any
			if err := json.Unmarshal([]byte(out.String()), &document); err != nil || document["connection"] != "c1" || document["board"] == nil {
				t.Errorf("%v: %s", err, out.String())
			}
			if !slices.Equal(asked, c.asked) {
				t.Errorf("asked were %q", asked)
			}
			raw, err := os.ReadFile(board)
			if err != nil || !strings.Contains(string(raw), `"password": "secret"`) {
				t.Errorf("the board's file: %s %v", raw, err)
			}
			if info, err := os.Stat(board); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the board's file: %v %v", info.Mode(), err)
			}
			if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), key) {
				t.Errorf("it printed a secret: %s", out.String())
			}
		})
	}
}

// TestSimConnectRegistersNothingWhereNoSimulatorIs has a gateway that must not be asked.
func TestSimConnectRegistersNothingWhereNoSimulatorIs(t *testing.T) {
	t.Parallel()
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) }))
	t.Cleanup(gateway.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("token-of-16-characters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"Ashby itself":   {nil, "asks https://api.ashbyhq.com, as far as is known here"},
		"something else": {[]string{"--ashby-url", other.URL, "--allow-private-ashby"}, "answers /_sim/state with status 404"},
		"nobody":         {[]string{"--ashby-url", gone.URL, "--allow-private-ashby"}, "looking for the simulator"},
	} {
		var out strings.Builder
		root := newRoot(&out, &out)
		root.SetArgs(append([]string{"sim", "connect", "--api", gateway.URL, "--admin-token-file", token}, c.args...))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}
