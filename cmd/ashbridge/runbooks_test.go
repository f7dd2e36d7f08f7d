package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRunbooksNameCommandsThatExist reads what the pages in ops/runbooks tell an operator to type.
func TestRunbooksNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../ops/runbooks/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no runbooks (%v)", err)
	}
	// A command stands in back-quotes, or on a line of its own within a block.
	command := regexp.MustCompile("(?m)`ashbridge ([^`\n]+)`|^ashbridge (.+)$")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			line := m[1] + m[2]
			if line == "…" {
				continue
			}
			if fault := unknownCommand(strings.Fields(line)); fault != "" {
				t.Errorf("%s: ashbridge %s: %s", filepath.Base(file), line, fault)
			}
		}
	}
}

// unknownCommand says what is wrong with a command line, empty where nothing is.
func unknownCommand(words []string) string {
	cmd, rest, err := newRoot(io.Discard, io.Discard).Find(words)
	if err != nil {
		return err.Error()
	}
	if cmd.HasSubCommands() && len(rest) > 0 {
		return "there is no such command"
	}
	var args []string
	for i := 0; i < len(rest); i++ {
		name, isFlag := strings.CutPrefix(rest[i], "--")
		if !isFlag {
			args = append(args, rest[i])
			continue
		}
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			flag = cmd.InheritedFlags().Lookup(name)
		}
		if flag == nil {
			return "there is no flag --" + name
		}
		if flag.NoOptDefVal == "" {
			i++ // its value
		}
	}
	if err := cmd.ValidateArgs(args); err != nil {
		return err.Error()
	}
	return ""
}
