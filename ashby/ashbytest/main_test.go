package ashbytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a simulator behind a real HTTP server, with one organisation and its ordinary key.
type bench struct {
	t    *testing.T
	sim  *Simulator
	org  *Organization
	key  string
	url  string
	http *http.Client
}

func setup(t *testing.T, postings int, opts Options) *bench {
	t.Helper()
	if opts.RetryScale == 0 {
		opts.RetryScale = 0.0001
	}
	sim := New(opts)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	org := sim.AddOrganization("acme", "Acme & Sons")
	org.Generate(postings)
	return &bench{t: t, sim: sim, org: org, key: org.AddKey(KeyOptions{}), url: server.URL, http: server.Client()}
}

// reply is an answer, decoded where it was JSON.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   struct {
		Success   bool             `json:"success"`
		Results   json.RawMessage  `json:"results"`
		More      bool             `json:"moreDataAvailable"`
		Next      string           `json:"nextCursor"`
		Token     *string          `json:"syncToken"`
		Errors    []any            `json:"errors"`
		ErrorInfo *json.RawMessage `json:"errorInfo"`
	}
}

// code is the error's code in form A.
func (r reply) code(t *testing.T) string {
	t.Helper()
	var info struct{ Code, Message, RequestID string }
	if r.body.ErrorInfo == nil {
		t.Fatalf("no errorInfo in %s", r.raw)
	}
	if err := json.Unmarshal(*r.body.ErrorInfo, &info); err != nil {
		t.Fatalf("errorInfo: %v", err)
	}
	return info.Code
}

// rows are the results of a list.
func (r reply) rows(t *testing.T) []map[string]any {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal(r.body.Results, &rows); err != nil {
		t.Fatalf("results of %s: %v", r.raw, err)
	}
	return rows
}

// one is the single result.
func (r reply) one(t *testing.T) map[string]any {
	t.Helper()
	var row map[string]any
	if err := json.Unmarshal(r.body.Results, &row); err != nil {
		t.Fatalf("results of %s: %v", r.raw, err)
	}
	return row
}

func (b *bench) request(method, body string) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/"+method, bytes.NewBufferString(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.SetBasicAuth(b.key, "")
	req.Header.Set("Content-Type", "application/json")
	return req
}

func (b *bench) do(req *http.Request) (reply, error) {
	resp, err := b.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }() // what was read is what is judged
	raw, err := io.ReadAll(resp.Body)
	out := reply{status: resp.StatusCode, header: resp.Header, raw: raw}
	if len(raw) < 1<<20 { // the race detector takes seconds for more
		_ = json.Unmarshal(raw, &out.body) // plain text is looked at through raw
	}
	return out, err
}

// ask posts a body with the bench's key and returns the answer whatever it is.
func (b *bench) ask(method, body string) reply {
	b.t.Helper()
	out, err := b.do(b.request(method, body))
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	return out
}

// good asks and demands success.
func (b *bench) good(method, body string) reply {
	b.t.Helper()
	out := b.ask(method, body)
	if out.status != http.StatusOK || !out.body.Success {
		b.t.Fatalf("%s %s: status %d: %s", method, body, out.status, out.raw)
	}
	return out
}

func ids(rows []map[string]any) []string {
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		out = append(out, row["id"].(string))
	}
	return out
}

// eventually polls a condition until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
