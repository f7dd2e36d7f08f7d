package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const grafanaFolder = "../../ops/grafana"

// dashboardDoc is what the tests look at of a dashboard's file.
type dashboardDoc struct {
	UID, Title, Description string
	ID                      *int
	Tags                    []string
	Links                   []struct {
		Type      string
		Tags      []string
		Placement string
	}
	Panels     []panelDoc
	Templating struct{ List []variableDoc }
}

type variableDoc struct {
	Name, Type string
	Query      string
	Current    struct{ Value any }
	Datasource sourceDoc
}

type sourceDoc struct{ Type, UID string }

type panelDoc struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               sourceDoc
	Targets                  []targetDoc
	FieldConfig              struct {
		Defaults  struct{ Unit string }
		Overrides []struct {
			Matcher struct{ ID, Options string }
		}
	}
	Transformations []struct {
		Options struct{ RenameByName map[string]string }
	}
	raw string
}

// headings are the columns of a table by the label that they show, or Value.
func (p panelDoc) headings() map[string]string {
	out := map[string]string{}
	for _, t := range p.Transformations {
		maps.Copy(out, t.Options.RenameByName)
	}
	return out
}

type targetDoc struct {
	RefID, Expr, LegendFormat, Format string
	Instant, Range                    bool
	Datasource                        sourceDoc
}

func (p *panelDoc) UnmarshalJSON(raw []byte) error {
	type plain panelDoc
	p.raw = string(raw)
	return json.Unmarshal(raw, (*plain)(p))
}

// dashboards reads the files that Grafana is given.
func dashboards(t testing.TB) []dashboardDoc {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(grafanaFolder, "dashboards", "*.json"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d dashboards in %s (%v)", len(files), grafanaFolder, err)
	}
	docs := make([]dashboardDoc, len(files))
	for i, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &docs[i]); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
	return docs
}

// TestDashboardsAreWellFormed checks what Grafana would not tell, or only by a panel that stays empty.
func TestDashboardsAreWellFormed(t *testing.T) {
	t.Parallel()
	docs := dashboards(t)
	byUID := map[string]dashboardDoc{}
	for _, d := range docs {
		if _, twice := byUID[d.UID]; twice || d.UID == "" || len(d.UID) > 40 {
			t.Errorf("%s: uid %q is empty, too long or taken", d.Title, d.UID)
		}
		byUID[d.UID] = d
	}
	for _, d := range docs {
		for _, fault := range faultsOfDashboard(d, byUID) {
			t.Errorf("%s: %s", d.Title, fault)
		}
	}
}

func faultsOfDashboard(d dashboardDoc, byUID map[string]dashboardDoc) (faults []string) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if d.ID != nil || d.Title == "" || d.Description == "" || !slices.Contains(d.Tags, "ashbridge") {
		say("it needs a title, a description and the tag of ours, and no id, which is Grafana's to give")
	}
	if len(d.Links) != 1 || d.Links[0].Type != "dashboards" || !slices.Contains(d.Links[0].Tags, "ashbridge") || d.Links[0].Placement != "" {
		say("it does not lead to the others: %+v", d.Links)
	}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" || v[0].Query != "prometheus" {
		say("one cannot choose a Prometheus: %+v", v)
	}
	ids, titles := map[int]bool{}, map[string]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || titles[p.Type+p.Title] || p.Title == "" {
			say("panel %q has no id or title of its own", p.Title)
		}
		ids[p.ID], titles[p.Type+p.Title] = true, true
		for _, other := range d.Panels[:i] {
			if overlap(p, other) {
				say("panels %q and %q overlap", p.Title, other.Title)
			}
		}
		if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			say("panel %q is beyond the grid: %+v", p.Title, g)
		}
		if p.Type != "row" {
			faults = append(faults, faultsOfPanel(p, d)...)
		}
		for _, link := range linkPattern.FindAllStringSubmatch(p.raw, -1) {
			to, known := byUID[link[1]]
			if !known {
				say("panel %q leads to %s, which is no dashboard", p.Title, link[1])
			}
			for _, v := range linkVariable.FindAllStringSubmatch(link[0], -1) {
				if !to.has(v[1]) {
					say("panel %q gives %s a variable %q, which it does not have", p.Title, to.Title, v[1])
				}
			}
		}
	}
	return faults
}

var (
	linkPattern  = regexp.MustCompile(`"/d/([^?/"]+)[^"]*"`)
	linkVariable = regexp.MustCompile(`[?&]var-(\w+)=`)
	fieldPattern = regexp.MustCompile(`\$\{__data\.fields\.(\w+)\}`)
	// variablePattern finds variables in queries, Grafana's own among them.
	variablePattern = regexp.MustCompile(`\$\{?(\w+)`)
	macros          = []string{"__rate_interval", "__range"}
)

func (d dashboardDoc) has(variable string) bool {
	return slices.ContainsFunc(d.Templating.List, func(v variableDoc) bool { return v.Name == variable })
}

