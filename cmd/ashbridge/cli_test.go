package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/bebitcoiner/ashbridge/schema"
)

const (
	testToken = "canary-token-of-the-api-7c1d"
	testKey   = "canary-ashby-key-0123456789abcdef"
)

// reply is an answer of a fake gateway.
type reply struct {
	status int
	body   string
}

// fakeAPI answers by method and path, and notes what it was asked. Several answers to the same are given one after the
// other, the last for ever.
type fakeAPI struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	answers map[string][]reply
	asked   []string
}

func newFakeAPI(t *testing.T, answers map[string][]reply) *fakeAPI {
	t.Helper()
	f := &fakeAPI{t: t, answers: answers}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.Method + " " + r.URL.Path
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	query := r.URL.Query()
	query.Del("limit")
	asked := what
	if len(query) > 0 {
		asked += "?" + query.Encode()
	}
	if len(body) > 0 {
		asked += " " + string(body)
	}
	f.asked = append(f.asked, asked)
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		f.t.Errorf("%s with %q", what, r.Header.Get("Authorization"))
	}
	all := f.answers[what]
	if len(all) == 0 {
		all = []reply{{404, problemJSON("not-found", "Not found", 404)}}
	}
	if len(all) > 1 {
		f.answers[what] = all[1:]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(all[0].status)
	_, _ = io.WriteString(w, all[0].body)
}

func (f *fakeAPI) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func problemJSON(name, title string, status int) string {
	return fmt.Sprintf(`{"type":"urn:ashbridge:problem:%s","title":"%s","status":%d,"detail":"Do something.","request_id":"r-1"}`, name, title, status)
}

// tokenFile is a file with the token of the fake gateway.
func tokenFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(testToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// outcome is what a command left behind.
type outcome struct {
	out, errOut string
	code        int
}

// command runs a command line against the gateway at url, with in as its input.
func command(t *testing.T, url, in string, args ...string) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	root := newRoot(&out, &errOut)
	root.SetIn(strings.NewReader(in))
	if url != "" {
		args = append(args, "--api", url, "--token-file", tokenFile(t))
	}
	root.SetArgs(args)
	code := execute(t.Context(), root)
	return outcome{out.String(), errOut.String(), code}
}

// want fails where a command ended otherwise, or said less than it ought to.
func (o outcome) want(t *testing.T, code int, says ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("status %d, want %d", o.code, code)
	}
	for _, s := range says {
		if !strings.Contains(o.out+o.errOut, s) {
			t.Errorf("nothing says %q", s)
		}
	}
	if t.Failed() {
		t.Logf("output %s\nerror output %s", o.out, o.errOut)
	}
}

// wantJSON fails where the output is no single JSON document, and returns it.
func (o outcome) wantJSON(t *testing.T) map[string]any {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal([]byte(o.out), &document); err != nil {
		t.Fatalf("the output is not one JSON document: %v\n%s\n%s", err, o.out, o.errOut)
	}
	return document
}

// examples are the documents that schema/openapi.yaml shows, as JSON.
var examples = sync.OnceValues(func() (map[string][]byte, error) {
	var contract struct {
		Components struct {
			Examples map[string]struct {
				Value map[string]any `yaml:"value"`
			} `yaml:"examples"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(schema.OpenAPI(), &contract); err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for name, e := range contract.Components.Examples {
		raw, err := json.Marshal(e.Value)
		if err != nil {
			return nil, err
		}
		all[name] = raw
	}
	return all, nil
})

// example is a document as the contract shows it, with some fields changed.
func example(t *testing.T, name string, change map[string]any) string {
	t.Helper()
	all, err := examples()
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(all[name], &value); err != nil {
		t.Fatalf("the contract's example %s: %v", name, err)
	}
	for path, v := range change {
		at, parts := value, strings.Split(path, ".")
		for _, p := range parts[:len(parts)-1] {
			at = at[p].(map[string]any)
		}
		at[parts[len(parts)-1]] = v
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// page is a page of a list.
func page(name string, entries ...string) reply {
	return reply{200, fmt.Sprintf(`{"%s":[%s],"next_cursor":null}`, name, strings.Join(entries, ","))}
}
