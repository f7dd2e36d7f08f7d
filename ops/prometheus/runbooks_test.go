package prometheus_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// page is a runbook page.
type page struct{ name, text string }

func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	for _, file := range files(t, pagesGlob) {
		all = append(all, page{strings.TrimSuffix(filepath.Base(file), ".md"), text(t, file)})
	}
	return all
}

func TestEachAlertHasItsPageAndEachPageItsAlert(t *testing.T) {
	t.Parallel()
	has := map[string]bool{"README": true}
	for _, p := range pages(t) {
		has[p.name] = true
	}
	is := map[string]bool{"README": true}
	for _, a := range alerts(t) {
		is[a.Alert] = true
		if !has[a.Alert] {
			t.Errorf("the alert %s has no page in ops/runbooks", a.Alert)
		}
	}
	for name := range has {
		if !is[name] {
			t.Errorf("the page %s.md has no alert", name)
		}
	}
}

// concerned are those for whom an alert may mean something: a page says what, be it nothing.
var concerned = map[string]*regexp.Regexp{
	"employers": regexp.MustCompile(`(?i)\bemployers?\b`), "boards": regexp.MustCompile(`(?i)\bboards?\b`),
}

func TestPagesAnswerTheSameQuestions(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		if p.name == "README" {
			continue
		}
		at := 0
		for _, heading := range []string{
			"# " + p.name, "\n## What it means\n", "\n## See it\n", "\n## What to do\n", "\n## When it ends\n", "\n## Why it is rare\n",
		} {
			found := strings.Index(p.text[at:], heading)
			if found < 0 {
				t.Errorf("%s.md lacks %q in its place", p.name, strings.TrimSpace(heading))
				continue
			}
			at += found
		}
		for who, word := range concerned {
			if !word.MatchString(section(p.text, "What it means")) {
				t.Errorf("%s.md does not say what it means for %s", p.name, who)
			}
		}
	}
}

// section is what stands below a heading.
func section(text, heading string) string {
	_, rest, _ := strings.Cut(text, "\n## "+heading+"\n")
	part, _, _ := strings.Cut(rest, "\n## ")
	return part
}

var (
	block  = regexp.MustCompile("(?s)\n```\n(.*?)```\n")
	inline = regexp.MustCompile("`[^`\n]+`")
	metric = regexp.MustCompile(`\bashbridge_[a-z_]+\b`)
	// alertName matches names that are like those of alerts.
	alertName = regexp.MustCompile(`\bAshbridge[A-Z]\w+`)
	rolled    = regexp.MustCompile(`\bashbridge:\w+:\w+\b`)
)

// queries are the lines of PromQL in a page.
func queries(p page) []string {
	var lines []string
	for _, m := range block.FindAllStringSubmatch(p.text, -1) {
		for line := range strings.Lines(m[1]) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "ashbridge ") && !strings.HasPrefix(line, "curl ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func TestQueriesOfPagesAreValid(t *testing.T) {
	t.Parallel()
	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	type group struct {
		Name  string      `yaml:"name"`
		Rules []recording `yaml:"rules"`
	}
	var groups []group
	for _, p := range pages(t) {
		g := group{Name: p.name}
		for i, q := range queries(p) {
			g.Rules = append(g.Rules, recording{fmt.Sprintf("x%d", i), q})
		}
		if p.name != "README" && len(g.Rules) == 0 {
			t.Errorf("%s.md has no query to see it with", p.name)
		}
		groups = append(groups, g)
	}
	out, err := yaml.Marshal(map[string]any{"groups": groups})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

func TestMetricsOfRulesAndPagesExist(t *testing.T) {
	t.Parallel()
	recorded := map[string]bool{}
	var used []string
	for _, r := range rules(t) {
		recorded[r.Record] = true
		used = append(used, r.Expr)
	}
	for _, p := range pages(t) {
		used = append(used, strings.Join(queries(p), "\n"), strings.Join(inline.FindAllString(p.text, -1), "\n"))
	}
	document := text(t, "../../docs/metrics.md")
	exported := map[string]bool{}
	for _, name := range metric.FindAllString(document, -1) {
		exported[name] = true
	}
	known := map[string]bool{}
	for _, a := range alerts(t) {
		known[a.Alert] = true
	}
	for _, name := range alertName.FindAllString(document, -1) {
		if !known[name] {
			t.Errorf("docs/metrics.md names %s, which is no alert", name)
		}
	}
	for _, name := range metric.FindAllString(strings.Join(used, "\n"), -1) {
		if !exported[name] && !exported[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("%s is used here and not exported, says docs/metrics.md", name)
		}
	}
	for _, name := range rolled.FindAllString(strings.Join(used, "\n"), -1) {
		if !recorded[name] {
			t.Errorf("%s is used here, and no rule records it", name)
		}
	}
}

// TestWhatPagesQuoteExists looks for log messages, routes of the API and dashboards.
func TestWhatPagesQuoteExists(t *testing.T) {
	t.Parallel()
	source := sources(t)
	var contract struct{ Paths map[string]any }
	decode(t, "../../schema/openapi.yaml", &contract)
	message := regexp.MustCompile(`msg="([^"]+)"`)
	route := regexp.MustCompile(`/v1/[a-zA-Z_/{}-]+`)
	variable := regexp.MustCompile(`/(CONNECTION|SUBSCRIBER|ENDPOINT|HOLD)\b`)
	dashboard := regexp.MustCompile(`Dashboard (\w+)`)
	for _, p := range pages(t) {
		for _, m := range message.FindAllStringSubmatch(p.text, -1) {
			if m[1] != "…" && !strings.Contains(source, `"`+m[1]) {
				t.Errorf("%s.md quotes the log message %q, which nothing logs", p.name, m[1])
			}
		}
		for _, m := range route.FindAllString(p.text, -1) {
			if path := variable.ReplaceAllString(m, "/{id}"); contract.Paths[path] == nil {
				t.Errorf("%s.md names the route %s, which the API has not", p.name, path)
			}
		}
		for _, m := range dashboard.FindAllStringSubmatch(p.text, -1) {
			if m[1] != "Overview" && m[1] != "Employer" && m[1] != "Plumbing" {
				t.Errorf("%s.md names the dashboard %s, which there is not", p.name, m[1])
			}
		}
	}
}

// sources is the program's own Go code.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"cmd", "gateway", "internal", "notifier", "syncer"} {
		err := fs.WalkDir(os.DirFS("../.."), dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				all.WriteString(text(t, filepath.Join("../..", path)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
