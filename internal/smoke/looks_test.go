package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"
)

// ruleNames are the rules of the files that prometheus.yml names, each glob of which must find some.
func ruleNames(t testing.TB) (names []string) {
	t.Helper()
	dir, err := filepath.Abs("../../ops/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	var main struct {
		RuleFiles []string `yaml:"rule_files"`
	}
	read(t, filepath.Join(dir, "prometheus.yml"), &main)
	if len(main.RuleFiles) == 0 {
		t.Error("prometheus.yml names no file of rules")
	}
	for _, glob := range main.RuleFiles {
		files, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil || len(files) == 0 {
			t.Errorf("prometheus.yml names %s, of which there are none (%v)", glob, err)
		}
		for _, file := range files {
			var rules struct {
				Groups []struct {
					Rules []struct{ Alert, Record string }
				}
			}
			read(t, file, &rules)
			for _, g := range rules.Groups {
				for _, r := range g.Rules {
					names = append(names, r.Alert+r.Record)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func read(t testing.TB, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// rules wants Prometheus to have all rules of the files, and each of them to be evaluated without a fault.
func (s *target) rules(ctx context.Context) {
	s.t.Helper()
	want := ruleNames(s.t)
	eventually(ctx, s.t, "Prometheus evaluates all rules", func(ctx context.Context) error {
		var answer struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		if err := s.ask(ctx, http.MethodGet, s.prometheus, "/api/v1/rules", nil, &answer); err != nil {
			return err
		}
		var names []string
		for _, group := range answer.Data.Groups {
			for _, rule := range group.Rules {
				names = append(names, rule.Name)
				if rule.Health == "err" {
					s.t.Fatalf("the rule %s fails: %s", rule.Name, rule.LastError)
				}
				if rule.Health != "ok" && !*isContainers { // where some are evaluated every four minutes
					return fmt.Errorf("the rule %s is %s", rule.Name, rule.Health)
				}
			}
		}
		if slices.Sort(names); !slices.Equal(names, want) {
			return fmt.Errorf("it has the rules %v, and the files have %v", names, want)
		}
		return nil
	})
}

// examined has the doctor look at everything with what an operator is given. What it may skip or warn of is what a demo has
// not: an address that others reach, TLS, a trusted proxy.
func (s *target) examined(ctx context.Context) {
	s.t.Helper()
	raw, runErr := s.doctor(ctx)
	var report struct {
		Findings []struct{ Check, Outcome, Found, Do string }
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		s.t.Fatalf("the doctor says %q, %v, %v", raw, err, runErr)
	}
	checked := map[string]string{}
	for _, f := range report.Findings {
		checked[f.Check] = f.Outcome
		if f.Outcome == "failed" {
			s.t.Errorf("the doctor says of %s: %s (%s)", f.Check, f.Found, f.Do)
		}
	}
	for _, check := range []string{"keyset", "database", "nats", "nats: stream JOBS", "nats: limits", "nats: sync_interval", "nats: job boards' logins", "ashby"} {
		if checked[check] != "ok" {
			s.t.Errorf("the doctor says of %s: %s", check, checked[check])
		}
	}
	if outcome := checked["public address"]; outcome != "ok" && outcome != "warning" {
		s.t.Errorf("the doctor does not see the public address: %s", outcome)
	}
}
