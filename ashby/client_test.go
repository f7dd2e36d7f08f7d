package ashby

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const testKey = Secret("canary-7f3a91c2d4e5b6a7f8091a2b3c4d5e6f")

// newTestClient returns a client of a server that answers with handler, sending each request once and without a limit
// unless change says otherwise.
func newTestClient(t *testing.T, handler http.HandlerFunc, change func(*Options)) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o := Options{
		BaseURL: server.URL, Key: testKey, HTTPClient: DefaultHTTPClient(true), MaxTries: 1,
		Pace: NewPace(1e6),
	}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says answers with a status and a JSON body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// saysAs answers with a status and a body of another content type.
func saysAs(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// encoded answers with JSON that claims to have a content encoding.
func encoded(status int, encoding, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", encoding)
		says(status, body)(w, r)
	}
}

func TestRequestForm(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, method, body string
		call               func(context.Context, *Client) error
	}{
		{"api key", "apiKey.info", `{}`, func(ctx context.Context, c *Client) error { _, err := c.APIKeyInfo(ctx); return err }},
		{"postings", "jobPosting.list", `{}`, func(ctx context.Context, c *Client) error { _, err := c.Postings(ctx); return err }},
		{
			"posting", "jobPosting.info", `{"expand":["job"],"includeUnpublishedJobPostings":true,"jobPostingId":"p1"}`,
			func(ctx context.Context, c *Client) error { _, err := c.Posting(ctx, "p1"); return err },
		},
		{
			"first page of jobs", "job.list", `{"limit":100,"status":["Draft","Open","Closed","Archived"]}`,
			func(ctx context.Context, c *Client) error { _, err := c.Page(ctx, KindJob, PageRequest{}); return err },
		},
		{
			"later page of jobs with a token", "job.list",
			`{"cursor":"bB","limit":100,"status":["Draft","Open","Closed","Archived"],"syncToken":"46nVvDWRn"}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Page(ctx, KindJob, PageRequest{Cursor: "bB", SyncToken: "46nVvDWRn"})
				return err
			},
		},
		{
			"locations", "location.list", `{"includeArchived":true,"limit":100}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Page(ctx, KindLocation, PageRequest{})
				return err
			},
		},
		{
			"departments", "department.list", `{"includeArchived":true,"limit":100}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Page(ctx, KindDepartment, PageRequest{})
				return err
			},
		},
		{"job", "job.info", `{"id":"j1"}`, func(ctx context.Context, c *Client) error { _, err := c.Info(ctx, KindJob, "j1"); return err }},
		{
			"location", "location.info", `{"locationId":"l1"}`,
			func(ctx context.Context, c *Client) error { _, err := c.Info(ctx, KindLocation, "l1"); return err },
		},
		{
			"department", "department.info", `{"departmentId":"d1"}`,
			func(ctx context.Context, c *Client) error { _, err := c.Info(ctx, KindDepartment, "d1"); return err },
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			var body []byte
			c := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				says(200, `{"success":false,"errors":["teapot"]}`)(w, r)
			}, func(o *Options) { o.UserAgent = "ashbridge/9" })
			if err := tc.call(t.Context(), c); !errors.Is(err, ErrRefused) {
				t.Fatalf("err = %v", err)
			}
			if got.Method != http.MethodPost || got.URL.Path != "/"+tc.method || string(body) != tc.body {
				t.Errorf("sent %s %s %s, want %s %s", got.Method, got.URL.Path, body, tc.method, tc.body)
			}
			user, password, ok := got.BasicAuth()
			if !ok || user != testKey.Reveal() || password != "" {
				t.Errorf("basic auth is not key and empty password: ok %t, password %q", ok, password)
			}
			for name, want := range map[string]string{
				"Accept": "application/json; version=1", "Content-Type": "application/json",
				"Ashby-Version": "2026-01-01", "User-Agent": "ashbridge/9",
			} {
				if got.Header.Get(name) != want {
					t.Errorf("%s = %q, want %q", name, got.Header.Get(name), want)
				}
			}
		})
	}
}

var failures = []struct {
	name    string
	handler http.HandlerFunc
	want    error
	// code and message are compared where they are given.
	code, message string
}{
	{"401 plain text", saysAs(401, "text/plain", "Unauthorized"), ErrUnauthorized, "", "Unauthorized"},
	{"401 json", says(401, `{"success":false,"errors":["no key"]}`), ErrUnauthorized, "", "no key"},
	{"403 plain text", saysAs(403, "text/plain", "Forbidden"), ErrUnauthorized, "", "Forbidden"},
	{"403 empty", saysAs(403, "", ""), ErrUnauthorized, "", ""},
	{"403 of a proxy", saysAs(403, "text/html", "<html>blocked</html>"), ErrMalformed, "", ""},
	{"403 another code", says(403, `{"success":false,"errorInfo":{"code":"key_disabled"}}`), ErrUnauthorized, "key_disabled", ""},
	{
		"403 permission, form A",
		says(403, `{"success":false,"errors":["missing_endpoint_permission"],"errorInfo":{"code":"missing_endpoint_permission","message":"Ask for Jobs.","requestId":"01X"}}`),
		ErrMissingPermission, "missing_endpoint_permission", "Ask for Jobs.",
	},
	{
		"403 permission, code in errorInfo alone",
		says(403, `{"success":false,"errorInfo":{"code":"missing_endpoint_permission"}}`),
		ErrMissingPermission, "missing_endpoint_permission", "",
	},
	{
		"403 permission, errors of strings alone",
		says(403, `{"success":false,"errors":["missing_endpoint_permission"],"errorInfo":null}`),
		ErrMissingPermission, "missing_endpoint_permission", "",
	},
	{
		"403 permission, form B",
		says(403, `{"success":false,"errors":[{"message":"missing_endpoint_permission"}]}`),
		ErrMissingPermission, "missing_endpoint_permission", "",
	},
	{
		"403 permission within a sentence",
		says(403, `{"success":false,"errors":[{"message":"Denied: missing_endpoint_permission (jobsRead)"}]}`),
		ErrMissingPermission, "", "Denied: missing_endpoint_permission (jobsRead)",
	},
	{"403 permission in plain text", saysAs(403, "text/plain", "missing_endpoint_permission"), ErrMissingPermission, "", ""},
	{"200 permission", says(200, `{"success":false,"errors":["missing_endpoint_permission"]}`), ErrMissingPermission, "", ""},

	{"not found by code", says(200, `{"success":false,"errors":["job_posting_not_found"]}`), ErrNotFound, "job_posting_not_found", ""},
	{"not found by errorInfo", says(200, `{"success":false,"errorInfo":{"code":"job_not_found","message":"gone"}}`), ErrNotFound, "job_not_found", "gone"},
	{"not found by message", says(200, `{"success":false,"errors":[{"message":"Job posting not found"}]}`), ErrNotFound, "", "Job posting not found"},
	{"not found, wordy", says(200, `{"success":false,"errors":[{"message":"The job could not be found"}]}`), ErrNotFound, "", ""},
	{"no such endpoint", says(200, `{"success":false,"errors":["Endpoint /x not found"]}`), ErrRefused, "", "Endpoint /x not found"},
	{"no such organization", says(200, `{"success":false,"errors":["organization_not_found"]}`), ErrRefused, "organization_not_found", ""},
	{"404 without Ashby's form", saysAs(404, "text/plain", "404 page not found"), ErrMalformed, "", ""},
	{"404 with Ashby's form", says(404, `{"success":false,"errors":["job_not_found"]}`), ErrNotFound, "job_not_found", ""},

	{"401 in an unknown encoding", encoded(401, "br", "\x8b\x02\x80"), ErrMalformed, "", "the answer has an encoding that was not asked for"},
	{"403 in an unknown encoding", encoded(403, "zstd", `{"success":false}`), ErrMalformed, "", ""},
	{"200 in an unknown encoding", encoded(200, "br", `{"success":true,"results":{"id":"j1","confidential":false}}`), ErrMalformed, "", ""},
	{"429 in an unknown encoding", encoded(429, "br", "x"), ErrRateLimited, "", ""},
	{"502 in an unknown encoding", encoded(502, "br", "x"), ErrUnavailable, "", ""},
	{"success false, said to be identity", encoded(200, "identity", `{"success":false,"errors":["invalid_input"]}`), ErrRefused, "invalid_input", ""},
	{"gzip that is none", encoded(200, "gzip", `{"success":true}`), ErrUnavailable, "", ""},

	{"429", says(429, `{"success":false,"errors":["Rate limit exceeded"]}`), ErrRateLimited, "", "Rate limit exceeded"},
	{"429 without a body", saysAs(429, "", ""), ErrRateLimited, "", ""},
	{"200 rate limited", says(200, `{"success":false,"errorInfo":{"code":"rate_limit_exceeded"}}`), ErrRateLimited, "rate_limit_exceeded", ""},

	{"500", says(500, `{"success":false,"errors":["job_not_found"]}`), ErrUnavailable, "job_not_found", ""},
	{"502 html", saysAs(502, "text/html", "<html>bad gateway"), ErrUnavailable, "", ""},
	{"503 html", saysAs(503, "text/html", "<html>maintenance"), ErrUnavailable, "", ""},
	{"200 internal error", says(200, `{"success":false,"errorInfo":{"code":"generic_internal_error"}}`), ErrUnavailable, "generic_internal_error", ""},
	{"cut off", says(200, `{"success":true,"results":[{"id":"p1"`), ErrUnavailable, "", ""},
	{"empty", says(200, ``), ErrUnavailable, "", ""},
	{"connection cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, `{"success":true,`)
	}, ErrUnavailable, "", ""},

	{"html with 200", saysAs(200, "text/html", "<!doctype html><title>hello"), ErrMalformed, "", ""},
	{"html that claims to be json", says(200, " <html>"), ErrMalformed, "", ""},
	{"json that claims to be text", saysAs(200, "text/plain", `{"success":true,"results":{"id":"x"}}`), ErrMalformed, "", ""},
	{"a bare array", says(200, `[1]`), ErrMalformed, "", ""},
	{"null", says(200, `null`), ErrMalformed, "", ""},
	{"bad json", says(200, `{"success":true,}`), ErrMalformed, "", ""},
	{"json and more", says(200, `{"success":true,"results":{}}x`), ErrMalformed, "", ""},
	{"no success field", says(200, `{"results":{"id":"x"}}`), ErrMalformed, "", ""},
	{"success null", says(200, `{"success":null,"results":{"id":"x"}}`), ErrMalformed, "", ""},
	{"success is text", says(200, `{"success":"true","results":{"id":"x"}}`), ErrMalformed, "", ""},
	{"success with 418", says(418, `{"success":true,"results":{"id":"x"}}`), ErrMalformed, "", ""},
	{"success without results", says(200, `{"success":true}`), ErrMalformed, "", ""},
	{"success with null", says(200, `{"success":true,"results":null}`), ErrMalformed, "", ""},
	{"success with an array", says(200, `{"success":true,"results":[]}`), ErrMalformed, "", ""},
	{"another object", says(200, `{"success":true,"results":{"id":"other","confidential":false}}`), ErrMalformed, "", "the answer is another object"},
	{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, ErrMalformed, "", ""},

	{"sync_token_expired", says(200, `{"success":false,"errors":["sync_token_expired"]}`), ErrRestart, "sync_token_expired", ""},
	{"sync_token_invalid", says(200, `{"success":false,"errors":[{"message":"sync_token_invalid"}]}`), ErrRestart, "sync_token_invalid", ""},
	{"incremental_sync_too_large", says(200, `{"success":false,"errorInfo":{"code":"incremental_sync_too_large"}}`), ErrRestart, "", ""},
	{"next_cursor_expired", says(200, `{"success":false,"errors":["next_cursor_expired"]}`), ErrRestart, "", ""},
	{"cursor_invalid", says(200, `{"success":false,"errors":["cursor_invalid"]}`), ErrRestart, "", ""},
	{"invalid_next_cursor", says(200, `{"success":false,"errors":["invalid_next_cursor"]}`), ErrRestart, "", ""},

	{"duplicate_webhook", says(200, `{"success":false,"errors":["duplicate_webhook"]}`), ErrDuplicate, "duplicate_webhook", ""},
	{"webhook_already_exists", says(200, `{"success":false,"errorInfo":{"code":"webhook_already_exists"}}`), ErrDuplicate, "", ""},
	{"duplicate webhook in words", says(400, `{"success":false,"errors":[{"message":"Duplicate webhook for this URL"}]}`), ErrDuplicate, "", "Duplicate webhook for this URL"},
	{"duplicate webhook in other words", says(200, `{"success":false,"errors":["A webhook with this URL already exists"]}`), ErrDuplicate, "", ""},
	{"duplicate of something else", says(200, `{"success":false,"errors":["candidate already exists"]}`), ErrRefused, "", ""},
	{"408", says(408, `{}`), ErrUnavailable, "", ""},
	{"a depth that no answer has", says(200, `{"success":true,"results":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`}`), ErrMalformed, "", ""},
	{"refused", says(200, `{"success":false,"errors":["invalid_input"]}`), ErrRefused, "invalid_input", ""},
	{"refused without a word", says(200, `{"success":false,"errors":null,"errorInfo":null}`), ErrRefused, "", ""},
	{"refused with 400", says(400, `{"success":false,"errors":["invalid_input"]}`), ErrRefused, "invalid_input", ""},
}

func TestAnswersThatAreErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range failures {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, tc.handler, nil)
			_, err := c.Info(t.Context(), KindJob, "j1")
			for _, o := range outcomes {
				if errors.Is(err, o.reason) != errors.Is(tc.want, o.reason) {
					t.Errorf("errors.Is(%v, %v) = %t", err, o.reason, errors.Is(err, o.reason))
				}
			}
			failure, ok := errors.AsType[*APIError](err)
			if !ok || failure.Method != "job.info" {
				t.Fatalf("err = %#v, want an APIError that names the method", err)
			}
			if tc.code != "" && failure.Code != tc.code || tc.message != "" && failure.Message != tc.message {
				t.Errorf("code %q, message %q; want %q, %q", failure.Code, failure.Message, tc.code, tc.message)
			}
			if len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("the text of the error is not fit for a log: %q", err.Error())
			}
		})
	}
}

