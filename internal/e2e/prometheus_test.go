package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// prom is a real Prometheus that scrapes a process of ours.
type prom struct {
	t    testing.TB
	base string
	http *http.Client
	logs *logBuffer
}

// promConfig scrapes far more often than an operator would, so that a test need not wait; the labels are as in
// ops/prometheus/prometheus.yml.
const promConfig = `
global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs:
  - job_name: ashbridge
    static_configs: [{targets: [%q], labels: {service: up}}]
`

// ruleInterval is how often a group of rules is evaluated, where it says so.
var ruleInterval = regexp.MustCompile(`(?m)^ +interval: .*$`)

// startPrometheus scrapes the admin address until the test ends. It knows the operator's rules, evaluated more often, and
// more of the test's own.
func startPrometheus(t testing.TB, admin, moreRules string) *prom {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	files := map[string]string{
		config: fmt.Sprintf(promConfig, filepath.Join(dir, "rules_*.yml"), admin),
		filepath.Join(dir, "rules_of_the_test.yml"): moreRules,
	}
	rules, err := filepath.Glob("../../ops/prometheus/rules/*.yml")
	if err != nil || len(rules) == 0 {
		t.Fatalf("%d files of rules (%v)", len(rules), err)
	}
	for _, f := range rules {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(dir, "rules_"+filepath.Base(f))] = ruleInterval.ReplaceAllString(string(raw), "")
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr := localtest.FreeAddr(t)
	p := &prom{t: t, base: "http://" + addr, http: &http.Client{Transport: &http.Transport{}, Timeout: patience}, logs: &logBuffer{}}
	t.Cleanup(p.http.CloseIdleConnections)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), localtest.Prometheus(t),
		"--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", addr, "--log.level", "warn")
	cmd.Stdout, cmd.Stderr = p.logs, p.logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // its exit code tells of the signal
	})
	return p
}

// get asks the API and decodes the member data.
func (p *prom) get(path string, params url.Values, data any) error {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.base+"/api/v1/"+path+"?"+params.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%d %s", resp.StatusCode, answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// sample is a moment and a value, as Prometheus writes them.
type sample [2]any

func (s sample) value() float64 {
	text, _ := s[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

type series struct {
	Metric map[string]string
	Values []sample
	Value  sample
}

// query evaluates at this moment, or over the range that ends now.
func (p *prom) query(expr string, over time.Duration) (out []series, err error) {
	now := time.Now()
	path, params := "query", url.Values{"query": {expr}, "time": {unix(now)}}
	if over > 0 {
		path = "query_range"
		params = url.Values{"query": {expr}, "start": {unix(now.Add(-over))}, "end": {unix(now)}, "step": {"1"}}
	}
	var data struct{ Result []series }
	err = p.get(path, params, &data)
	return data.Result, err
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// labelValues are what Grafana offers for label_values(selector, label).
func (p *prom) labelValues(selector, label string) (values []string, err error) {
	err = p.get("label/"+url.PathEscape(label)+"/values", url.Values{"match[]": {selector}}, &values)
	return values, err
}

// hasNumber says whether there is a value that is a number.
func hasNumber(all []series) bool {
	for _, s := range all {
		for _, v := range append(s.Values, s.Value) {
			if n := v.value(); !math.IsNaN(n) && !math.IsInf(n, 0) {
				return true
			}
		}
	}
	return false
}
