package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

func newWebhooks() *cobra.Command {
	return group("webhooks", "See which of Ashby's webhooks work, and set them up", newWebhooksList(), newWebhooksSetup())
}

func newWebhooksList() *cobra.Command {
	return asking(&cobra.Command{
		Use:   "list [CONNECTION]",
		Short: "Tell of each connection which webhook types work, and what to do",
		Long: "Tell of each connection, or of one, which webhook types work, and what to do.\n\n" +
			"COVERAGE is how many of the changes the webhook told of before a poll found them. CONNECTION is the id or the employer_ref.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: first(connectionNames),
	}, func(a *asker, args []string) error {
		var connections []apiclient.Connection
		if len(args) == 1 {
			c, _, err := a.find(args[0])
			if err != nil {
				return err
			}
			connections = append(connections, c)
		} else {
			page, err := apiclient.List[apiclient.Connection](a.ctx(), a.Client, "/v1/connections", "connections", nil, 0)
			if err != nil {
				return err
			}
			connections = page.Items
		}
		if a.asJSON {
			return printWebhooks(a, connections)
		}
		if len(connections) == 0 {
			a.say("No employer is connected: `ashbridge connections add --employer-ref REF --employer-name NAME` connects one.")
		}
		for i, c := range connections {
			if i > 0 {
				a.say("")
			}
			if err := a.showWebhooks(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// printWebhooks prints one document with the types of each connection.
func printWebhooks(a *asker, connections []apiclient.Connection) error {
	type entry struct {
		Connection  string                  `json:"connection"`
		EmployerRef string                  `json:"employer_ref"`
		Types       []apiclient.WebhookType `json:"types"`
	}
	out := struct {
		Webhooks []entry `json:"webhooks"`
	}{[]entry{}}
	for _, c := range connections {
		e := entry{c.ID, c.EmployerRef, []apiclient.WebhookType{}}
		if c.WebhookSetup != nil {
			e.Types = c.WebhookSetup.Types
		}
		out.Webhooks = append(out.Webhooks, e)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("printing the webhooks: %w", err)
	}
	return printJSON(a.out(), raw)
}

func (a *asker) showWebhooks(c apiclient.Connection) error {
	if c.WebhookSetup == nil {
		a.say("%s  %s is removed: its webhooks are answered 410.", title(c), c.ID)
		return nil
	}
	a.say("%s  %s: %s work", title(c), c.ID, worksOf(c))
	columns := []column[apiclient.WebhookType]{
		{"  TYPE", func(t apiclient.WebhookType) string { return "  " + t.EventType }},
		{"STATE", func(t apiclient.WebhookType) string { return t.State }},
		{"COVERAGE", coverageOf},
		{"SEEN", func(t apiclient.WebhookType) string { return a.age(later(t.LastSeenAt, t.PingedAt)) }},
	}
	if err := printTable(a.out(), columns, c.WebhookSetup.Types); err != nil {
		return err
	}
	unseen := 0
	for _, t := range c.WebhookSetup.Types {
		switch {
		case t.State == "never_seen":
			unseen++
		case t.WhatToDo != "":
			a.say("- %s: %s", t.EventType, clean(t.WhatToDo))
		}
	}
	if unseen > 0 {
		a.say("- %d types were never seen. `ashbridge webhooks setup %s` makes their settings, with a key that may write API Keys; "+
			"`ashbridge connections show --json %s` has the address of each and the steps to make them by hand. Until then polls find "+
			"the changes, every %s.", unseen, c.ID, c.ID, c.PollInterval)
	}
	return nil
}

// coverageOf says how many of the changes a type told of first.
func coverageOf(t apiclient.WebhookType) string {
	if t.Coverage == nil {
		return "-"
	}
	return fmt.Sprintf("%d%% of %d", int(*t.Coverage*100), t.ByWebhook+t.ByPoll)
}

// later is the later of two times that may not be there.
func later(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.After(*a) {
		return b
	}
	return a
}

func newWebhooksSetup() *cobra.Command {
	var keyFile string
	cmd := newOnConnection("setup", "Make, check and repair a connection's webhook settings at Ashby",
		"The connection's key must be allowed to write API Keys. Another key that is can be given for this one time with\n"+
			"--api-key-file, - for the input; it is not kept. The command may be repeated.\n",
		func(a *asker, name string) error { return runWebhooksSetup(a, name, keyFile) })
	keyFileFlag(cmd, &keyFile)
	return cmd
}

func runWebhooksSetup(a *asker, name, keyFile string) error {
	id, err := a.idOf(name)
	if err != nil {
		return err
	}
	var body any
	if keyFile != "" {
		key, err := a.readKey(keyFile, "")
		if err != nil {
			return err
		}
		body = map[string]any{"api_key": key.Reveal()}
	}
	var settled struct {
		Webhooks []apiclient.SettledWebhook `json:"webhooks"`
	}
	answer, err := a.send(http.MethodPost, apiclient.Path("v1", "connections", id, "webhooks"), body, &settled)
	if err != nil {
		return err
	}
	columns := []column[apiclient.SettledWebhook]{
		{"TYPE", func(s apiclient.SettledWebhook) string { return s.EventType }},
		{"SETTING", func(s apiclient.SettledWebhook) string { return s.Action }},
		{"TO DO", func(s apiclient.SettledWebhook) string { return cmp.Or(s.Problem, "-") }},
	}
	if err := a.show(answer, func() { _ = printTable(a.out(), columns, settled.Webhooks) }); err != nil {
		return err
	}
	for _, s := range settled.Webhooks {
		if s.Action == "failed" {
			return fmt.Errorf("the setting of %s, or more of them, could not be made", s.EventType)
		}
	}
	return nil
}