func overlap(a, b panelDoc) bool {
	p, q := a.GridPos, b.GridPos
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

func faultsOfPanel(p panelDoc, d dashboardDoc) (faults []string) {
	say := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf("panel %q: ", p.Title)+fmt.Sprintf(format, args...))
	}
	chosen := sourceDoc{"prometheus", "${datasource}"}
	what, judged, _ := strings.Cut(p.Description, "\n\n**Good:** ")
	good, bad, _ := strings.Cut(judged, "\n\n**Bad:** ")
	for _, sentence := range []string{what, good, bad} {
		if !strings.HasSuffix(sentence, ".") {
			say("its description does not say what it shows, what is good and what is bad: %q", p.Description)
			break
		}
	}
	if p.FieldConfig.Defaults.Unit == "" {
		say("no unit")
	}
	if p.Datasource != chosen {
		say("it does not ask the chosen Prometheus: %+v", p.Datasource)
	}
	if len(p.Targets) == 0 {
		say("no query")
	}
	if p.Type == "table" {
		shown := slices.Collect(maps.Values(p.headings()))
		for _, o := range p.FieldConfig.Overrides {
			if !slices.Contains(shown, o.Matcher.Options) {
				say("there is no column %q to be drawn otherwise", o.Matcher.Options)
			}
		}
		for _, f := range fieldPattern.FindAllStringSubmatch(p.raw, -1) {
			if !slices.Contains(shown, f[1]) {
				say("a link is made of the column %q, which is not there", f[1])
			}
		}
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if q.RefID == "" || refs[q.RefID] || q.Datasource != chosen || q.Instant == q.Range {
			say("query %q needs a letter of its own, the chosen Prometheus, and to be instant or not", q.Expr)
		}
		refs[q.RefID] = true
		if q.LegendFormat == "" && len(p.Targets) > 1 {
			say("one of several series has no name")
		}
		for _, v := range variablePattern.FindAllStringSubmatch(q.Expr, -1) {
			if !d.has(v[1]) && !slices.Contains(macros, v[1]) {
				say("%s asks for $%s, which is no variable", q.Expr, v[1])
			}
		}
	}
	return faults
}

// TestDashboardFaultsAreSeen spoils a good dashboard in each way that the check is to notice.
func TestDashboardFaultsAreSeen(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(grafanaFolder, "dashboards", "overview.json"))
	if err != nil {
		t.Fatal(err)
	}
	byUID := map[string]dashboardDoc{}
	for _, d := range dashboards(t) {
		byUID[d.UID] = d
	}
	for _, c := range []struct {
		name, old, new string
	}{
		{"overlap", `"y": 6`, `"y": 5`},
		{"beyond the grid", `"x": 20`, `"x": 21`},
		{"no judgement", `**Bad:**`, `Bad:`},
		{"no unit", `"unit": "percentunit"`, `"unit": ""`},
		{"other source", `"uid": "${datasource}"`, `"uid": "mine"`},
		{"unknown variable", `$origin`, `$origins`},
		{"dead link", `/d/ashbridge-employer?`, `/d/ashbridge-employers?`},
		{"variable of no use", `var-connection=`, `var-conn=`},
		{"no such column", `__data.fields.Employer`, `__data.fields.Boss`},
		{"column renamed", `"employer": "Employer"`, `"employer": "Boss"`},
		{"no way out", `"type": "dashboards"`, `"type": "link"`},
	} {
		var spoiled dashboardDoc
		if err := json.Unmarshal(bytes.ReplaceAll(raw, []byte(c.old), []byte(c.new)), &spoiled); err != nil {
			t.Fatal(err)
		}
		if len(faultsOfDashboard(spoiled, byUID)) == 0 {
			t.Errorf("%s: %s for %s went unnoticed", c.name, c.new, c.old)
		}
	}
}

// TestGrafanaIsProvisioned checks the files by which Grafana finds Prometheus and the dashboards, as compose mounts them.
func TestGrafanaIsProvisioned(t *testing.T) {
	t.Parallel()
	var sources struct {
		Datasources []struct {
			UID, Type, URL string
			IsDefault      bool           `yaml:"isDefault"`
			JSONData       map[string]any `yaml:"jsonData"`
		}
	}
	var providers struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	var scraper struct {
		Global struct {
			Interval string `yaml:"scrape_interval"`
		}
	}
	for path, into := range map[string]any{
		"grafana/provisioning/datasources/prometheus.yml": &sources, "grafana/provisioning/dashboards/ashbridge.yml": &providers,
		"prometheus/prometheus.yml": &scraper,
	} {
		raw, err := os.ReadFile(filepath.Join("../../ops", path))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if s := sources.Datasources; len(s) != 1 || s[0].Type != "prometheus" || !s[0].IsDefault || s[0].URL != "http://prometheus:9090" {
		t.Errorf("datasources: %+v", s)
	} else if told := s[0].JSONData["timeInterval"]; told != scraper.Global.Interval {
		t.Errorf("Grafana believes that Prometheus looks every %v, and it does every %s", told, scraper.Global.Interval)
	}
	if p := providers.Providers; len(p) != 1 || p[0].Type != "file" || p[0].Options.Path != "/var/lib/grafana/dashboards" {
		t.Errorf("providers: %+v", p)
	}
}
