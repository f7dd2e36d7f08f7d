package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented are the pages that tell people what to type.
func documented(t *testing.T) []string {
	t.Helper()
	files := []string{"../../README.md", "../../SECURITY.md", "../../ARCHITECTURE.md", "../../CONTRIBUTING.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../ops/runbooks/*.md", "../../examples/*/README.md", "../../jobfeed/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return slices.DeleteFunc(files, func(f string) bool { _, err := os.Stat(f); return err != nil })
}

// TestDocumentsNameCommandsThatExist, with flags and arguments that they take.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, file := range documented(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandsIn(string(text)) {
			seen++
			if fault := unknownCommand(words(line)); fault != "" {
				t.Errorf("%s: ashbridge %s: %s", filepath.Base(file), line, fault)
			}
		}
	}
	if seen < 150 {
		t.Errorf("only %d commands were found: the pages are not read as they are written", seen)
	}
}

// TestDocumentsNameAlertsThatExist: an alert is a name that begins with Ashbridge and has a page in ops/runbooks.
func TestDocumentsNameAlertsThatExist(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`\bAshbridge[A-Z][a-z]+[A-Za-z]*\b`)
	seen := 0
	for _, file := range documented(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, alert := range name.FindAllString(string(text), -1) {
			seen++
			if _, err := os.Stat("../../ops/runbooks/" + alert + ".md"); err != nil {
				t.Errorf("%s: there is no alert %s", filepath.Base(file), alert)
			}
		}
	}
	if seen == 0 {
		t.Error("no alert is named anywhere")
	}
}

var (
	inQuotes  = regexp.MustCompile("`([^`]+)`")
	inBlock   = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```")
	ofProgram = regexp.MustCompile(`(?:^|[\s(|])(?:bin/|/)?ashbridge\s+([a-z…].*)|docker compose (?:[a-z-]+ )*?run (?:--[a-z-]+ )*cli (.+)`)
)

// commandsIn are the command lines of this program in a page, without its name: in back-quotes, and in blocks, each from its
// name to the end of the command.
func commandsIn(text string) []string {
	var lines []string
	for _, block := range inBlock.FindAllStringSubmatch(text, -1) {
		lines = append(lines, strings.Split(strings.ReplaceAll(block[1], "\\\n", " "), "\n")...)
	}
	for _, quoted := range inQuotes.FindAllStringSubmatch(inBlock.ReplaceAllString(text, ""), -1) {
		lines = append(lines, strings.ReplaceAll(quoted[1], "\n", " "))
	}
	var out []string
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		m := ofProgram.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		command := m[1] + m[2]
		// What follows is the shell's, or says in words what the command does.
		for _, end := range []string{" | ", " && ", " & ", " >", " <(", "; ", ", ", "    ", "  # ", " # "} {
			command, _, _ = strings.Cut(command, end)
		}
		command = strings.TrimRight(strings.TrimSpace(command), ")&;, ")
		if command != "…" && command != "<command>" && command != "" {
			out = append(out, command)
		}
	}
	return out
}

// words splits a command line as a shell does; an argument in quotes is one word.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?:[^\s'"]|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		out = append(out, strings.NewReplacer("'", "", `"`, "").Replace(m))
	}
	return out
}

// unknownCommand says what is wrong with a command line, empty where nothing is.
func unknownCommand(words []string) string {
	root := newRoot(io.Discard, io.Discard)
	root.InitDefaultCompletionCmd(words...)
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err.Error()
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && rest[0] != "[flags]" {
		return "there is no such command"
	}
	if slices.Contains(rest, "…") || slices.Contains(rest, "[flags]") { // some of it is left out
		return ""
	}
	var args []string
	for i := 0; i < len(rest); i++ {
		name, isFlag := strings.CutPrefix(rest[i], "--")
		if !isFlag {
			args = append(args, rest[i])
			continue
		}
		name, _, hasValue := strings.Cut(name, "=")
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			flag = cmd.InheritedFlags().Lookup(name)
		}
		if flag == nil && name != "help" {
			return "there is no flag --" + name
		}
		if flag != nil && flag.NoOptDefVal == "" && !hasValue {
			i++ // its value
		}
	}
	if len(args) == 0 && cmd.ValidateArgs(args) != nil {
		return "" // the command is named, not given
	}
	if err := cmd.ValidateArgs(args); err != nil {
		return err.Error()
	}
	return ""
}

func TestWrongCommandsInDocumentsAreFound(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{
		"`ashbridge keys rotat`":                                       "no such command",
		"`ashbridge doctor --colour`":                                  "no flag --colour",
		"```\nashbridge migrate up\n```":                               "up",
		"```sh\nx=1\nashbridge tokens create a b --role admin &\n```":  "accepts 1 arg",
		"`docker compose run --rm cli holds aprove h`":                 "no such command",
		"`docker compose run --rm cli keys rotate --in-place`":         "",
		"```\nashbridge keys init /etc/a     every secret\n```":        "",
		"`ashbridge connections add …`":                                "",
		"```\nenv A=1 bin/ashbridge up --demo >log\n```":               "",
		"`ashbridge keys rotate`, `ashbridge connections\nrotate-key`": "",
	} {
		all := commandsIn(page)
		if len(all) == 0 {
			t.Errorf("%q: no command is found", page)
			continue
		}
		if fault := unknownCommand(words(all[0])); (want == "") != (fault == "") || !strings.Contains(fault, want) {
			t.Errorf("%q: %q, want %q", page, fault, want)
		}
	}
}
