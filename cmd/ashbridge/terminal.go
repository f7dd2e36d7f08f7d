package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

// fdOf is the descriptor behind a stream; false where there is none.
func fdOf(stream any) (int, bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	return int(f.Fd()), true //nolint:gosec // descriptors are small
}

// isTerminal says whether a person is at a stream.
func isTerminal(stream any) bool {
	fd, ok := fdOf(stream)
	return ok && term.IsTerminal(fd)
}

// isCapable says whether lines may be redrawn on a stream: it is a terminal that knows how.
func isCapable(stream any) bool {
	kind := config.Environ()["TERM"]
	return isTerminal(stream) && kind != "dumb" && kind != ""
}

// hasColour says whether colours are welcome on a stream. NO_COLOR, whatever is in it, says that they are not.
func hasColour(stream any) bool { return isCapable(stream) && config.Environ()["NO_COLOR"] == "" }

// widthOf is how many columns a terminal has now; 80 where it does not say.
func widthOf(stream any) int {
	if fd, ok := fdOf(stream); ok {
		if width, _, err := term.GetSize(fd); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// dialog asks a person at a terminal. The terminal is raw meanwhile, so that Ctrl-C ends the question at once, and what
// is typed in secret never shows.
type dialog struct {
	in  *os.File
	out io.Writer
}

// newDialog is false where nobody is there to ask: the input or the error output is no terminal.
func newDialog(in io.Reader, out io.Writer) (dialog, bool) {
	f, ok := in.(*os.File)
	return dialog{f, out}, ok && isTerminal(in) && isTerminal(out)
}

// secret asks for what is not to be seen. errInterrupted after Ctrl-C or Ctrl-D.
func (d dialog) secret(prompt string) (string, error) {
	return d.ask(func(t *term.Terminal) (string, error) { return t.ReadPassword(prompt) })
}

// line asks for a line.
func (d dialog) line(prompt string) (string, error) {
	return d.ask(func(t *term.Terminal) (string, error) {
		t.SetPrompt(prompt)
		return t.ReadLine()
	})
}

func (d dialog) ask(read func(*term.Terminal) (string, error)) (answer string, err error) {
	fd := int(d.in.Fd()) //nolint:gosec // descriptors are small
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("asking at the terminal: %w", err)
	}
	defer func() {
		if rerr := term.Restore(fd, before); rerr != nil && err == nil {
			err = fmt.Errorf("setting the terminal back: %w", rerr)
		}
	}()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{d.in, d.out}, "")
	_ = t.SetSize(widthOf(d.out), 25) // fails for no size that a terminal has; the height matters for nothing here
	answer, err = read(t)
	if err != nil && err != term.ErrPasteIndicator { //nolint:errorlint // the package returns it bare
		_, _ = io.WriteString(d.out, "\r\n")
		return "", errInterrupted
	}
	return strings.TrimSpace(answer), nil
}

// confirm asks a question that has yes or no for an answer; anything but yes is no.
func (d dialog) confirm(question string) (bool, error) {
	answer, err := d.line(question + " [y/N] ")
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", err
}

// clean makes text of others fit for a terminal: nothing in it can move the cursor or change colours, and it stays on
// one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
}
