package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// uuidShape is what ids of connections look like, and what nobody calls an employer.
var uuidShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func newConnections() *cobra.Command {
	return group("connections", "See and change the employers that are connected",
		newConnectionsList(), newConnectionsShow(), newConnectionsAdd(), newConnectionsPause(), newConnectionsResume(),
		newConnectionsRotateKey(), newConnectionsSync(), newConnectionsRemove())
}

func newConnectionsList() *cobra.Command {
	var status string
	statuses := []string{"active", "degraded", "unauthorized", "paused"}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the employers that are connected",
		Example: "  ashbridge connections list --status degraded",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&status, "status", "", "only those that are active, degraded, unauthorized or paused")
	complete(cmd, "status", statuses...)
	return asking(cmd, func(a *asker, _ []string) error {
		if status != "" && !slices.Contains(statuses, status) {
			return usagef("--status %q: there are %s", status, strings.Join(statuses, ", "))
		}
		l := listing[apiclient.Connection]{
			path: "/v1/connections", name: "connections",
			columns: []column[apiclient.Connection]{
				{"ID", func(c apiclient.Connection) string { return c.ID }},
				{"EMPLOYER", func(c apiclient.Connection) string { return c.EmployerRef }},
				{"NAME", func(c apiclient.Connection) string { return c.EmployerName }},
				{"STATUS", func(c apiclient.Connection) string { return c.Status }},
				{"JOBS", func(c apiclient.Connection) string { return fmt.Sprint(c.Counts.Public) }},
				{"VERIFIED", a.verified},
				{"WEBHOOKS", worksOf},
				{"TO DO", func(c apiclient.Connection) string { return dash(c.Action) }},
			},
			empty: "No employer is connected: `ashbridge connections add --employer-ref REF --employer-name NAME` connects one.",
		}
		if status != "" {
			l.keep = func(c apiclient.Connection) bool { return c.Status == status }
			l.empty = "No employer's connection is " + status + "."
		}
		return list(a, l)
	})
}

// verified says when a connection's copy was last known to be true.
func (a *asker) verified(c apiclient.Connection) string {
	if c.Sync.LastVerifiedAt == nil {
		return "first sync"
	}
	return a.age(c.Sync.LastVerifiedAt)
}

// worksOf says how many of a connection's webhook types are known to work.
func worksOf(c apiclient.Connection) string {
	if c.WebhookSetup == nil {
		return "-"
	}
	works := 0
	for _, t := range c.WebhookSetup.Types {
		if t.State == "working" {
			works++
		}
	}
	return fmt.Sprintf("%d of %d", works, len(c.WebhookSetup.Types))
}

// find returns the connection that an argument names, by its id or by its employer_ref.
func (a *asker) find(name string) (apiclient.Connection, apiclient.Answer, error) {
	id, err := a.idOf(name)
	if err != nil {
		return apiclient.Connection{}, apiclient.Answer{}, err
	}
	var c apiclient.Connection
	answer, err := a.get(apiclient.Path("v1", "connections", id), &c)
	return c, answer, err
}

// idOf is the id of the connection that an argument names. Removed connections have but their id.
func (a *asker) idOf(name string) (string, error) {
	if uuidShape.MatchString(name) {
		return name, nil
	}
	page, err := apiclient.List[apiclient.Connection](a.ctx(), a.Client, "/v1/connections", "connections", nil, 0)
	if err != nil {
		return "", err
	}
	for _, c := range page.Items {
		if c.EmployerRef == name || c.ID == name {
			return c.ID, nil
		}
	}
	return "", &apiclient.Problem{
		Type: "urn:ashbridge:problem:not-found", Title: "Not found", Status: http.StatusNotFound,
		Detail: fmt.Sprintf("No connection has %q for its id or employer_ref. `ashbridge connections list` lists them.", name),
	}
}

// newOnConnection makes a command whose one argument names a connection.
func newOnConnection(use, short, long string, run func(a *asker, name string) error) *cobra.Command {
	return asking(&cobra.Command{
		Use: use + " CONNECTION", Short: short,
		Long:              strings.TrimSpace(short + ".\n\n" + long + "\nCONNECTION is the id or the employer_ref."),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: first(connectionNames),
	}, func(a *asker, args []string) error { return run(a, args[0]) })
}

