// Package archtest keeps the layout true: a forbidden import fails the build.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bebitcoiner/ashbridge"

// forbidden names, for a package and all below it, what it may not import of this module.
var forbidden = map[string][]string{
	"gateway":  {"syncer", "notifier", "internal/postgres", "internal/app", "internal/local"},
	"syncer":   {"gateway", "notifier", "internal/postgres", "internal/app", "internal/local"},
	"notifier": {"gateway", "syncer", "internal/postgres", "internal/app", "internal/local"},
	"internal/postgres": {
		"gateway", "syncer", "notifier", "ashby", "internal/bus", "internal/seal", "internal/app",
	},
}

// onlyModule names all that a package may import of this module.
var onlyModule = map[string][]string{
	"ashby":           {"internal/guard"},
	"ashby/ashbytest": {"ashby"},
	"schema/events":   {},
	"internal/mirror": {"ashby", "schema/events"},
	"internal/loop":   {},
	"internal/markup": {},
	"internal/feed":   {},
	"internal/guard":  {},
	"internal/lease":  {"internal/loop"},

	"internal/courier": {"ashby", "internal/guard", "internal/mirror"},

	"jobfeed":             {"schema/events"},
	"jobfeed/jobfeedtest": {"jobfeed"},
}

// forBoards are the packages of this module that a board may import, as the examples show.
var forBoards = []string{"jobfeed", "schema/events", "examples"}

// stdlibOnly are packages without any third party.
var stdlibOnly = []string{"schema/events", "internal/mirror", "schema", "schema/migrations", "internal/feed"}

// homes names the packages that may import a third party. A third party that is not here has no home yet: give it one.
var homes = map[string][]string{
	"github.com/compose-spec/compose-go/v2":                    {"internal/compose"},
	"github.com/gofiber/fiber/v2":                              {"gateway"},
	"github.com/valyala/fasthttp":                              {"gateway"},
	"github.com/jmoiron/sqlx":                                  {"internal/postgres", "examples"},
	"github.com/lib/pq":                                        {"internal/postgres", "internal/local/localtest", "examples"},
	"github.com/pressly/goose/v3":                              {"internal/postgres"},
	"github.com/nats-io/nats.go":                               {"internal/bus", "internal/local", "jobfeed", "examples"},
	"github.com/synadia-io/orbit.go":                           {"internal/bus"},
	"github.com/nats-io/nats-server/v2":                        {"internal/local", "internal/bus/bustest"},
	"github.com/tink-crypto/tink-go/v2":                        {"internal/seal"},
	"github.com/caarlos0/env/v11":                              {"internal/config"},
	"github.com/spf13/cobra":                                   {"cmd/ashbridge"},
	"github.com/spf13/pflag":                                   {"cmd/ashbridge", "internal/config"},
	"github.com/cenkalti/backoff/v5":                           {"ashby"},
	"github.com/microcosm-cc/bluemonday":                       {"internal/markup"},
	"golang.org/x/net":                                         {"internal/markup"},
	"github.com/prometheus/client_golang":                      {"gateway", "syncer", "notifier", "internal/telemetry", "internal/app"},
	"github.com/grafana/grafana-foundation-sdk/go":             {"ops/grafana"}, // a module of its own
	"github.com/google/uuid":                                   {"gateway", "internal/postgres", "internal/app", "cmd/ashbridge"},
	"github.com/santhosh-tekuri/jsonschema/v6":                 {"schema/events/eventstest"},
	"golang.org/x/sync":                                        {"gateway", "syncer", "notifier", "internal", "cmd/ashbridge", "examples"},
	"golang.org/x/term":                                        {"cmd/ashbridge"},
	"golang.org/x/sys":                                         {"internal/local"},
	"golang.org/x/crypto":                                      {"internal/local"},
	"go.uber.org/goleak":                                       {"internal/local/localtest"},
	"github.com/nats-io/jwt/v2":                                {"internal/bus"},
	"github.com/nats-io/nkeys":                                 {"internal/bus", "internal/config"},
	"github.com/standard-webhooks/standard-webhooks/libraries": {"internal/courier"},
}

