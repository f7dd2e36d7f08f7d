package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

func TestProgressIsReadFromTheAPI(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { v := at.Add(-d); return &v }
	for _, c := range []struct {
		name string
		sync apiclient.Sync
		text string
	}{
		{"not begun", apiclient.Sync{}, "waiting for a syncer to begin"},
		{"ended", apiclient.Sync{PollStartedAt: ago(20), PollFinishedAt: ago(10), Done: 1, Total: 9}, "waiting for a syncer to begin"},
		{"listing", apiclient.Sync{PollStartedAt: ago(20)}, "listing the postings at Ashby"},
		{"begun again", apiclient.Sync{PollStartedAt: ago(20), PollFinishedAt: ago(30)}, "listing the postings at Ashby"},
		{"reading", apiclient.Sync{PollStartedAt: ago(20), Done: 1, Total: 3}, "reading postings: 1 of 3 (33%)"},
		{
			"with an estimate",
			apiclient.Sync{PollStartedAt: ago(20), Done: 899, Total: 900, Estimate: ago(-75 * time.Second)},
			"reading postings: 899 of 900 (99%), about 1m15s left",
		},
		{
			"an estimate that is past",
			apiclient.Sync{PollStartedAt: ago(20), Done: 1, Total: 2, Estimate: ago(time.Hour)},
			"reading postings: 1 of 2 (50%), about 1s left",
		},
		{"finishing", apiclient.Sync{PollStartedAt: ago(20), Done: 3, Total: 3, Estimate: ago(-1)}, "finishing: 3 of 3 (100%)"},
	} {
		if got := progressOf(apiclient.Connection{Sync: c.sync}, at).text(); got != c.text {
			t.Errorf("%s: %q, want %q", c.name, got, c.text)
		}
	}
}

func TestTheBarFitsEveryTerminal(t *testing.T) {
	t.Parallel()
	all := []progress{
		{},
		{running: true},
		{running: true, total: 3},
		{running: true, done: 57, total: 900, left: 38 * time.Second},
		{running: true, done: 123_456, total: 1_000_000, left: 26 * time.Hour},
		{running: true, done: 900, total: 900},
	}
	for _, p := range all {
		for width := range 200 {
			line := p.bar(width, width, false)
			if n := utf8.RuneCountInString(line); n > max(width-1, 1) || n == 0 {
				t.Errorf("%+v at %d columns: %d in %q", p, width, n, line)
			}
		}
		coloured := p.bar(80, 0, true)
		for _, colour := range []string{barColour, dimColour, noColour} {
			coloured = strings.ReplaceAll(coloured, colour, "")
		}
		if plain := p.bar(80, 0, false); coloured != plain {
			t.Errorf("with colours %q, without %q", coloured, plain)
		}
	}
	for width, want := range map[int]string{
		100: "██░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   6%  57/900 postings  38s left",
		44:  "░░░░░░░░░░░   6%  57/900 postings  38s left",
		34:  "░░░░░░░░░░   6%  57/900  38s left",
		24:  "░░░░░░░░░░   6%  57/900",
		15:  "░░░░░░░░░   6%",
		12:  "6%  57/900",
	} {
		if got := all[3].bar(width, 0, false); got != want {
			t.Errorf("at %d columns %q, want %q", width, got, want)
		}
	}
}

func TestPlainLinesComeNowAndThen(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	v := progressView{out: &out}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i := range 120 { // a minute, every half second
		p := progress{running: i > 4, total: 100, done: min(i, 100)}
		v.show(p, at.Add(time.Duration(i)*time.Second/2))
	}
	v.end()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 10 || len(lines) > 16 || lines[0] != "waiting for a syncer to begin" || !strings.HasPrefix(lines[len(lines)-1], "finishing") ||
		strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", lines)
	}
}

func TestLasting(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 90 * time.Minute: "1h30m", 26 * time.Hour: "26h00m",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
