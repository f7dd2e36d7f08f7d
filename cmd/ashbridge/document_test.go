package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

const (
	documentPath = "../../docs/cli.md"
	regenerate   = "go test ./cmd/ashbridge -run TestTheDocumentIsOfThisProgram -update-document"
)

var updateDocument = flag.Bool("update-document", false, "write docs/cli.md anew")

// TestTheDocumentIsOfThisProgram compares docs/cli.md with the commands that there are.
func TestTheDocumentIsOfThisProgram(t *testing.T) {
	t.Parallel()
	want := document(newRoot(io.Discard, io.Discard))
	if *updateDocument {
		if err := os.WriteFile(documentPath, []byte(want), 0o644); err != nil { //nolint:gosec // a document is for all
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/cli.md is of another program; `%s` writes it anew (-document +program):\n%s", regenerate, diff)
	}
}

// TestEveryCommandThatEndsHasJSON: scripts need not read sentences.
func TestEveryCommandThatEndsHasJSON(t *testing.T) {
	t.Parallel()
	services := []string{"ashbridge up", "ashbridge gateway", "ashbridge syncer", "ashbridge notifier", "ashbridge sim"}
	for _, c := range leavesOf(newRoot(io.Discard, io.Discard)) {
		if !slices.Contains(services, c.CommandPath()) && c.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", c.CommandPath())
		}
	}
}

// document describes the commands in Markdown.
func document(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("<!-- Made by `" + regenerate + "`; change the commands instead. -->\n\n# The command line\n\n")
	b.WriteString("One program is every service and every tool. Each command tells about itself with `--help`.\n\n" +
		"Commands that ask the gateway take its address from `ASHBRIDGE_API_URL` or `--api-url` (`--api` is the same), else from\n" +
		"`ASHBRIDGE_PUBLIC_URL`, else they ask this machine at `ASHBRIDGE_HTTP_ADDR`. The token is that of `ASHBRIDGE_TOKEN`,\n" +
		"`ASHBRIDGE_TOKEN_FILE` or `--token-file`, else the gateway's own in `ASHBRIDGE_ADMIN_TOKEN`. A token is never a flag, and\n" +
		"neither is an Ashby API key. Results go to the output, progress and what went wrong to the error output. With `--json` the\n" +
		"output is one JSON document as the API gives it, with times in UTC; without it, tables tell how long ago a time is. What goes wrong\n" +
		"is then a document in one line on the error output: the gateway's problem, or one of the same shape, with `exit_status`.\n\n" +
		"A connection can be named by its id or by its employer_ref. `ashbridge completion bash`, `zsh`, `fish` or `powershell`\n" +
		"prints a script that completes commands, flags, and ids of connections, holds, tokens and subscribers; that for bash needs\n" +
		"the package bash-completion: `source <(ashbridge completion bash)`.\n\n" +
		"## Exit status\n\n| status | meaning |\n| --- | --- |\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", e.code, e.means)
	}
	b.WriteString("\n## Commands\n\n| command | what it does |\n| --- | --- |\n")
	leaves := leavesOf(root)
	for _, c := range leaves {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), cell(c.Short))
	}
	for _, c := range leaves {
		describeCommand(&b, c)
	}
	return b.String()
}

// leavesOf are the commands that do something themselves.
func leavesOf(root *cobra.Command) []*cobra.Command {
	var leaves []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, below := range c.Commands() {
			if below.IsAvailableCommand() {
				walk(below)
			}
		}
		if c.Runnable() && c.Annotations[ofGroup] == "" {
			leaves = append(leaves, c)
		}
	}
	walk(root)
	return leaves
}

func describeCommand(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n### %s\n\n", c.CommandPath())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(b, "```\n%s\n```\n\n%s\n", c.UseLine(), markdown(text))
	if c.HasExample() {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", unindent(c.Example))
	}
	settings, rows := 0, ""
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if config.IsSetting(f) {
			settings++
		}
		if f.Hidden || f.Name == "help" || config.IsSetting(f) {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		switch f.DefValue {
		case "", "false", "0", "0s", "[]":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		rows += fmt.Sprintf("| `--%s` | %s |\n", strings.TrimSpace(f.Name+" "+kind), cell(usage))
	})
	if rows != "" {
		b.WriteString("\n| flag | meaning |\n| --- | --- |\n" + rows)
	}
	switch {
	case c.Flags().Lookup("data-dir") != nil:
		b.WriteString("\nAll settings of `docs/configuration.md` are flags of it, too.\n")
	case settings > 0:
		b.WriteString("\nIt asks the gateway: `--api-url` and `--token-file` as above.\n")
	}
}

// markdown keeps the lines that are indented as they are.
func markdown(text string) string {
	var b strings.Builder
	inBlock := false
	for line := range strings.Lines(text) {
		if isCode := strings.HasPrefix(line, "  "); isCode != inBlock {
			b.WriteString("```\n")
			inBlock = isCode
		}
		b.WriteString(line)
	}
	if inBlock {
		b.WriteString("\n```")
	}
	return b.String()
}

func unindent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
