package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/verify"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// safeBuffer is written by a command while the test reads it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// golden puts the contract's own messages onto the stream.
func golden(t *testing.T, b *bus.Bus, last uint64, version int64, types ...events.Type) uint64 {
	t.Helper()
	for _, typ := range types {
		raw, err := os.ReadFile("../../schema/events/testdata/" + string(typ) + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, raw); err != nil {
			t.Fatal(err)
		}
		subject := events.JobSubject("c", string(typ[4:]))
		if strings.HasPrefix(string(typ), "connection.") {
			subject = events.ConnectionSubject("c")
		}
		m := bus.Msg{Subject: subject, ID: string(typ) + time.Now().String(), Version: version, Type: typ, Data: line.Bytes()}
		if last, err = b.PublishBatch(t.Context(), []bus.Msg{m}, last); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// run runs a command until the test ends, and returns what it writes.
func run(t *testing.T, args ...string) (out, errOut *safeBuffer) {
	t.Helper()
	out, errOut = &safeBuffer{}, &safeBuffer{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		root := newRoot(out, errOut)
		root.SetArgs(args)
		if err := root.ExecuteContext(ctx); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return out, errOut
}

func TestEventsTail(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	last := golden(t, b, 0, 1, events.JobPublished, events.JobUpdated, events.ConnectionSynced)
	lines, _ := run(t, "events", "tail", "--nats-url", srv.URL(), "--snapshot")
	asJSON, _ := run(t, "events", "tail", "--nats-url", srv.URL(), "--since", "1h", "--json", "--type", "job.*")
	narrow, _ := run(t, "events", "tail", "--nats-url", srv.URL(), "--snapshot", "--json", "--connection", "c", "--posting", "updated")
	job, _ := run(t, "events", "tail", "--nats-url", srv.URL(), "--snapshot", "--json", "--job", "c/published", "--employer", "acme")
	employer, _ := run(t, "events", "tail", "--nats-url", srv.URL(), "--snapshot", "--connection", "acme")
	nobody, _ := run(t, "events", "tail", "--nats-url", srv.URL(), "--snapshot", "--connection", "other")
	live, said := run(t, "events", "tail", "--nats-url", srv.URL())
	has := func(what *safeBuffer, n int, parts ...string) {
		t.Helper()
		bustest.Eventually(t, strings.Join(parts, ", "), func() bool {
			s := what.String()
			for _, part := range parts {
				if !strings.Contains(s, part) {
					return false
				}
			}
			return strings.Count(s, "\n") == n
		})
	}
	has(lines, 3, "job.published", "job.updated", "connection.synced", " public of ")
	has(asJSON, 2, `{"specversion":"1.0"`, `"type":"job.updated"`)
	has(narrow, 1, `"type":"job.updated"`)
	has(employer, 3, "job.published", "job.updated", "connection.synced")
	has(nobody, 0)
	has(job, 1, `"type":"job.published"`)
	if strings.Contains(lines.String(), "\x1b") {
		t.Error("colours without a terminal")
	}

	// Only what is published from its first look on is shown, so that must have been before the server goes away.
	version := int64(2)
	bustest.Eventually(t, "new events are followed", func() bool {
		last = golden(t, b, last, version, events.ConnectionDegraded)
		version++
		return strings.Contains(live.String(), "connection.degraded")
	})
	srv.Stop()
	bustest.Eventually(t, "it is said that NATS is away", func() bool { return strings.Contains(said.String(), "waiting for NATS") })
	srv.Start()
	bustest.Eventually(t, "connected again", func() bool { return b.Generation() > 1 && b.Ready() })
	golden(t, b, last, 2, events.JobClosed)
	for _, shown := range []*safeBuffer{live, lines} {
		bustest.Eventually(t, "job.closed is shown once", func() bool { return strings.Count(shown.String(), "job.closed") == 1 })
	}
}

// TestEventsTailTellsThatAUserMayNotRead, instead of waiting for ever.
func TestEventsTailTellsThatAUserMayNotRead(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: g.As(natsconf.UserAdmin)}))
	file := filepath.Join(t.TempDir(), "nats-url")
	if err := os.WriteFile(file, []byte(g.As(natsconf.UserSyncer)), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "", "", "events", "tail", "--nats-url-file", file).want(t, exitFailed, "may not read JOBS", "admin")
}