type file struct {
	pkg     string // folder below the module's root
	path    string
	imports []string
}

// sources returns the module's Go files without tests.
func sources(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && rel != "." || rel == "tools" || rel == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{pkg: filepath.ToSlash(filepath.Dir(rel)), path: rel}
		for _, imp := range parsed.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, name)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func within(pkg, parent string) bool { return pkg == parent || strings.HasPrefix(pkg, parent+"/") }

func isStdlib(imp string) bool { return !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") }

func home(imp string) ([]string, bool) {
	for prefix, pkgs := range homes {
		if within(imp, prefix) {
			return pkgs, true
		}
	}
	return nil, false
}

func TestImportsKeepToTheLayout(t *testing.T) {
	t.Parallel()
	files := sources(t)
	if len(files) < 50 {
		t.Fatalf("only %d source files found: the walk is broken", len(files))
	}
	for _, f := range files {
		for _, imp := range f.imports {
			for _, fault := range faults(f.pkg, imp) {
				t.Errorf("%s imports %s: %s", f.path, imp, fault)
			}
		}
	}
}

// faults says what is wrong with an import, in sentences.
func faults(pkg, imp string) []string {
	var out []string
	if isStdlib(imp) {
		return nil
	}
	own, isOwn := strings.CutPrefix(imp, module+"/")
	if slices.Contains(stdlibOnly, pkg) && !isOwn {
		out = append(out, pkg+" imports the standard library alone")
	}
	if !isOwn {
		pkgs, known := home(imp)
		if !known {
			out = append(out, "it has no home in this test's table")
		} else if !slices.ContainsFunc(pkgs, func(p string) bool { return within(pkg, p) }) {
			out = append(out, "its home is "+strings.Join(pkgs, ", "))
		}
		return out
	}
	if within(own, "cmd") {
		out = append(out, "nothing imports a command")
	}
	if within(own, "examples") && !within(pkg, "examples") && pkg != "cmd/ashbridge" {
		out = append(out, "examples are for reading, and for the demo of the command")
	}
	if within(pkg, "examples") && !slices.ContainsFunc(forBoards, func(p string) bool { return within(own, p) }) {
		out = append(out, "whoever copies an example could not import it: examples may import of this module only "+strings.Join(forBoards, ", "))
	}
	for parent, list := range forbidden {
		if within(pkg, parent) && slices.ContainsFunc(list, func(p string) bool { return within(own, p) }) {
			out = append(out, parent+" must not know "+own)
		}
	}
	if allowed, ok := onlyModule[pkg]; ok && !slices.Contains(allowed, own) {
		out = append(out, pkg+" may import of this module only: "+strings.Join(allowed, ", "))
	}
	return out
}

// TestTheTableBites proves that the check can fail.
func TestTheTableBites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pkg, imp string }{
		{"gateway", module + "/internal/postgres"},
		{"syncer", module + "/gateway"},
		{"syncer", "github.com/lib/pq"},
		{"internal/postgres", "github.com/gofiber/fiber/v2/middleware/cors"},
		{"internal/mirror", "github.com/google/uuid"},
		{"schema/events", module + "/internal/mirror"},
		{"ashby", module + "/internal/mirror"},
		{"internal/bus", module + "/cmd/ashbridge"},
		{"jobfeed", module + "/internal/bus"},
		{"jobfeed", module + "/internal/bus"},
		{"gateway", "example.com/unknown"},
		{"gateway", module + "/examples/jobboard/board"},
		{"examples/jobboard/board", module + "/internal/loop"},
	} {
		if len(faults(c.pkg, c.imp)) == 0 {
			t.Errorf("%s importing %s went unnoticed", c.pkg, c.imp)
		}
	}
}
