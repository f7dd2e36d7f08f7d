package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

const (
	// completeTime is what a press of the Tab key may take.
	completeTime = 1500 * time.Millisecond
	// completed is how many entries are looked at for it.
	completed = 200
)

// completer is a function of cobra's that completes an argument or a flag.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective)

// names are what may stand at a place, as the gateway knows it, each with a word on it behind a tab.
type names func(ctx context.Context, client *apiclient.Client, typed string) []string

// completing asks the gateway for names. A gateway that is away, slow or refuses leaves nothing to offer, silently.
func completing(n names) completer {
	return func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := openClient(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		return n(ctx, client, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument alone.
func first(n names) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completing(n)(cmd, args, typed)
	}
}

// complete has a flag completed with words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	completeWith(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func completeWith(cmd *cobra.Command, flag string, c completer) {
	_ = cmd.RegisterFlagCompletionFunc(flag, c) // fails only for a flag that is not there, or twice
}