func TestEventsTailRefuses(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--since":               {"--since", "yesterday"},
		"there is no such type": {"--type", "job.renamed"},
		"none of the others":    {"--since", "1h", "--snapshot"},
		"not connection/post":   {"--job", "c"},
		"not a token":           {"--posting", "a.b"},
		"--nats-url is not set": {"--nats-url", ""},
		"unknown command":       {"more"},
	} {
		root := newRoot(io.Discard, io.Discard)
		root.SetArgs(append([]string{"events", "tail", "--nats-url", "nats://127.0.0.1:1"}, args...))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// gatewayOf answers a replay, and keeps what it was asked.
func gatewayOf(t *testing.T, status int, answer string) (url string, asked *http.Request, body *map[string]any) {
	t.Helper()
	asked, body = &http.Request{}, &map[string]any{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r
		if err := json.NewDecoder(r.Body).Decode(body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, asked, body
}

// replay runs the command with a token from a file.
func replay(t *testing.T, api string, args ...string) (string, error) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token-of-some-length"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := newRoot(&out, io.Discard)
	root.SetArgs(append([]string{"events", "replay", "--api", api, "--admin-token-file", token}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestEventsReplay(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`{"snapshot":true}`:                                    {"--snapshot"},
		`{"since":"2026-11-23T10:00:00Z"}`:                     {"--since", "2026-11-23T10:00:00Z"},
		`{"job":{"connection":"c","posting":"p","version":3}}`: {"--job", "c/p", "--version", "3"},
	} {
		url, asked, body := gatewayOf(t, http.StatusOK, `{"id":"sub_1","name":"Board","consumer":"sub_1-1","replay":4}`)
		out, err := replay(t, url+"/", append([]string{"--subscriber", "sub_1"}, args...)...)
		if err != nil || !strings.Contains(out, "replay 4 of consumer sub_1-1") {
			t.Errorf("%v: %q, %v", args, out, err)
		}
		got, _ := json.Marshal(*body)
		if string(got) != want || asked.URL.Path != "/v1/subscribers/sub_1/replay" ||
			asked.Header.Get("Authorization") != "Bearer a-token-of-some-length" {
			t.Errorf("%v asked %s with %s", args, asked.URL, got)
		}
	}
}

func TestEventsReplayTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	url, _, _ := gatewayOf(t, http.StatusNotFound, `{"type":"urn:ashbridge:problem:no-such-version","title":"No such version","detail":"The stream does not keep it.",`+
		`"errors":[{"field":"job.version","detail":"it must be there"}],"versions":{"oldest":3,"newest":7}}`)
	_, err := replay(t, url, "--subscriber", "sub_1", "--snapshot")
	for _, want := range []string{"404", "No such version", "The stream does not keep it.", "job.version", "3 to 7"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	other, _, _ := gatewayOf(t, http.StatusOK, "<html>")
	moved, _, _ := gatewayOf(t, http.StatusFound, "")
	for want, args := range map[string][]string{
		"with no JSON":                  {other, "--subscriber", "s", "--snapshot"},
		"is it Ashbridge's gateway":     {moved, "--subscriber", "s", "--snapshot"},
		"not reached at":                {"http://127.0.0.1:1", "--subscriber", "s", "--snapshot"},
		"such as https://host":          {"nowhere", "--subscriber", "s", "--snapshot"},
		"is not connection/posting":     {url, "--subscriber", "s", "--job", "p", "--version", "1"},
		"required flag(s) \"subscriber": {url, "--snapshot"},
		"at least one of the flags":     {url, "--subscriber", "s"},
		"[job version]":                 {url, "--subscriber", "s", "--job", "c/p"},
	} {
		if _, err := replay(t, args[0], args[1:]...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

func TestShowReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := showReport(&out, verify.Report{Jobs: 3}, false); err != nil || !strings.Contains(out.String(), "3 jobs") {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	r := verify.Report{Differences: []verify.Difference{{Subject: "jobs.v1.c.p", Problem: verify.Missing}}}
	if err := showReport(&out, r, true); err == nil || !json.Valid(out.Bytes()) || !strings.Contains(out.String(), `"missing"`) {
		t.Errorf("%q, %v", out.String(), err)
	}
}
