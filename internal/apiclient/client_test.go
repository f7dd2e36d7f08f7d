package apiclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

const token = "canary-token-2b9e"

// client asks a server with this handler.
func client(t *testing.T, h http.HandlerFunc) *apiclient.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c := apiclient.New(apiclient.Options{Base: srv.URL, Token: token, Agent: "test/1"})
	t.Cleanup(c.Close)
	return c
}

func TestCall(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Date", "Mon, 23 Nov 2026 10:00:00 GMT")
		_, _ = fmt.Fprintf(w, `{"id":%q}`, strings.Join([]string{
			r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("User-Agent"), r.Header.Get("Content-Type"), string(body),
		}, " "))
	})
	for _, x := range []struct {
		body any
		want string
	}{
		{nil, "POST /v1/holds/a%2Fb%3F Bearer " + token + " test/1  "},
		{map[string]any{"note": "x"}, "POST /v1/holds/a%2Fb%3F Bearer " + token + ` test/1 application/json {"note":"x"}`},
	} {
		var got apiclient.Hold
		a, err := c.Call(t.Context(), http.MethodPost, apiclient.Path("v1", "holds", "a/b?"), x.body, &got)
		if err != nil || got.ID != x.want || !a.At.Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) || len(a.Raw) == 0 {
			t.Errorf("%q at %s, %v", got.ID, a.At, err)
		}
	}
}

func TestATokenFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(thief.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL+r.URL.Path, status) })
		_, err := c.Call(t.Context(), http.MethodPost, "/v1/connections", map[string]any{"api_key": "k"}, nil)
		if p, ok := errors.AsType[*apiclient.Problem](err); !ok || p.Status != status || !strings.Contains(err.Error(), "is it Ashbridge's gateway?") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			piece := strings.Repeat(" ", 1<<20)
			for range 64 {
				if _, err := io.WriteString(w, piece); err != nil {
					return
				}
			}
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		},
	} {
		var v map[string]any
		_, err := client(t, h).Call(t.Context(), http.MethodGet, "/v1/holds", nil, &v)
		if !errors.Is(err, apiclient.ErrUnreachable) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	away := apiclient.New(apiclient.Options{Base: "http://127.0.0.1:1", Token: token})
	if _, err := away.Call(t.Context(), http.MethodGet, "/", nil, nil); !errors.Is(err, apiclient.ErrUnreachable) {
		t.Errorf("away: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := away.Call(ended, http.MethodGet, "/", nil, nil); !errors.Is(err, context.Canceled) || errors.Is(err, apiclient.ErrUnreachable) {
		t.Errorf("ended: %v", err)
	}
	wrong := client(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":3}`) })
	var h apiclient.Hold
	if _, err := wrong.Call(t.Context(), http.MethodGet, "/v1/holds", nil, &h); err == nil || errors.Is(err, apiclient.ErrUnreachable) {
		t.Errorf("of another shape: %v", err)
	}
}

func TestProblemsSayWhatToDo(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "10")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"type":"urn:ashbridge:problem:wrong","title":"A title","status":422,"detail":"Do this.","request_id":"r-1",
			"errors":[{"field":"name","detail":"it is required"},{"field":"","detail":"it is empty"}],"connections":["c-1"],"kinds":["job"],
			"versions":{"oldest":3,"newest":7},"steps":["Open Ashby."],
			"report":{"permissions":[{"module":"Jobs","access":"read","state":"missing","fix":"Tick it."},{"module":"Offers","access":"read","state":"granted"}]}}`)
	})
	_, err := c.Call(t.Context(), http.MethodGet, "/v1/holds", nil, nil)
	p, ok := errors.AsType[*apiclient.Problem](err)
	if !ok || p.Name() != "wrong" {
		t.Fatalf("%v", err)
	}
	want := "A title (422): Do this.\n  name: it is required\n  the request: it is empty\n  Jobs, read: missing. Tick it.\n  connection c-1\n" +
		"  there are job\n  the stream keeps versions 3 to 7\n  1. Open Ashby.\n  try again after 10 s\n  request r-1"
	if err.Error() != want {
		t.Errorf("%s", err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"": `{"holds":[{"id":"a"},{"id":"b"}],"next_cursor":"1x"}`, "1x": `{"holds":[{"id":"c"}],"next_cursor":"1y"}`,
		"1y": `{"holds":[],"next_cursor":"1y"}`,
	}
	var asked []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		_, _ = io.WriteString(w, pages[r.URL.Query().Get("cursor")])
	})
	for most, want := range map[int]string{0: "abc", 2: "ab", 3: "abc"} {
		page, err := apiclient.List[apiclient.Hold](t.Context(), c, "/v1/holds", "holds", url.Values{"ended": {"true"}}, most)
		got := ""
		for _, h := range page.Items {
			got += h.ID
		}
		if err != nil || got != want || len(page.Raw) != len(want) {
			t.Errorf("%d: %q, %v", most, got, err)
		}
	}
	for _, q := range asked {
		if !strings.Contains(q, "ended=true") || !strings.Contains(q, "limit=") {
			t.Errorf("asked %q", q)
		}
	}
	for _, wrong := range []string{`{}`, `{"holds":{}}`, `{"holds":[3]}`, `{"holds":[],"next_cursor":3}`, `[]`} {
		odd := client(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, wrong) })
		if _, err := apiclient.List[apiclient.Hold](t.Context(), odd, "/v1/holds", "holds", nil, 0); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
