package ashbytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// steer sends a request to the control path and gives the status and the answer.
func (b *bench) steer(method, path, body string) (int, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+controlPath+path, bytes.NewBufferString(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out) // without the control path it is plain text
	return resp.StatusCode, out
}

func TestControlIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	if status, _ := b.steer(http.MethodGet, "faults", ""); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

func TestControlOfFaults(t *testing.T) {
	t.Parallel()
	b := setup(t, 4, Options{Control: true})
	if _, got := b.steer(http.MethodGet, "faults", ""); len(got["faults"].([]any)) != len(Faults()) {
		t.Errorf("faults %v", got)
	}
	status, got := b.steer(http.MethodPost, "faults", `{"name":"soft-error","method":"job.list","org":"acme","count":1,"page":1}`)
	want := map[string]any{"name": "soft-error", "method": "job.list", "org": "acme", "count": 1.0, "page": 1.0}
	if status != http.StatusOK || fmt.Sprint(got["active"]) != fmt.Sprint([]any{want}) {
		t.Errorf("%d %v", status, got)
	}
	softly(200, "generic_internal_error")(t, b.ask("job.list", "{}"), nil)
	b.good("job.list", "{}")
	_, got = b.steer(http.MethodGet, "faults", "")
	for _, f := range got["faults"].([]any) {
		f := f.(map[string]any)
		if taken := f["taken"] == 1.0; taken != (f["name"] == "soft-error") {
			t.Errorf("%v", f)
		}
	}
	b.steer(http.MethodPost, "faults", `{"name":"html"}`)
	if _, got := b.steer(http.MethodDelete, "faults", ""); len(got["active"].([]any)) != 0 {
		t.Errorf("after clearing: %v", got["active"])
	}
	b.good("job.list", "{}")
	for _, wrong := range []string{`{"name":"nothing"}`, `{"name":"html","count":-1}`, `{"name":"html","method":"job.lists"}`, `{"kind":"html"}`, `{`} {
		if status, got := b.steer(http.MethodPost, "faults", wrong); status != http.StatusBadRequest || got["error"] == "" {
			t.Errorf("%s: %d %v", wrong, status, got)
		}
	}
}

func TestControlOfEdits(t *testing.T) {
	t.Parallel()
	b := people(t, 5, Options{Control: true})
	p := b.org.Postings()[0]
	application := b.org.RecordIDs("application")[0]
	for _, edit := range []string{
		`{"org":"acme","edit":"unpublish","id":"` + p.ID + `"}`,
		`{"edit":"publish","id":"` + p.ID + `"}`,
		`{"edit":"retitle","id":"` + p.ID + `","text":"By hand"}`,
		`{"edit":"close","id":"` + p.JobID + `"}`,
		`{"edit":"reopen","id":"` + p.JobID + `"}`,
		`{"edit":"note","id":"` + b.org.RecordIDs("candidate")[0] + `","text":"Hello"}`,
		`{"edit":"move","id":"` + application + `","to":"` + b.stageWhere(application, "Offer") + `"}`,
		`{"edit":"edit-record","kind":"user","id":"` + b.org.RecordIDs("user")[0] + `","fields":{"globalRole":"Limited Access"}}`,
		`{"edit":"create","text":"Made by hand"}`,
		`{"edit":"expire-tokens"}`,
	} {
		if status, got := b.steer(http.MethodPost, "edit", edit); status != http.StatusOK || got["done"] != true {
			t.Errorf("%s: %d %v", edit, status, got)
		}
	}
	if now, _ := b.org.Posting(p.ID); now.Title != "By hand" || now.JobStatus != JobOpen {
		t.Errorf("the posting is %+v", now)
	}
	if status, _ := b.steer(http.MethodPost, "edit", `{"edit":"publish","id":"nothing"}`); status != http.StatusConflict {
		t.Errorf("an edit of nothing: status %d", status)
	}
	for _, wrong := range []string{`{"edit":"explode"}`, `{"org":"nobody","edit":"publish"}`, `{"edits":"publish"}`} {
		if status, _ := b.steer(http.MethodPost, "edit", wrong); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", wrong, status)
		}
	}
}

func TestControlOfTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t, 3, Options{Control: true})
	if status, _ := b.steer(http.MethodPost, "webhooks", `{"muted":true,"shuffle_ms":20,"copies":2}`); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	b.steer(http.MethodPost, "webhooks", `{"org":"acme","muted":false}`)
	_, state := b.steer(http.MethodGet, "state", "")
	org := state["organizations"].([]any)[0].(map[string]any)
	if org["slug"] != "acme" || org["public_postings"] != 3.0 || org["muted"] != false || org["shuffle_ms"] != 20.0 || org["copies"] != 2.0 {
		t.Errorf("state %v", org)
	}
	if records := org["records"].(map[string]any); records["job"] != 3.0 || records["candidate"] != 0.0 {
		t.Errorf("records %v", records)
	}
	b.good("job.list", "{}")
	eventually(t, "the request is in the log", func() bool { return len(b.sim.Requests()) == 1 })
	if _, got := b.steer(http.MethodGet, "requests", ""); len(got["requests"].([]any)) != 1 {
		t.Errorf("requests %v", got)
	}
	since := strings.Replace(time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "+", "%2B", 1)
	if _, got := b.steer(http.MethodGet, "requests?since="+since, ""); len(got["requests"].([]any)) != 0 {
		t.Errorf("requests %v", got)
	}
	for method, path := range map[string]string{http.MethodGet: "nothing", http.MethodPut: "faults"} {
		if status, _ := b.steer(method, path, ""); status != http.StatusNotFound {
			t.Errorf("%s %s: status %d", method, path, status)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+controlPath+"webhooks", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	if got, err := b.do(req); err != nil || got.status != http.StatusBadRequest {
		t.Errorf("%v, status %d", err, got.status)
	}
}
