package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
)

// screen is a terminal without a screen: what a program writes to it can be read, and what is typed is its input.
type screen struct {
	t       *testing.T
	program *os.File
	typed   *os.File
	shown   safeBuffer
	// seen is how much of it was waited for.
	seen int
}

func newScreen(t *testing.T, columns uint16) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd()) //nolint:gosec // descriptors are small
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: columns}); err != nil {
		t.Fatal(err)
	}
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, program: program, typed: master}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&s.shown, master) }) // ends when the program's side is closed
	t.Cleanup(func() {
		_ = program.Close()
		reading.Wait()
		_ = master.Close()
	})
	return s
}

// start runs a command at the screen; its results go to out.
func (s *screen) start(url string, args ...string) (out *bytes.Buffer, ended <-chan int) {
	out = &bytes.Buffer{}
	root := newRoot(out, s.program)
	root.SetIn(s.program)
	root.SetArgs(append(args, "--api", url, "--token-file", tokenFile(s.t)))
	done := make(chan int, 1)
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { done <- execute(ctx, root) })
	s.t.Cleanup(func() {
		cancel()
		_, _ = s.typed.WriteString("\x03") // a question that nobody answered
		running.Wait()
	})
	return out, done
}

// shows waits until text is shown, behind what was waited for before.
func (s *screen) shows(text string) {
	s.t.Helper()
	bustest.Eventually(s.t, "it shows "+text, func() bool {
		at := strings.Index(s.shown.String()[s.seen:], text)
		if at >= 0 {
			s.seen += at + len(text)
		}
		return at >= 0
	})
}

// answers types an answer once the question is there.
func (s *screen) answers(question, answer string) {
	s.t.Helper()
	s.shows(question)
	if _, err := s.typed.WriteString(answer); err != nil {
		s.t.Fatal(err)
	}
}

// TestAtATerminal has the variables of a person's terminal, so it runs alone.
func TestAtATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	running := example(t, "Connection", map[string]any{"sync.poll_started_at": "2026-11-23T10:00:00Z", "sync.done": 300, "sync.total": 900})
	add := []string{"connections", "add", "--employer-ref", "acme-42", "--employer-name", "Acme"}

	t.Run("the key does not show, the bar does", func(t *testing.T) {
		api := newFakeAPI(t, map[string][]reply{
			"POST /v1/connections": {{201, example(t, "Connection", nil)}}, "GET " + acme: {{200, running}, {200, synced(t)}},
		})
		s := newScreen(t, 50)
		_, ended := s.start(api.url, add...)
		s.answers("Ashby API key of Acme: ", testKey+"\r")
		if code := <-ended; code != exitDone {
			t.Errorf("status %d", code)
		}
		for _, part := range []string{barColour + "████████" + noColour, " 33%  300/900 postings\x1b[K", "\r\x1b[KThe first sync is done", "Still being read"} {
			s.shows(part)
		}
		if shown := s.shown.String(); strings.Contains(shown, testKey[:8]) { // a narrow terminal would break it
			t.Errorf("shown %q", shown)
		}
		if asked := api.requests(); !strings.Contains(asked[0], `"api_key":"`+testKey+`"`) {
			t.Errorf("asked %q", asked)
		}
	})
	t.Run("Ctrl-C at the prompt", func(t *testing.T) {
		api := newFakeAPI(t, nil)
		s := newScreen(t, 80)
		_, ended := s.start(api.url, add...)
		s.answers("Ashby API key of Acme: ", "half a k\x03")
		if code := <-ended; code != exitInterrupted || len(api.requests()) != 0 {
			t.Errorf("status %d, asked %q", code, api.requests())
		}
	})
	t.Run("a removal is confirmed", func(t *testing.T) {
		for answer, code := range map[string]int{"yes\r": exitDone, "\r": exitFailed, "\x03": exitInterrupted} {
			api := newFakeAPI(t, map[string][]reply{"GET " + acme: {{200, synced(t)}}, "DELETE " + acme: {{200, `{}`}}})
			s := newScreen(t, 80)
			_, ended := s.start(api.url, "connections", "remove", acmeID)
			s.answers("[keep/close] ", "perhaps\r")
			s.answers("[keep/close] ", "close\r")
			s.answers("[y/N] ", answer)
			if got := <-ended; got != code {
				t.Errorf("%q: status %d, want %d", answer, got, code)
			}
			if asked := api.requests(); (len(asked) == 2 && asked[1] == "DELETE "+acme+"?jobs=close") != (code == exitDone) {
				t.Errorf("%q asked %q", answer, asked)
			}
		}
	})
	t.Run("Ctrl-C ends the watching", func(t *testing.T) {
		api := newFakeAPI(t, map[string][]reply{"POST /v1/connections": {{201, example(t, "Connection", nil)}}, "GET " + acme: {{200, running}}})
		s := newScreen(t, 80)
		ctx, interrupt := context.WithCancel(t.Context()) // as the signal does it
		defer interrupt()
		root := newRoot(io.Discard, s.program)
		root.SetIn(strings.NewReader(testKey))
		root.SetArgs(append(add, "--api", api.url, "--token-file", tokenFile(t)))
		var watching sync.WaitGroup
		code := -1
		watching.Go(func() { code = execute(ctx, root) })
		s.shows("300/900 postings")
		interrupt()
		watching.Wait()
		s.shows("the first sync goes on")
		if code != exitDone {
			t.Errorf("status %d", code)
		}
	})
	t.Run("colours", func(t *testing.T) {
		s := newScreen(t, 80)
		for _, c := range []struct {
			variable, value string
			fine, coloured  bool
		}{{"TERM", "xterm", true, true}, {"NO_COLOR", "1", true, false}, {"TERM", "dumb", false, false}} {
			t.Setenv(c.variable, c.value)
			if isCapable(s.program) != c.fine || hasColour(s.program) != c.coloured {
				t.Errorf("with %s=%s: %v, %v", c.variable, c.value, isCapable(s.program), hasColour(s.program))
			}
		}
		if isCapable(&bytes.Buffer{}) || widthOf(s.program) != 80 {
			t.Error("what is no terminal counts as one")
		}
	})
}