func TestRequestIDComesFromBodyOrHeader(t *testing.T) {
	t.Parallel()
	handler := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-ashby-request-id", "01HEADER")
			says(200, body)(w, r)
		}
	}
	for body, want := range map[string]string{
		`{"success":false,"errors":["x"]}`:                                  "01HEADER",
		`{"success":false,"errorInfo":{"code":"x","requestId":"01INFO"}}`:   "01INFO",
		`{"success":false,"errorInfo":{"code":"x","requestId":null}}`:       "01HEADER",
		`{"success":false,"errors":[{"message":"m"}],"errorInfo":"broken"}`: "01HEADER",
	} {
		_, err := newTestClient(t, handler(body), nil).APIKeyInfo(t.Context())
		failure, ok := errors.AsType[*APIError](err)
		if !ok || failure.RequestID != want {
			t.Errorf("%s: %v, want request %s", body, err, want)
		}
	}
}

func TestAnswerIsBoundedAfterDecompression(t *testing.T) {
	t.Parallel()
	// Members of one gzip file may follow one another, so that one compressed mebibyte makes a bomb of any size.
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write(bytes.Repeat([]byte{' '}, 1<<20))
	_ = z.Close()
	bomb := bytes.Repeat(member.Bytes(), maxAnswer>>20+1)
	if len(bomb) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	c := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	}, nil)
	_, err := c.Info(t.Context(), KindJob, "j1")
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("err = %v", err)
	}
}

