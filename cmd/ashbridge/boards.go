package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

func newSubscribers() *cobra.Command {
	return group("subscribers", "See the job boards that read events at NATS", newSubscribersList())
}

func newSubscribersList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the job boards that read events at NATS, and how far behind they are", Args: cobra.NoArgs}
	return asking(cmd, func(a *asker, _ []string) error {
		return list(a, listing[apiclient.Subscriber]{
			path: "/v1/subscribers", name: "subscribers",
			columns: []column[apiclient.Subscriber]{
				{"ID", func(s apiclient.Subscriber) string { return s.ID }},
				{"NAME", func(s apiclient.Subscriber) string { return s.Name }},
				{"STATUS", func(s apiclient.Subscriber) string { return s.Status }},
				{"EMPLOYERS", func(s apiclient.Subscriber) string { return howMany(s.Employers) }},
				{"BEHIND", behind},
				{"OLDEST", func(s apiclient.Subscriber) string { return a.oldest(s.Lag) }},
				{"NOTE", func(s apiclient.Subscriber) string { return dash(strings.TrimSpace(s.Note + " " + s.LagNote)) }},
			},
			empty: "No job board reads at NATS: POST /v1/subscribers lets one in, as docs/consuming.md says.",
		})
	})
}

// howMany says of which employers a board is told; nil stands for all.
func howMany(employers []string) string {
	if employers == nil {
		return "all"
	}
	return fmt.Sprint(len(employers))
}

// behind says how many events a board has not acknowledged.
func behind(s apiclient.Subscriber) string {
	switch {
	case s.Lag == nil:
		return "-"
	case !s.Lag.Asking:
		return fmt.Sprintf("%d, not asking", s.Lag.Pending+s.Lag.Unacknowledged)
	}
	return fmt.Sprint(s.Lag.Pending + s.Lag.Unacknowledged)
}

func (a *asker) oldest(l *apiclient.Lag) string {
	if l == nil || l.OldestAt == nil {
		return "-"
	}
	return a.age(l.OldestAt)
}

func newEndpoints() *cobra.Command {
	return group("endpoints", "See the addresses to which webhooks are sent", newEndpointsList())
}

func newEndpointsList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the addresses to which webhooks are sent, and how they answer", Args: cobra.NoArgs}
	return asking(cmd, func(a *asker, _ []string) error {
		return list(a, listing[apiclient.Endpoint]{
			path: "/v1/endpoints", name: "endpoints",
			columns: []column[apiclient.Endpoint]{
				{"ID", func(e apiclient.Endpoint) string { return e.ID }},
				{"URL", func(e apiclient.Endpoint) string { return e.URL }},
				{"STATUS", func(e apiclient.Endpoint) string { return e.Status }},
				{"EMPLOYERS", func(e apiclient.Endpoint) string { return howMany(e.Employers) }},
				{"WAITING", func(e apiclient.Endpoint) string { return fmt.Sprint(e.Waiting) }},
				{"FAILED", func(e apiclient.Endpoint) string { return fmt.Sprint(e.Failed) }},
				{"TOOK ONE", func(e apiclient.Endpoint) string { return a.age(e.Health.LastSuccessAt) }},
				{"WHY", func(e apiclient.Endpoint) string { return dash(e.StatusReason) }},
			},
			empty: "No webhooks are sent: POST /v1/endpoints names an address, as docs/consuming.md says.",
		})
	})
}

// subscriberNames completes the id of a board.
func subscriberNames(ctx context.Context, client *apiclient.Client, typed string) []string {
	page, err := apiclient.List[apiclient.Subscriber](ctx, client, "/v1/subscribers", "subscribers", nil, completed)
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range page.Items {
		if strings.HasPrefix(s.ID, typed) {
			out = append(out, s.ID+"\t"+clean(s.Name))
		}
	}
	return out
}
