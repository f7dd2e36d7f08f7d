package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// api is the gateway's HTTP interface as an employer's form or an operator uses it.
type api struct {
	t     testing.TB
	base  string
	token string
	http  *http.Client
}

// reply is an answer of the gateway, its body read.
type reply struct {
	Status int
	Header http.Header
	Body   []byte
}

func (r reply) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		t.Fatalf("decoding %s: %v", r.Body, err)
	}
}

// call sends a request with the admin token; an error means that nothing answered.
func (a *api) call(method, path string, body any) (reply, error) {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, content)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{Status: resp.StatusCode, Header: resp.Header, Body: raw}, nil
}

// must sends a request and requires a status.
func (a *api) must(status int, method, path string, body any) reply {
	a.t.Helper()
	r, err := a.call(method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	if r.Status != status {
		a.t.Fatalf("%s %s: %d instead of %d: %s", method, path, r.Status, status, r.Body)
	}
	return r
}

// connectionDoc is what the tests look at of a connection's document.
type connectionDoc struct {
	ID           string      `json:"id"`
	EmployerRef  string      `json:"employer_ref"`
	EmployerName string      `json:"employer_name"`
	Status       string      `json:"status"`
	StatusReason string      `json:"status_reason"`
	Modules      []string    `json:"modules"`
	ModuleStates []moduleDoc `json:"module_states"`
	Quarantined  int         `json:"quarantined"`
	Counts       struct {
		AtAshby  int `json:"at_ashby"`
		Mirrored int `json:"mirrored"`
		Public   int `json:"public"`
		Held     int `json:"held"`
	} `json:"counts"`
	Sync struct {
		FirstSyncedAt  *time.Time `json:"first_synced_at"`
		LastVerifiedAt *time.Time `json:"last_verified_at"`
		PollStartedAt  *time.Time `json:"poll_started_at"`
		PollFinishedAt *time.Time `json:"poll_finished_at"`
		LastError      string     `json:"last_error"`
	} `json:"sync"`
	WebhookSetup struct {
		Secret     string            `json:"secret"`
		URLs       map[string]string `json:"urls"`
		EventTypes []string          `json:"event_types"`
		Types      []hookTypeDoc     `json:"types"`
		Steps      []string          `json:"steps"`
	} `json:"webhook_setup"`
}

func (a *api) connection(id string) connectionDoc {
	a.t.Helper()
	var doc connectionDoc
	a.must(http.StatusOK, http.MethodGet, "/v1/connections/"+id, nil).decode(a.t, &doc)
	return doc
}

// jobDoc is an item of GET /v1/jobs.
type jobDoc struct {
	Job struct {
		ID         string `json:"id"`
		Connection string `json:"connection"`
		Title      string `json:"title"`
	} `json:"job"`
	State   string `json:"state"`
	Version int64  `json:"version"`
	Reason  string `json:"reason"`
}

// jobs pages through all jobs of a connection.
func (a *api) jobs(connection string) map[string]jobDoc {
	a.t.Helper()
	out := map[string]jobDoc{}
	cursor := ""
	for {
		path := fmt.Sprintf("/v1/jobs?limit=200&connection=%s&cursor=%s", url.QueryEscape(connection), url.QueryEscape(cursor))
		if cursor == "" {
			path = "/v1/jobs?limit=200&connection=" + url.QueryEscape(connection)
		}
		var page struct {
			Items []jobDoc `json:"jobs"`
			Next  *string  `json:"next_cursor"`
		}
		a.must(http.StatusOK, http.MethodGet, path, nil).decode(a.t, &page)
		for _, j := range page.Items {
			out[j.Job.ID] = j
		}
		if page.Next == nil {
			return out
		}
		cursor = *page.Next
	}
}
