package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// progress is how far a pass over an employer's postings is.
type progress struct {
	// running is false before the pass begins.
	running     bool
	done, total int
	// left is what it should take from now on; 0 where nothing can be told.
	left time.Duration
}

// progressOf reads a connection as it was at a time by the gateway's clock.
func progressOf(c apiclient.Connection, at time.Time) progress {
	s := c.Sync
	p := progress{running: isRunning(s)}
	if !p.running {
		return p
	}
	p.done, p.total = min(s.Done, s.Total), s.Total
	if s.Estimate != nil && p.done < p.total {
		p.left = max(s.Estimate.Sub(at), time.Second)
	}
	return p
}

// stage says in words what is being done.
func (p progress) stage() string {
	switch {
	case !p.running:
		return "waiting for a syncer to begin"
	case p.total == 0:
		return "listing the postings at Ashby"
	case p.done >= p.total:
		return "finishing"
	}
	return "reading postings"
}

// text is a plain line of it.
func (p progress) text() string {
	if !p.running || p.total == 0 {
		return p.stage()
	}
	text := fmt.Sprintf("%s: %d of %d (%d%%)", p.stage(), p.done, p.total, p.percent())
	if p.left > 0 {
		text += ", about " + lasting(p.left) + " left"
	}
	return text
}

// percent is 100 only at the end.
func (p progress) percent() int { return p.done * 100 / max(p.total, 1) }

// lasting is a length of time to a person, in one or two units.
func lasting(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// The bar's parts, and how wide it is at most and at least.
const (
	barFull   = "█"
	barEmpty  = "░"
	barMost   = 40
	barLeast  = 8
	barColour = "\x1b[32m"
	dimColour = "\x1b[2m"
	noColour  = "\x1b[0m"
)

// spinner shows that something goes on where nothing can be counted.
var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// bar is the progress as one line of at most width columns, counted without its colours; tick counts the redraws. A narrow
// terminal loses the words first, then the bar, and the percentage last.
func (p progress) bar(width, tick int, colour bool) string {
	width = max(width-1, 1) // a line that reaches the edge would wrap
	if !p.running || p.total == 0 {
		return cut(spinner[tick%len(spinner)]+" "+p.stage(), width)
	}
	percent := fmt.Sprintf("%3d%%", p.percent())
	counts := fmt.Sprintf("  %d/%d", p.done, p.total)
	rest := ""
	switch {
	case p.left > 0:
		rest = "  " + lasting(p.left) + " left"
	case p.done >= p.total:
		rest = "  finishing"
	}
	for _, words := range []string{counts + " postings" + rest, counts + rest, counts, ""} {
		room := width - len(percent) - 1 - len(words)
		if room >= barLeast {
			return drawBar(min(room, barMost), p.done, p.total, colour) + " " + percent + words
		}
	}
	return cut(strings.TrimSpace(percent)+counts, width)
}

func drawBar(cells, done, total int, colour bool) string {
	full := cells * done / total
	on, off := strings.Repeat(barFull, full), strings.Repeat(barEmpty, cells-full)
	if !colour {
		return on + off
	}
	return barColour + on + noColour + dimColour + off + noColour
}

// cut shortens a line to so many characters.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width])
}
