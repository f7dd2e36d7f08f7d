package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

// asker is one run of a command that asks the gateway.
type asker struct {
	*apiclient.Client
	cmd    *cobra.Command
	asJSON bool
	now    time.Time
}

// asking completes a command that asks the gateway: the flags that say where it is and with which token, --json, and
// the client for run.
func asking(cmd *cobra.Command, run func(a *asker, args []string) error) *cobra.Command {
	config.RegisterClientFlags(cmd.Flags())
	asJSON := cmd.Flags().Bool("json", false, "print one JSON document, as the API gives it, instead of a table")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := config.Load(config.Environ(), cmd.Flags(), config.Client)
		if err != nil {
			return err
		}
		tellExposed(cmd, cfg)
		client := newClient(cfg)
		defer client.Close()
		a := &asker{Client: client, cmd: cmd, asJSON: *asJSON, now: time.Now()}
		if isOpenToAll(client.Base()) {
			a.tell("warning: %s is not encrypted: tokens and keys can be read on the way", client.Base())
		}
		return run(a, args)
	}
	return cmd
}

// isOpenToAll says that what is sent to an address can be read on its way: it is plain HTTP, to another machine, and no
// name without dots such as containers of one network have.
func isOpenToAll(base string) bool {
	at, err := url.Parse(base)
	if err != nil || at.Scheme != "http" {
		return false
	}
	host := at.Hostname()
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback()
	}
	return strings.Contains(host, ".") && !strings.HasSuffix(host, ".localhost")
}

// openClient makes the client that the configuration describes.
func openClient(cmd *cobra.Command) (*apiclient.Client, error) {
	cfg, err := config.Load(config.Environ(), cmd.Flags(), config.Client)
	if err != nil {
		return nil, err
	}
	return newClient(cfg), nil
}

func newClient(cfg config.Config) *apiclient.Client {
	return apiclient.New(apiclient.Options{Base: cfg.Address(), Token: cfg.Bearer(), Agent: "ashbridge/" + version})
}

func (a *asker) ctx() context.Context { return a.cmd.Context() }
func (a *asker) out() io.Writer       { return a.cmd.OutOrStdout() }
func (a *asker) errOut() io.Writer    { return a.cmd.ErrOrStderr() }

// say prints a line of the result, tell one beside it.
func (a *asker) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.out(), format+"\n", args...)
}

func (a *asker) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(a.errOut(), format+"\n", args...)
}

// get reads a document.
func (a *asker) get(path string, v any) (apiclient.Answer, error) {
	return a.Call(a.ctx(), http.MethodGet, path, nil, v)
}

// send asks for a change. The request has no body where body is nil.
func (a *asker) send(method, path string, body, v any) (apiclient.Answer, error) {
	return a.Call(a.ctx(), method, path, body, v)
}

// show prints an answer: as it is with --json, else by means of text.
func (a *asker) show(answer apiclient.Answer, text func()) error {
	if !a.asJSON {
		text()
		return nil
	}
	return printJSON(a.out(), answer.Raw)
}

func printJSON(out io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		return fmt.Errorf("printing the answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := out.Write(b.Bytes())
	return err
}

// column is one of a table's: its head, and what it says of an entry.
type column[T any] struct {
	head string
	text func(T) string
}

// listing is a list of the API as a command shows it.
type listing[T any] struct {
	// path is where it is, name what its entries are called in the answer.
	path, name string
	query      url.Values
	// most bounds how many are shown; 0 for all.
	most int
	// keep leaves entries out, nil for none.
	keep    func(T) bool
	columns []column[T]
	// empty says what to do where there are none.
	empty string
	// below prints what is too long for the table; nil for nothing.
	below func([]T)
}

// list prints a list: as a table, or with --json as one document with the key that the API uses.
func list[T any](a *asker, l listing[T]) error {
	page, err := apiclient.List[T](a.ctx(), a.Client, l.path, l.name, l.query, l.most)
	if err != nil {
		return err
	}
	page = kept(page, l.keep)
	if a.asJSON {
		return printPage(a.out(), l.name, page.Raw, page.Next)
	}
	if len(page.Items) == 0 {
		a.say("%s", l.empty)
		return nil
	}
	if err := printTable(a.out(), l.columns, page.Items); err != nil {
		return err
	}
	if l.below != nil {
		l.below(page.Items)
	}
	if page.Next != "" {
		a.tell("there are more: --limit shows them")
	}
	return nil
}

func kept[T any](p apiclient.Page[T], keep func(T) bool) apiclient.Page[T] {
	if keep == nil {
		return p
	}
	out := apiclient.Page[T]{Next: p.Next}
	for i, item := range p.Items {
		if keep(item) {
			out.Items, out.Raw = append(out.Items, item), append(out.Raw, p.Raw[i])
		}
	}
	return out
}

// printPage prints entries as the API would on one page.
func printPage(out io.Writer, name string, entries []json.RawMessage, next string) error {
	if entries == nil {
		entries = []json.RawMessage{}
	}
	document := map[string]any{name: entries, "next_cursor": nil}
	if next != "" {
		document["next_cursor"] = next
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("printing the answer: %w", err)
	}
	return printJSON(out, raw)
}

// printTable aligns the columns. What others wrote cannot steer the terminal.
func printTable[T any](out io.Writer, columns []column[T], items []T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cell func(column[T]) string) {
		for i, c := range columns {
			if i > 0 {
				_, _ = io.WriteString(w, "\t") // Flush reports it
			}
			_, _ = io.WriteString(w, cell(c))
		}
		_, _ = io.WriteString(w, "\n")
	}
	row(func(c column[T]) string { return c.head })
	for _, item := range items {
		row(func(c column[T]) string { return clean(c.text(item)) })
	}
	return w.Flush()
}

// age says how long ago a time is, or how long it is until then; "never" where there is none.
func (a *asker) age(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	d := a.now.Sub(*t)
	if d < 0 {
		return "in " + span((-d).Round(time.Second)) // what was made to end in a day just now ends in a day
	}
	return span(d) + " ago"
}

// span is a length of time in one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// dash stands for an empty cell.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
