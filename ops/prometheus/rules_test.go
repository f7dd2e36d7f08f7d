// Package prometheus_test holds the alerting rules to what an operator needs of them: they are valid and tested, each has its
// page, and what rules and pages name exists.
package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

const (
	rulesGlob = "rules/*.yml"
	testsGlob = "tests/*.yml"
	pagesGlob = "../runbooks/*.md"
	pageURL   = "https://github.com/bebitcoiner/ashbridge/blob/main/ops/runbooks/"
)

// rule is an alerting rule, or a recording one where Record is set.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

// files are those that a pattern finds; there must be some.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no file %s (%v)", pattern, err)
	}
	return found
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// decode reads a YAML file into v.
func decode(t *testing.T, file string, v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text(t, file)), v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, file := range files(t, rulesGlob) {
		var doc struct{ Groups []struct{ Rules []rule } }
		decode(t, file, &doc)
		for _, g := range doc.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

func alerts(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(rules(t), func(r rule) bool { return r.Alert == "" })
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), localtest.Promtool(t), args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesAreValid(t *testing.T) {
	t.Parallel()
	promtool(t, append([]string{"check", "rules"}, files(t, rulesGlob)...)...)
}

func TestConfigurationIsValid(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "config", "prometheus.yml")
}

func TestRulesDoWhatTheirTestsSay(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, testsGlob) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			promtool(t, "test", "rules", file)
		})
	}
}

func TestEachAlertFiresInATestAndDoesNotInAnother(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, file := range files(t, testsGlob) {
		var doc struct{ Tests []ruleTest }
		decode(t, file, &doc)
		for _, test := range doc.Tests {
			test.tell(shown)
		}
	}
	severities := map[string]int{}
	for _, a := range alerts(t) {
		severities[a.Alert]++
	}
	for _, a := range alerts(t) {
		kind := a.Alert + " " + a.Labels["severity"]
		if !shown[kind+" fires"] {
			t.Errorf("no test shows that %s fires", kind)
		}
		if !shown[kind+" rests"] {
			t.Errorf("no test in which %s fires shows that it does not before or after", kind)
		}
		if severities[a.Alert] > 1 && a.Labels["severity"] == "page" && !shown[kind+" later"] {
			t.Errorf("no test shows that the ticket of %s fires before the page", a.Alert)
		}
	}
}

// ruleTest is what a test of rules looks at.
type ruleTest struct {
	AlertRuleTest []struct {
		Alertname string
		ExpAlerts []struct {
			ExpLabels map[string]string `yaml:"exp_labels"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

// tell notes what the test shows of alerts by name and severity: that one fires; that with the same series it rests at another
// time, without which a rule of another series than the test's would do; and that it rests while another severity fires.
func (test ruleTest) tell(shown map[string]bool) {
	fires := map[string]bool{}
	for _, look := range test.AlertRuleTest {
		for _, a := range look.ExpAlerts {
			fires[look.Alertname+" "+a.ExpLabels["severity"]] = true
		}
	}
	for kind := range fires {
		shown[kind+" fires"] = true
		for _, look := range test.AlertRuleTest {
			name, severity, _ := strings.Cut(kind, " ")
			is := false
			for _, a := range look.ExpAlerts {
				is = is || a.ExpLabels["severity"] == severity
			}
			if name != look.Alertname || is {
				continue
			}
			shown[kind+" rests"] = true
			shown[kind+" later"] = shown[kind+" later"] || len(look.ExpAlerts) > 0
		}
	}
}

func TestAlertsSayWhatSomebodyWhoIsWokenNeeds(t *testing.T) {
	t.Parallel()
	for _, a := range alerts(t) {
		if !strings.HasPrefix(a.Alert, "Ashbridge") {
			t.Errorf("%s: other systems' alerts may have such a name too", a.Alert)
		}
		if s := a.Labels["severity"]; len(a.Labels) != 1 || s != "page" && s != "ticket" {
			t.Errorf("%s: labels %v, want a severity, page or ticket", a.Alert, a.Labels)
		}
		if !strings.Contains(a.Annotations["summary"], "$value") && !strings.Contains(a.Annotations["summary"], ": 0 are up") {
			t.Errorf("%s: the summary lacks the value", a.Alert)
		}
		if a.Annotations["description"] == "" {
			t.Errorf("%s: no description", a.Alert)
		}
		if got, want := a.Annotations["runbook_url"], pageURL+a.Alert+".md"; got != want {
			t.Errorf("%s: runbook_url %q, want %q", a.Alert, got, want)
		}
	}
}

// selector finds series in an expression and what follows their names.
var selector = regexp.MustCompile(`\b(ashbridge_[a-z_]+|up|process_[a-z_]+)(\{job="ashbridge")?`)

func TestRulesLookAtAshbridgeAlone(t *testing.T) {
	t.Parallel()
	strs := regexp.MustCompile(`"[^"]*"`)
	for _, r := range rules(t) {
		// Names within strings are none; the job's own must stay to be found.
		expr := strs.ReplaceAllStringFunc(r.Expr, func(s string) string {
			if s == `"ashbridge"` {
				return s
			}
			return `""`
		})
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			if m[2] == "" {
				t.Errorf("%s%s: %s is not limited to job=\"ashbridge\"", r.Alert, r.Record, m[1])
			}
		}
	}
}

func TestExampleRoutesNameAlertsThatExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, a := range alerts(t) {
		known[a.Alert] = true
	}
	config := text(t, "alertmanager.yml")
	var doc map[string]any
	decode(t, "alertmanager.yml", &doc)
	for _, name := range alertName.FindAllString(config, -1) {
		if !known[name] {
			t.Errorf("alertmanager.yml names %s, which is no alert", name)
		}
	}
}