func newConnectionsPause() *cobra.Command {
	return newOnConnection("pause", "Pause a connection",
		"Ashby is not asked any more, and the jobs stay on the boards as they are.",
		func(a *asker, name string) error {
			return a.patch(name, map[string]any{"paused": true}, func(c apiclient.Connection) {
				a.say("%s is paused; its %d public jobs stay as they are.", title(c), c.Counts.Public)
				a.say("`ashbridge connections resume %s` goes on.", c.ID)
			})
		})
}

func newConnectionsResume() *cobra.Command {
	return newOnConnection("resume", "Go on with a paused connection",
		"A comparison with Ashby follows at once.",
		func(a *asker, name string) error {
			return a.patch(name, map[string]any{"paused": false}, func(c apiclient.Connection) {
				a.say("%s is %s, and is compared with Ashby now.", title(c), c.Status)
			})
		})
}

// patch changes the connection that name names.
func (a *asker) patch(name string, body map[string]any, text func(apiclient.Connection)) error {
	id, err := a.idOf(name)
	if err != nil {
		return err
	}
	var c apiclient.Connection
	answer, err := a.send(http.MethodPatch, apiclient.Path("v1", "connections", id), body, &c)
	if err != nil {
		return err
	}
	return a.show(answer, func() { text(c) })
}

// title names a connection to a person.
func title(c apiclient.Connection) string { return clean(c.EmployerName + " (" + c.EmployerRef + ")") }

func newConnectionsSync() *cobra.Command {
	var wait bool
	cmd := newOnConnection("sync", "Compare a connection with Ashby now",
		"The next comparison need not be waited for. With --wait the command ends when it is done.",
		func(a *asker, name string) error { return runSync(a, name, wait) })
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is done, and show how far it is")
	return cmd
}

func runSync(a *asker, name string, wait bool) error {
	before, _, err := a.find(name)
	if err != nil {
		return err
	}
	if before.Status == "paused" {
		return &apiclient.Problem{
			Type: "urn:ashbridge:problem:paused", Title: "Connection paused", Status: http.StatusConflict,
			Detail: "`ashbridge connections resume " + before.ID + "` goes on with it, and compares it with Ashby at once.",
		}
	}
	answer, err := a.send(http.MethodPost, apiclient.Path("v1", "connections", before.ID, "sync"), nil, nil)
	if err != nil {
		return err
	}
	if !wait || !a.asJSON { // else the one document is that of the end
		if err := a.show(answer, func() { a.say("%s is compared with Ashby now.", title(before)) }); err != nil || !wait {
			return err
		}
	}
	w := newSyncWatch(a, before.ID, "the sync")
	w.isDone = func(c apiclient.Connection) bool {
		// One that ran before may have read before what this one is asked for.
		return !sameTime(c.Sync.PollStartedAt, before.Sync.PollStartedAt) &&
			!sameTime(c.Sync.LastVerifiedAt, before.Sync.LastVerifiedAt) && !isRunning(c.Sync)
	}
	if err := w.run(a.ctx()); err != nil || !a.asJSON {
		return err
	}
	if w.done != nil { // else it was broken off
		answer.Raw = w.done
	}
	return printJSON(a.out(), answer.Raw)
}

// isRunning says whether a pass is under way.
func isRunning(s apiclient.Sync) bool {
	return s.PollStartedAt != nil && (s.PollFinishedAt == nil || s.PollFinishedAt.Before(*s.PollStartedAt))
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// connectionNames completes the name of a connection: ids, and employer_refs where one is being typed.
func connectionNames(ctx context.Context, client *apiclient.Client, typed string) []string {
	page, err := apiclient.List[apiclient.Connection](ctx, client, "/v1/connections", "connections", nil, completed)
	if err != nil {
		return nil
	}
	var out []string
	for _, c := range page.Items {
		if strings.HasPrefix(c.ID, typed) {
			out = append(out, c.ID+"\t"+title(c)+", "+c.Status)
		}
		isWord := !strings.ContainsFunc(c.EmployerRef, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`'"\$&;|<>()*?[]`+"`", r) })
		if typed != "" && isWord && strings.HasPrefix(c.EmployerRef, typed) {
			out = append(out, c.EmployerRef+"\t"+clean(c.EmployerName)+", "+c.Status)
		}
	}
	slices.Sort(out)
	return out
}
