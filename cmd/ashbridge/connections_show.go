package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

func newConnectionsShow() *cobra.Command {
	return newOnConnection("show", "Show a connection", "It tells how the copy stands, what the key may do, and which webhooks work.",
		func(a *asker, name string) error {
			c, answer, err := a.find(name)
			if err != nil {
				return err
			}
			return a.show(answer, func() { a.showConnection(c) })
		})
}

// fact is a line of a document: what it is, and what is known of it.
type fact struct{ name, text string }

// printFacts aligns facts; one without a text is left out.
func printFacts(out io.Writer, facts []fact) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range facts {
		if f.text != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", f.name, clean(f.text)) // Flush reports it
		}
	}
	_ = w.Flush() // a broken output ends the command anyway
}

func (a *asker) showConnection(c apiclient.Connection) {
	status := c.Status + ", since " + strings.TrimSuffix(a.age(&c.StatusSince), " ago")
	if c.StatusReason != "" {
		status += ": " + c.StatusReason
	}
	facts := []fact{
		{"connection", c.ID},
		{"employer", title(c)},
		{"status", status},
		{"to do", c.Action},
		{"jobs", jobsLine(c)},
		{"verified", a.age(c.Sync.LastVerifiedAt) + "; compared every " + c.PollInterval},
		{"sync", a.syncLine(c)},
		{"key", keyLine(c)},
		{"modules", strings.Join(c.Modules, ", ")},
		{"webhooks", worksOf(c) + " work"},
		{"connected", a.age(&c.CreatedAt)},
	}
	if c.WebhookSetup == nil {
		facts = slices.DeleteFunc(facts, func(f fact) bool { return f.name == "webhooks" })
	}
	if c.Counts.Held > 0 {
		facts = append(facts, fact{"held", fmt.Sprintf("%d closings wait: `ashbridge holds list --connection %s`", c.Counts.Held, c.ID)})
	}
	if c.Quarantined > 0 {
		facts = append(facts, fact{"quarantine", fmt.Sprintf("%d rows of Ashby's cannot be read", c.Quarantined)})
	}
	for _, m := range c.ModuleStates {
		facts = append(facts, fact{"  " + m.Module, moduleLine(a, m)})
	}
	printFacts(a.out(), facts)
	a.say("")
	printReport(a.out(), c.Report)
}

// jobsLine says how many jobs there are; how many Ashby has is known after the first sync.
func jobsLine(c apiclient.Connection) string {
	if c.Sync.FirstSyncedAt == nil {
		return fmt.Sprintf("%d public so far", c.Counts.Public)
	}
	return fmt.Sprintf("%d public; %d postings in Ashby's last listing, %d in the copy", c.Counts.Public, c.Counts.AtAshby, c.Counts.Mirrored)
}

// keyLine names a key without showing more of it than the API does.
func keyLine(c apiclient.Connection) string {
	text := c.Report.KeyTitle
	if c.KeyLast4 != "" {
		text = strings.TrimSpace(text + " …" + c.KeyLast4)
	}
	return text
}

func moduleLine(a *asker, m apiclient.ModuleState) string {
	switch {
	case m.State != "active":
		return m.State + ": " + m.Reason
	case m.CompleteAt == nil:
		return "is being read for the first time"
	}
	return "complete since " + strings.TrimSuffix(a.age(m.CompleteAt), " ago")
}

// syncLine says how the running pass stands, or when the next is.
func (a *asker) syncLine(c apiclient.Connection) string {
	if c.Status == "removed" || c.Status == "paused" {
		return ""
	}
	s := c.Sync
	if isRunning(s) {
		text := progressOf(c, a.now).text()
		if s.LastError != "" {
			text += " (before: " + s.LastError + ")"
		}
		return text
	}
	if s.LastError != "" {
		return s.LastError + " Tried again " + a.age(s.NextPollAt) + "."
	}
	return "next " + a.age(s.NextPollAt)
}

// printReport prints what a key may do, and what to do about it.
func printReport(out io.Writer, r apiclient.Report) {
	perms := slices.Clone(r.Permissions)
	slices.SortStableFunc(perms, func(a, b apiclient.Permission) int {
		return cmp.Or(cmp.Compare(b2i(b.Required), b2i(a.Required)), cmp.Compare(a.Module, b.Module))
	})
	columns := []column[apiclient.Permission]{
		{"PERMISSION", func(p apiclient.Permission) string { return p.Module + ", " + p.Access }},
		{"STATE", func(p apiclient.Permission) string { return p.State }},
		{"NEEDED", func(p apiclient.Permission) string {
			switch {
			case p.Required:
				return "yes"
			case p.State == "excess":
				return "no"
			}
			return "recommended"
		}},
		{"WHAT FOR", func(p apiclient.Permission) string { return dash(p.Why) }},
	}
	_ = printTable(out, columns, perms) // a broken output ends the command anyway
	for _, advice := range r.Advice {
		_, _ = fmt.Fprintf(out, "- %s\n", clean(advice))
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
