package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// tokenRoles are the roles that a token can have, with what they may do.
var tokenRoles = []struct{ name, may string }{
	{"admin", "everything"},
	{"operator", "everything but tokens"},
	{"read-only", "look at everything but tokens and the audit log"},
	{"connect-only", "connect employers, and see how their connections stand"},
}

func newTokens() *cobra.Command {
	return group("tokens", "See, make and revoke tokens of the API", newTokensCreate(), newTokensList(), newTokensRevoke(), newTokensWhoami())
}

func newTokensWhoami() *cobra.Command {
	return asking(&cobra.Command{Use: "whoami", Short: "Say which token is in use, and what it may do", Args: cobra.NoArgs},
		func(a *asker, _ []string) error {
			var t apiclient.Token
			answer, err := a.get("/v1/whoami", &t)
			if err != nil {
				return err
			}
			return a.show(answer, func() { a.say("%s, %s, at %s: %s", t.ID, clean(t.Name), a.Base(), t.Role) })
		})
}

func newTokensCreate() *cobra.Command {
	var role, expires, out string
	var words, names []string
	for _, r := range tokenRoles {
		names = append(names, r.name)
		words = append(words, r.name+"\t"+r.may)
	}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token",
		Long: "Make a token. --out writes it into a new file that only this user may read, for ASHBRIDGE_TOKEN_FILE; else it is\n" +
			"printed this once, alone on the output.\n\nRoles:\n" +
			roleHelp(),
		Example: "  ashbridge tokens create grafana --role read-only --out grafana.token",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&role, "role", "", strings.Join(names, ", "))
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends: a time such as 2027-01-31T00:00:00Z, or after so long, such as 720h or 90d; never where empty")
	cmd.Flags().StringVar(&out, "out", "", "file to make for the token, instead of printing it; one that is there is left as it is")
	_ = cmd.MarkFlagRequired("role") // fails only for a flag that is not there
	complete(cmd, "role", words...)
	return asking(cmd, func(a *asker, args []string) error {
		if !slices.Contains(names, role) {
			return usagef("--role %q: there are %s", role, strings.Join(names, ", "))
		}
		body := map[string]any{"name": args[0], "role": role}
		if expires != "" {
			at, err := expiry(expires, a.now)
			if err != nil {
				return err
			}
			body["expires_at"] = at.UTC().Format(time.RFC3339)
		}
		return createToken(a, body, out)
	})
}

func createToken(a *asker, body map[string]any, out string) error {
	if out == "" {
		var t apiclient.Token
		answer, err := a.send(http.MethodPost, "/v1/tokens", body, &t)
		if err != nil {
			return err
		}
		return a.show(answer, func() {
			a.say("%s", t.Token)
			a.tell("token %s (%s, %s) is shown this once; ends: %s", t.ID, clean(t.Name), t.Role, a.age(t.ExpiresAt))
		})
	}
	// Before the token is made, which is shown once.
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usagef("--out: %w", err)
	}
	var t apiclient.Token
	answer, err := a.send(http.MethodPost, "/v1/tokens", body, &t)
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(out))
	}
	_, err = f.WriteString(t.Token + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keeping token %s, which cannot be had again: revoke it, and make another: %w", t.ID, err)
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(answer.Raw, &document); err != nil {
		return fmt.Errorf("reading the gateway's answer: %w", err)
	}
	delete(document, "token")
	if answer.Raw, err = json.Marshal(document); err != nil {
		return fmt.Errorf("printing the answer: %w", err)
	}
	return a.show(answer, func() {
		a.say("token %s (%s, %s) is in %s; ends: %s", t.ID, clean(t.Name), t.Role, out, a.age(t.ExpiresAt))
	})
}

func roleHelp() string {
	var b strings.Builder
	for _, r := range tokenRoles {
		b.WriteString("  " + r.name + strings.Repeat(" ", 14-len(r.name)) + r.may + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// expiry reads a time to come, or how long it is until then, days too.
func expiry(text string, now time.Time) (time.Time, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return now.AddDate(0, 0, n), nil
		}
	}
	if in, err := time.ParseDuration(text); err == nil && in > 0 {
		return now.Add(in), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !at.After(now) {
		return at, usagef("--expires %q is neither a time to come such as 2027-01-31T00:00:00Z nor a length such as 90d", text)
	}
	return at, nil
}

func newTokensList() *cobra.Command {
	var revoked bool
	cmd := &cobra.Command{Use: "list", Short: "List the tokens", Args: cobra.NoArgs}
	cmd.Flags().BoolVar(&revoked, "revoked", false, "those that were revoked too")
	return asking(cmd, func(a *asker, _ []string) error {
		query := url.Values{}
		if revoked {
			query.Set("revoked", "true")
		}
		return list(a, listing[apiclient.Token]{
			path: "/v1/tokens", name: "tokens", query: query,
			columns: []column[apiclient.Token]{
				{"ID", func(t apiclient.Token) string { return t.ID }},
				{"NAME", func(t apiclient.Token) string { return t.Name }},
				{"ROLE", func(t apiclient.Token) string { return t.Role }},
				{"BEGINS", func(t apiclient.Token) string { return t.Hint + "…" }},
				{"MADE", func(t apiclient.Token) string { return a.age(&t.CreatedAt) + " by " + t.CreatedBy }},
				{"USED", func(t apiclient.Token) string { return a.age(t.LastUsedAt) }},
				{"ENDS", func(t apiclient.Token) string { return endOf(a, t) }},
			},
			empty: "There is no token but that of the gateway's configuration: `ashbridge tokens create NAME --role ROLE` makes one.",
		})
	})
}

func endOf(a *asker, t apiclient.Token) string {
	switch {
	case t.RevokedAt != nil:
		return "revoked " + a.age(t.RevokedAt)
	case t.ExpiresAt != nil && !t.ExpiresAt.After(a.now):
		return "ended " + a.age(t.ExpiresAt)
	}
	return a.age(t.ExpiresAt)
}

func newTokensRevoke() *cobra.Command {
	return asking(&cobra.Command{
		Use: "revoke TOKEN", Short: "End a token for good",
		Long:              "End a token for good. TOKEN is its id, tok_….",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: first(tokenNames),
	}, func(a *asker, args []string) error {
		var t apiclient.Token
		answer, err := a.send(http.MethodDelete, apiclient.Path("v1", "tokens", args[0]), nil, &t)
		if err != nil {
			return err
		}
		return a.show(answer, func() { a.say("token %s (%s) is revoked: nobody can use it any more.", t.ID, clean(t.Name)) })
	})
}

// tokenNames completes the id of a token that is not revoked.
func tokenNames(ctx context.Context, client *apiclient.Client, typed string) []string {
	page, err := apiclient.List[apiclient.Token](ctx, client, "/v1/tokens", "tokens", nil, completed)
	if err != nil {
		return nil
	}
	var out []string
	for _, t := range page.Items {
		if t.RevokedAt == nil && strings.HasPrefix(t.ID, typed) {
			out = append(out, t.ID+"\t"+clean(t.Name)+", "+t.Role)
		}
	}
	return out
}