func TestRedirectIsNotFollowedWithAnyHTTPClient(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
	}, func(o *Options) { o.HTTPClient = &http.Client{} })
	_, err := c.APIKeyInfo(t.Context())
	if !errors.Is(err, ErrMalformed) || calls.Load() != 1 {
		t.Errorf("err = %v after %d requests", err, calls.Load())
	}
}

func TestKeyIsNowhereInErrorsAndPrints(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 280) + testKey.Reveal()
	doc, _ := json.Marshal(map[string]any{"success": false, "errors": []string{long}, "errorInfo": map[string]string{
		"code": testKey.Reveal(), "message": long, "requestId": testKey.Reveal(),
	}})
	for _, handler := range []http.HandlerFunc{says(200, string(doc)), says(403, string(doc)), saysAs(401, "text/plain", long)} {
		c := newTestClient(t, handler, nil)
		_, err := c.APIKeyInfo(t.Context())
		text := fmt.Sprintf("%v %+v %#v %v %+v %#v", err, err, err, c, c, *c)
		if strings.Contains(text, testKey.Reveal()[:12]) {
			t.Errorf("the key shows in %s", text)
		}
	}
}

func TestCallersOwnContext(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{})
	c := newTestClient(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		close(waiting)
		<-r.Context().Done()
	}, func(o *Options) { o.MaxTries = 5 })
	why := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-waiting
		cancel(why)
	}()
	_, err := c.APIKeyInfo(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || errors.Is(err, ErrUnavailable) {
		t.Errorf("err = %v", err)
	}
}

