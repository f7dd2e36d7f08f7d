package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

func newHolds() *cobra.Command {
	return group("holds", "See and decide on closings of many jobs that wait",
		newHoldsList(), newHoldsApprove(), newHoldsReject())
}

func newHoldsList() *cobra.Command {
	var connection string
	var ended bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the closings that wait",
		Long: "List the closings that wait.\n\n" +
			"When so many jobs of an employer vanish at once that it is likely a mistake, nothing closes until a second listing\n" +
			"agrees, or a person decides.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&connection, "connection", "", "only those of this connection, by id or employer_ref")
	cmd.Flags().BoolVar(&ended, "ended", false, "those that ended too")
	completeWith(cmd, "connection", completing(connectionNames))
	return asking(cmd, func(a *asker, _ []string) error {
		query := url.Values{}
		if connection != "" {
			id, err := a.idOf(connection)
			if err != nil {
				return err
			}
			query.Set("connection", id)
		}
		if ended {
			query.Set("ended", "true")
		}
		empty := "No closing waits: there is nothing to decide."
		if ended {
			empty = "No closing waits, and none ended in the last 90 days."
		}
		return list(a, listing[apiclient.Hold]{
			path: "/v1/holds", name: "holds", query: query,
			columns: []column[apiclient.Hold]{
				{"ID", func(h apiclient.Hold) string { return h.ID }},
				{"EMPLOYER", func(h apiclient.Hold) string { return h.EmployerRef }},
				{"STATE", stateOfHold},
				{"VANISHED", func(h apiclient.Hold) string { return fmt.Sprintf("%d of %d", len(h.Postings), h.PublicCount) }},
				{"WAITING", func(h apiclient.Hold) string { return strings.TrimSuffix(a.age(&h.WaitingSince), " ago") }},
			},
			below: a.explainHolds,
			empty: empty,
		})
	})
}

// explainHolds says why each waits and what happens next, and how to decide on those that are not decided.
func (a *asker) explainHolds(holds []apiclient.Hold) {
	open := ""
	for _, h := range holds {
		a.say("- %s: %s", h.ID, clean(strings.TrimSuffix(h.Reason, ".")+". "+h.Next))
		for _, d := range h.DecisionsMade {
			line := fmt.Sprintf("  %s by %s %s", d.Decision, cmp.Or(d.DecidedBy, "somebody"), a.age(&d.DecidedAt))
			if d.Note != "" {
				line += ": " + d.Note
			}
			a.say("%s", clean(line))
		}
		if h.State == "open" {
			open = h.ID
		}
	}
	if open != "" {
		a.say("`ashbridge holds approve %s` lets its jobs close once each is read and gone; `ashbridge holds reject %s` keeps them open.", open, open)
	}
}

func stateOfHold(h apiclient.Hold) string {
	if h.Outcome != "" {
		return h.State + ", " + h.Outcome
	}
	return h.State
}

func newHoldsApprove() *cobra.Command {
	return newHoldDecision("approve", "Let the jobs of a hold close",
		"Each of the postings is read once more, and those that are really gone are closed on every board.")
}

func newHoldsReject() *cobra.Command {
	return newHoldDecision("reject", "Keep the jobs of a hold open",
		"They stay open on every board until Ashby lists them again, or until a read or a webhook of one says that it is closed.")
}

func newHoldDecision(verb, short, long string) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: verb + " HOLD", Short: short, Long: short + ".\n\n" + long,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: first(holdNames),
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for whoever asks later")
	return asking(cmd, func(a *asker, args []string) error {
		var body any
		if note != "" {
			body = map[string]any{"note": note}
		}
		var h apiclient.Hold
		answer, err := a.send(http.MethodPost, apiclient.Path("v1", "holds", args[0], verb), body, &h)
		if err != nil {
			return err
		}
		return a.show(answer, func() {
			a.say("hold %s of %s is %s: %d postings.", h.ID, clean(h.EmployerName+" ("+h.EmployerRef+")"), stateOfHold(h), len(h.Postings))
			for _, p := range h.Postings {
				title := "(not public any more)"
				if p.Title != nil {
					title = *p.Title
				}
				a.say("  %s  %s", p.ID, clean(title))
			}
			a.say("%s", clean(h.Next))
		})
	})
}

// holdNames completes the id of a hold that waits.
func holdNames(ctx context.Context, client *apiclient.Client, typed string) []string {
	page, err := apiclient.List[apiclient.Hold](ctx, client, "/v1/holds", "holds", nil, completed)
	if err != nil {
		return nil
	}
	var out []string
	for _, h := range page.Items {
		if strings.HasPrefix(h.ID, typed) {
			out = append(out, fmt.Sprintf("%s\t%s, %s, %d postings", h.ID, clean(h.EmployerName), h.State, len(h.Postings)))
		}
	}
	return out
}
