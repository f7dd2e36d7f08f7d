package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
)

// jsonFlag adds --json to a command that says in a sentence what it did.
func jsonFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("json", false, "print the result as one JSON document")
}

// wantsJSON says whether a command was called with --json.
func wantsJSON(cmd *cobra.Command) bool {
	flag := cmd.Flags().Lookup("json")
	return flag != nil && flag.Value.String() == "true"
}

// printResult prints what a command did: as a document, or as text.
func printResult(cmd *cobra.Command, asJSON bool, document map[string]any, format string, args ...any) error {
	if asJSON {
		return writeJSON(cmd.OutOrStdout(), document)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
	return err
}

// printProblem prints an error as a document in one line: the gateway's own, or one of the same shape, with the status with
// which the command ends.
func printProblem(out io.Writer, err error, code int) {
	document := map[string]any{}
	if p, ok := errors.AsType[*apiclient.Problem](err); !ok || json.Unmarshal(p.Raw, &document) != nil || len(document) == 0 {
		document = map[string]any{"type": "about:blank", "detail": err.Error()}
		for _, e := range exitCodes {
			if e.code == code {
				document["title"] = e.means
			}
		}
	}
	document["exit_status"] = code
	_ = json.NewEncoder(out).Encode(document) // there is nowhere else to say it
}