func TestTimeoutOfTheHTTPClientIsNotTheCallers(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}, func(o *Options) { o.HTTPClient.Timeout = 20 * time.Millisecond })
	_, err := c.APIKeyInfo(t.Context())
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
}

func TestPrivateAddressIsRefused(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := newTestClient(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) },
		func(o *Options) { o.HTTPClient, o.MaxTries = DefaultHTTPClient(false), 5 })
	_, err := c.APIKeyInfo(t.Context())
	if !errors.Is(err, ErrPrivateAddress) || errors.Is(err, ErrUnavailable) || calls.Load() != 0 {
		t.Errorf("err = %v after %d requests", err, calls.Load())
	}
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no key":        {},
		"no host":       {Key: testKey, BaseURL: "https://"},
		"another world": {Key: testKey, BaseURL: "ftp://example.com"},
		"a user":        {Key: testKey, BaseURL: "https://u:p@example.com"},
		"a query":       {Key: testKey, BaseURL: "https://example.com?x=1"},
		"no url":        {Key: testKey, BaseURL: "https://exa mple"},
	} {
		if _, err := NewClient(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c, err := NewClient(Options{Key: testKey})
	if err != nil || c.base != "https://api.ashbyhq.com" {
		t.Errorf("defaults: %v, %v", c, err)
	}
}
