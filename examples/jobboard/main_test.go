package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m, localtest.Volatile()) }

func variables(m map[string]string) func(string) string {
	return func(name string) string { return m[name] }
}

// natsURL is a NATS with Ashbridge's streams.
func natsURL(t *testing.T) string {
	t.Helper()
	url := localtest.NATS(t).URL()
	b, err := bus.Connect(t.Context(), bus.Options{URL: url, Name: "test", MaxBytesJobs: 16 << 20, MaxBytesSpill: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return url
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"in memory": nil,
		"postgres":  {"--database-url", localtest.Database(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, in := io.Pipe()
			ended := make(chan error, 1)
			var logs bytes.Buffer
			args := append(args, "--addr", "127.0.0.1:0", "--nats-url", natsURL(t))
			go func() { ended <- errors.Join(run(ctx, args, variables(nil), in, &logs), in.Close()) }()
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatalf("it printed %q: %v %v\n%s", line, err, <-ended, &logs)
			}
			_, url, _ := strings.Cut(strings.TrimSpace(line), "http://")
			resp, err := http.Get("http://" + url + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s answers %d", line, resp.StatusCode)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("%v\n%s", err, &logs)
			}
		})
	}
}

func TestFlagsWinOverVariables(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parse([]string{"--name", "Mine", "--password-file", file}, variables(map[string]string{
		"JOBBOARD_NAME": "Theirs", "JOBBOARD_NATS_URL": "nats://n:1", "JOBBOARD_PASSWORD": "other",
	}), io.Discard)
	if err != nil || c.name != "Mine" || c.natsURL != "nats://n:1" || c.password != "secret" || c.addr != "127.0.0.1:8070" {
		t.Errorf("%+v %v", c, err)
	}
}

func TestTheAnswerToASubscriptionIsEnough(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "subscriber.json")
	answer := `{"id": "sub_1", "url": "nats://n:1", "user": "sub_1-1", "password": "secret", "consumer": "sub_1-1"}`
	if err := os.WriteFile(file, []byte(answer), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parse(nil, variables(map[string]string{"JOBBOARD_SUBSCRIBER_FILE": file}), io.Discard)
	if err != nil || c.natsURL != "nats://n:1" || c.user != "sub_1-1" || c.password != "secret" {
		t.Errorf("%+v %v", c, err)
	}
	if err := os.WriteFile(file, []byte(`{"error": "no"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := parse([]string{"--subscriber-file", file}, variables(nil), io.Discard); err == nil || !strings.Contains(err.Error(), "is not the answer") {
		t.Errorf("of another file: %v", err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for want, args := range map[string][]string{
		"--addr names another": {"--addr", taken.Addr().String()},
		"reading the password": {"--password-file", "/nowhere/at/all"},
		"reading the subscr":   {"--subscriber-file", "/nowhere/at/all"},
		"unexpected argument":  {"up"},
		"not defined":          {"--colour", "red"},
		"board's database":     {"--database-url", "postgres://127.0.0.1:1/none?sslmode=disable"},
		"User and Password":    {"--user", "sub_1-1", "--addr", "127.0.0.1:0"},
	} {
		var logs bytes.Buffer
		if err := run(t.Context(), args, variables(nil), io.Discard, &logs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
		if isWarned := strings.Contains(logs.String(), "in memory only"); isWarned != (args[0] == "--user") {
			t.Errorf("%v: warned of what a restart forgets: %t", args, isWarned)
		}
	}
	if err := run(t.Context(), []string{"--help"}, variables(nil), io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}
