package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// ANSI colours by event type; only used on a terminal.
var colours = map[events.Type]string{
	events.JobPublished:        "\x1b[32m", // green
	events.JobUpdated:          "\x1b[36m", // cyan
	events.JobClosed:           "\x1b[33m", // yellow
	events.ConnectionSynced:    "\x1b[35m",
	events.ConnectionDegraded:  "\x1b[31m",
	events.ConnectionRecovered: "\x1b[35m",
	events.ConnectionRemoved:   "\x1b[31m",
}

// eventPrinter writes a line for each event as it is published.
type eventPrinter struct {
	out    io.Writer
	colour bool
}

func newEventPrinter(out io.Writer) *eventPrinter {
	return &eventPrinter{out: out, colour: hasColour(out)}
}

// print writes time, type, employer, title, version, and the lag from Ashby's change to the publication.
func (p *eventPrinter) print(e events.Event, o mirror.Outgoing) {
	kind := fmt.Sprintf("%-19s", e.Type)
	if p.colour {
		kind = colours[e.Type] + kind + "\x1b[0m"
	}
	_, _ = fmt.Fprintf(p.out, "%s  %s  %s\n", e.Time.Local().Format("15:04:05.000"), kind, clean(describe(e, o)))
}

func describe(e events.Event, o mirror.Outgoing) string {
	if o.Posting == "" {
		var d events.ConnectionData
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return "unreadable: " + err.Error()
		}
		text := fmt.Sprintf("%-12s %s", d.EmployerRef, d.Status)
		if d.Counts != nil {
			text += fmt.Sprintf(", %d public of %d at Ashby", d.Counts.Public, d.Counts.AtAshby)
		}
		return text
	}
	var d events.JobData
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return "unreadable: " + err.Error()
	}
	text := fmt.Sprintf("%-12s %-48s v%-3d", d.Job.EmployerRef, shorten(d.Job.Title, 48), d.Version)
	if d.Origin == events.OriginSeed {
		text += " first synchronisation"
	} else {
		text += fmt.Sprintf(" lag %-8s %s", e.Time.Sub(d.ChangedAt).Round(time.Millisecond), d.Origin)
	}
	if d.Reason != nil {
		text += " (" + string(*d.Reason) + ")"
	}
	if len(d.Changed) > 0 && e.Type == events.JobUpdated {
		text += " " + strings.Join(d.Changed, ",")
	}
	return text
}

func shorten(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}
