package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/rotation"
)

// How a command ends.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitNotFound    = 4
	exitNotNow      = 5
	exitUnreached   = 6
	exitInterrupted = 130
)

// exitCodes say what each status means, for --help and docs/cli.md.
var exitCodes = []struct {
	code  int
	means string
}{
	{exitDone, "done; services: stopped as they were asked to"},
	{exitFailed, "failed, or what was compared or checked is not as it should be"},
	{exitUsage, "wrong usage or configuration: a flag, an argument, a variable, a value that the gateway does not take"},
	{exitRefused, "refused: the API token is missing, wrong, expired, or its role may not do this"},
	{exitNotFound, "there is nothing with this id, or not any more"},
	{exitNotNow, "not possible as things are: a conflict, a key that Ashby refuses or that lacks a permission, or a service that lacks the present keyset"},
	{exitUnreached, "the gateway, or Ashby behind it, is not reached or busy: try again"},
	{exitInterrupted, "interrupted before it was done"},
}

// exitHelp is the table as text.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit status:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.means)
	}
	return strings.TrimRight(b.String(), "\n")
}

// usageError is what the user can mend on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errInterrupted is that the user broke off what a command asked.
var errInterrupted = errors.New("interrupted")

// begunError is an error of a command that began to run: cobra found nothing wrong with the command line.
type begunError struct{ error }

func (e begunError) Unwrap() error { return e.error }

// markBegun makes the errors of all commands below cmd tell whether they began to run.
func markBegun(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return begunError{err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		markBegun(c)
	}
}

// exitCode is the status that tells of an error; ctx is the command's.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	if _, begun := errors.AsType[begunError](err); !begun {
		return exitUsage
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[config.Faults](err); ok {
		return exitUsage
	}
	if p, ok := errors.AsType[*apiclient.Problem](err); ok {
		return exitOf(p)
	}
	if errors.Is(err, apiclient.ErrUnreachable) {
		return exitUnreached
	}
	if errors.Is(err, rotation.ErrWaiting) || errors.Is(err, rotation.ErrBusy) || errors.Is(err, rotation.ErrUnfinished) {
		return exitNotNow
	}
	return exitFailed
}

// exitOf is the status that tells of an answer of the gateway.
func exitOf(p *apiclient.Problem) int {
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitRefused
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnreached
	}
	if p.Name() == "" { // whoever answered is not our gateway
		return exitUnreached
	}
	switch p.Status {
	case http.StatusNotFound, http.StatusGone:
		return exitNotFound
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return exitNotNow
	}
	if p.Status < http.StatusInternalServerError {
		return exitUsage
	}
	return exitFailed
}

// execute runs the command line and returns the status with which the process ends. What went wrong is told on the error
// output, with --json as a document.
func execute(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	if wantsJSON(cmd) {
		printProblem(root.ErrOrStderr(), err, code)
		return code
	}
	tellError(cmd, root.ErrOrStderr(), err)
	return code
}

func tellError(cmd *cobra.Command, out io.Writer, err error) {
	_, _ = fmt.Fprintln(out, "ashbridge:", err)
	if p, ok := errors.AsType[*apiclient.Problem](err); ok && p.Status == http.StatusUnauthorized {
		_, _ = fmt.Fprintln(out, "The token is that of ASHBRIDGE_TOKEN, ASHBRIDGE_TOKEN_FILE or --token-file, else of ASHBRIDGE_ADMIN_TOKEN.")
	}
	_, begun := errors.AsType[begunError](err)
	_, isUsage := errors.AsType[usageError](err)
	if !begun || isUsage {
		_, _ = fmt.Fprintf(out, "See %s --help\n", cmd.CommandPath())
	}
}

// ofGroup marks what group made.
const ofGroup = "ashbridge_group"

// group makes a command that only has others below it: alone it prints its help, and a command that is not there is an
// error.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				text += ": did you mean " + strings.Join(like, " or ") + "?"
			}
			return errors.New(text)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.Annotations = map[string]string{ofGroup: "true"}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(below...)
	return cmd
}
