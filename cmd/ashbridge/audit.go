package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// auditOptions are the flags of audit list.
type auditOptions struct {
	since, until, actor, action, connection string
	limit                                   int
}

func newAudit() *cobra.Command {
	return group("audit", "See who did what", newAuditList())
}

func newAuditList() *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List administrative acts, the latest first",
		Example: "  ashbridge audit list --since 24h --action connection.rotate_key",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "only those since a time, such as 2026-11-23T10:00:00Z, or since so long ago, such as 90m")
	f.StringVar(&o.until, "until", "", "only those before a time, given as for --since")
	f.StringVar(&o.actor, "actor", "", "only those of this actor, by id or name")
	f.StringVar(&o.action, "action", "", "only this action, such as hold.approve, or all on one thing, such as hold")
	f.StringVar(&o.connection, "connection", "", "only those on this connection, by id or employer_ref")
	f.IntVar(&o.limit, "limit", 50, "how many at most; 0 for all")
	completeWith(cmd, "connection", completing(connectionNames))
	return asking(cmd, func(a *asker, _ []string) error { return runAuditList(a, o) })
}

func runAuditList(a *asker, o auditOptions) error {
	query, err := a.auditQuery(o)
	if err != nil {
		return err
	}
	return list(a, listing[apiclient.AuditEntry]{
		path: "/v1/audit", name: "entries", query: query, most: o.limit,
		columns: []column[apiclient.AuditEntry]{
			{"WHEN", func(e apiclient.AuditEntry) string { return a.age(&e.At) }},
			{"WHO", actorOf},
			{"ROLE", func(e apiclient.AuditEntry) string { return dash(e.Role) }},
			{"ACTION", func(e apiclient.AuditEntry) string { return e.Action }},
			{"TARGET", func(e apiclient.AuditEntry) string { return dash(e.Target) }},
			{"OUTCOME", outcomeOf},
		},
		empty: "Nothing was done that these filters show.",
	})
}

func (a *asker) auditQuery(o auditOptions) (url.Values, error) {
	query := url.Values{}
	if o.limit < 0 {
		return nil, usagef("--limit is a number from 0")
	}
	for name, text := range map[string]string{"since": o.since, "until": o.until} {
		at, err := moment(name, text, a.now)
		if err != nil {
			return nil, err
		}
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339))
		}
	}
	for name, text := range map[string]string{"actor": o.actor, "action": o.action} {
		if text != "" {
			query.Set(name, text)
		}
	}
	if o.connection != "" {
		id, err := a.idOf(o.connection)
		if err != nil {
			return nil, err
		}
		query.Set("connection", id)
	}
	return query, nil
}

func actorOf(e apiclient.AuditEntry) string {
	switch {
	case e.Actor.Name != "" && e.Actor.Name != e.Actor.Kind:
		return e.Actor.Name + " (" + e.Actor.Kind + ")"
	case e.Actor.ID != "" && e.Actor.ID != e.Actor.Kind:
		return e.Actor.ID
	}
	return e.Actor.Kind
}

func outcomeOf(e apiclient.AuditEntry) string {
	if e.Status != nil && *e.Status != 0 {
		return fmt.Sprintf("%s (%d)", e.Outcome, *e.Status)
	}
	return e.Outcome
}
