package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const referenceFile = "../../docs/configuration.md"

// commands are those that read settings of the services, and what each cannot do without.
var commands = []struct {
	name  string
	needs Needs
}{
	{"up", Up},
	{"gateway", Gateway},
	{"syncer", Syncer},
	{"notifier", Notifier},
	{"migrate", Migrate},
	{"keys rotate", KeysRotate},
	{"doctor", Doctor},
	{"events tail", EventsTail},
	{"events verify", EventsVerify},
	{"commands that ask the gateway", Client},
}

// otherDefaults are those that are no text of a tag.
var otherDefaults = map[string]string{
	"DATA_DIR": "`/var/lib/ashbridge` for root, else `ashbridge` in `$XDG_DATA_HOME` or `~/.local/share`",
}

// TestReferenceIsUpToDate compares docs/configuration.md with what the code says.
func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	want := reference(t)
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/configuration.md is not what the code says: run `go test ./internal/config -run Reference -update`")
	}
}

func TestReferenceNamesEverySetting(t *testing.T) {
	t.Parallel()
	text := reference(t)
	for _, s := range settings() {
		if s.help == "" || !strings.Contains(text, "| `"+Prefix+s.key+"`") {
			t.Errorf("%s is not described", s.key)
		}
	}
	for _, part := range []string{
		"`ASHBRIDGE_ADMIN_TOKEN` or `ASHBRIDGE_ADMIN_TOKEN_FILE` | `--admin-token-file` |",
		"`ASHBRIDGE_DATABASE_URL` or `ASHBRIDGE_DATABASE_URL_FILE` | `--database-url`, `--database-url-file` |",
		"gateway, syncer, notifier, migrate, keys rotate, doctor, events verify",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing", part)
		}
	}
}

// neededBy names the commands that refuse to start without a setting, by asking them.
func neededBy(t *testing.T) map[string][]string {
	t.Helper()
	by := map[string][]string{}
	for _, c := range commands {
		_, err := Load(map[string]string{Prefix + "DATA_DIR": "/d"}, nil, c.needs)
		var faults Faults
		if err != nil && !errors.As(err, &faults) {
			t.Fatal(err)
		}
		for _, fault := range faults {
			name, _, ok := strings.Cut(strings.TrimPrefix(fault, Prefix), " is not set")
			if !ok {
				t.Fatalf("%s: %s", c.name, fault)
			}
			by[name] = append(by[name], c.name)
		}
	}
	return by
}

// reference is docs/configuration.md.
func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"This page is made from the code (`go test ./internal/config -run Reference -update`); a test fails when it is stale.\n\n" +
		"Every setting is a variable or a flag; a flag wins over its variable. A variable that is not known, or a value that cannot be\n" +
		"right, keeps a command from starting, with all faults named together. An empty variable counts as not set. Where a second\n" +
		"variable ends with `_FILE`, the value may be in a file, whose last newline is not a part of it; one of the two may be set.\n" +
		"Secrets have no flag of their own, since every user of a machine can read the command lines of its processes.\n" +
		"`ashbridge keys init DIR` makes all files of secrets; `ashbridge doctor` checks what is set.\n\n" +
		"`keys rotate`, `doctor`, `events tail` and `events verify` take what is not set of the keyset and of the addresses of Postgres and NATS from the data folder\n" +
		"of an `ashbridge up` on the same machine.\n\n" +
		"| variable | flag | default | what it is | needed by |\n|---|---|---|---|---|\n")
	by := neededBy(t)
	for _, s := range settings() {
		variable := "`" + Prefix + s.key + "`"
		var flags []string
		if !s.secret {
			flags = append(flags, "`--"+s.flag()+"`")
		}
		if s.file {
			variable += " or `" + Prefix + s.key + "_FILE`"
			flags = append(flags, "`--"+s.flag()+"-file`")
		}
		def := otherDefaults[s.key]
		if def == "" && s.def != "" {
			def = "`" + s.def + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", variable, strings.Join(flags, ", "), def,
			strings.ReplaceAll(s.help, "|", "\\|")+form(s), strings.Join(by[s.key], ", "))
	}
	return b.String()
}

// form says how a value is written, where that is not plain.
func form(s setting) string {
	switch {
	case s.kind.Kind() == reflect.Bool:
		return " (`true` or `false`)"
	case s.kind.Kind() == reflect.Slice:
		return " (with commas between them)"
	case s.secret:
		return " (secret)"
	}
	return ""
}
