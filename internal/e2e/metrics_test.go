package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/local"
	"github.com/bebitcoiner/ashbridge/internal/telemetry"
)

// shown is how many connections have metrics of their own in the test.
const shown = 5

// family is a metric with its labels, and the values that they have.
type family struct {
	help, kind string
	labels     map[string]map[string]bool
	// sum adds up all values, or how often a histogram or summary was told of one.
	sum float64
}

// gathered is what a registry shows.
func gathered(t *testing.T, reg prometheus.Gatherer) map[string]family {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]family{}
	for _, f := range families {
		one := family{help: f.GetHelp(), kind: strings.ToLower(f.GetType().String()), labels: map[string]map[string]bool{}}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if one.labels[l.GetName()] == nil {
					one.labels[l.GetName()] = map[string]bool{}
				}
				one.labels[l.GetName()][l.GetValue()] = true
			}
			one.sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() +
				float64(m.GetHistogram().GetSampleCount()+m.GetSummary().GetSampleCount())
		}
		all[f.GetName()] = one
	}
	return all
}

// documented is what docs/metrics.md says: of each metric its row, of a label the values where they are listed.
func documented(t testing.TB) map[string]family {
	t.Helper()
	raw, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	label := regexp.MustCompile("`([a-z_]+)`(?: \\(([^)]*)\\))?")
	all := map[string]family{}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		name, isRow := strings.CutPrefix(strings.TrimSpace(cells[0]), "`ashbridge_")
		if !isRow || !strings.HasPrefix(line, "|") {
			continue
		}
		name = "ashbridge_" + strings.TrimSuffix(name, "`")
		if len(cells) != 6 || strings.TrimSpace(cells[3]) == "" || strings.TrimSpace(cells[5]) == "" {
			t.Errorf("the row of %s has not all six columns", name)
			continue
		}
		if _, twice := all[name]; twice {
			t.Errorf("%s has two rows", name)
		}
		f := family{kind: cells[1], help: cells[4], labels: map[string]map[string]bool{}}
		for _, m := range label.FindAllStringSubmatch(cells[2], -1) {
			f.labels[m[1]] = map[string]bool{}
			for v := range strings.SplitSeq(m[2], ", ") {
				if v != "" {
					f.labels[m[1]][v] = true
				}
			}
		}
		all[name] = f
	}
	return all
}

// differences says where the document and what is shown are not the same.
func differences(doc, shows map[string]family) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for name, f := range shows {
		if !strings.HasPrefix(name, "ashbridge_") {
			if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
				fault("%s is shown, and named like nothing of ours", name)
			}
			continue
		}
		d, is := doc[name]
		if !is {
			fault("%s is shown and not documented: %s, labels %v: %s", name, f.kind, slices.Sorted(maps.Keys(f.labels)), f.help)
			continue
		}
		if d.kind != f.kind || d.help != f.help {
			fault("%s is a %s, %q; documented is a %s, %q", name, f.kind, f.help, d.kind, d.help)
		}
		if got, want := slices.Sorted(maps.Keys(f.labels)), slices.Sorted(maps.Keys(d.labels)); !slices.Equal(got, want) {
			fault("%s has the labels %v; documented are %v", name, got, want)
		}
		for label, values := range f.labels {
			for v := range values {
				if len(d.labels[label]) > 0 && !d.labels[label][v] {
					fault("%s has %s=%q, which is not documented", name, label, v)
				}
			}
		}
	}
	for name := range doc {
		if _, is := shows[name]; !is {
			fault("%s is documented and not shown", name)
		}
	}
	slices.Sort(out)
	return out
}

// measured is a system with everything that can be measured: two employers, one with metrics of its own, a board at NATS
// and one with an endpoint. 300 employers stand between the two.
func measured(t *testing.T) (s *system, first, last employer, b *board) {
	t.Helper()
	s = start(t, guarded, func(set *settings) { set.records, set.connections = true, shown })
	admin, err := telemetry.NewAdmin(telemetry.AdminOptions{
		Gatherer: s.reg, Registerer: s.reg, Ready: []telemetry.Check{{Name: "postgres", Run: s.db.Ping}, telemetry.Running(t.Context())},
	})
	if err != nil || admin == nil {
		t.Fatal(err)
	}
	process := s.parts
	process.Registry = s.reg
	if err := app.ShowProcess(process, "up", "test", t.TempDir(), local.DiskRoom); err != nil {
		t.Fatal(err)
	}
	org := s.sim.AddOrganization("first", "First Ltd")
	org.Generate(4)
	first = s.connect(org, "first")
	b = s.subscribe(t)
	if _, err := s.sql.ExecContext(t.Context(), `
		WITH c AS (
			INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token)
			SELECT 'idle' || i, 0, 'idle' || i, 'Idle', 'paused', '{jobs}', 3600, '{}', 'idle' || i FROM generate_series(1, 300) i
			RETURNING id
		)
		INSERT INTO sync_state (connection_id, next_poll_at, next_records_at) SELECT id, 'infinity', 'infinity' FROM c`); err != nil {
		t.Fatal(err)
	}
	s.keepConnections()
	other := s.sim.AddOrganization("last", "Last Ltd")
	other.Generate(3)
	last = s.connect(other, "last")
	s.synced(first)
	s.synced(last)
	return s, first, last, b
}

// keepConnections looks once which connections have metrics of their own.
func (s *system) keepConnections() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	ids, err := s.db.FirstConnections(ctx, s.parts.Connections.Limit())
	if err != nil {
		s.t.Fatal(err)
	}
	s.parts.Connections.Keep(ids)
}

// TestMetrics: docs/metrics.md is what a running system shows, in names, types, labels and their values, and meanings;
// Prometheus' own linter finds nothing; series by employer are bounded; and a change is timed until boards have it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s, e, last, b := measured(t)
	hook := newHookBoard(t)
	s.endpoint(hook.URL, nil)
	posting := first(t, e.org)
	n, next := 0, time.Time{}
	s.eventually("changes are timed until boards have them", func() error {
		if now := time.Now(); now.After(next) { // the board is listened to within ten seconds
			n, next = n+1, now.Add(time.Second)
			e.org.Retitle(posting.ID, fmt.Sprint("Title ", n))
			last.org.Retitle(first(t, last.org).ID, fmt.Sprint("Title ", n))
		}
		if _, err := b.fetch(true); err != nil {
			return err
		}
		ways := map[string]uint64{}
		families, err := s.reg.Gather()
		if err != nil {
			return err
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if f.GetName() == "ashbridge_board_changed_to_acknowledged_seconds" && l.GetName() == "way" {
						ways[l.GetValue()] += m.GetHistogram().GetSampleCount()
					}
				}
			}
		}
		if ways["nats"] == 0 || ways["webhook"] == 0 {
			return fmt.Errorf("timed are %v", ways)
		}
		return nil
	})
	var shows map[string]family
	s.eventually("the fleet is shown with its employers and board", func() error {
		shows = gathered(t, s.reg)
		if shows["ashbridge_fleet_worst_verified_seconds"].labels["connection"][last.id] && shows["ashbridge_board_pending_events"].kind != "" &&
			shows["ashbridge_fleet_public_jobs"].sum > 0 { // which are counted apart
			return nil
		}
		return errors.New("not yet")
	})
	for _, fault := range differences(documented(t), shows) {
		t.Error(fault)
	}
	problems, err := testutil.GatherAndLint(s.reg)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if err != nil {
		t.Error(err)
	}
	bounded(t, shows, e, last)
	if watched := shows["ashbridge_fleet_watched_connections"]; watched.sum != 2 {
		t.Errorf("the fleet: %+v", watched)
	}

	s.must(http.StatusOK, http.MethodDelete, "/v1/connections/"+e.id+"?jobs=keep", nil)
	s.keepConnections()
	for name, f := range gathered(t, s.reg) {
		if f.kind == "counter" && f.labels["connection"][e.id] {
			t.Errorf("%s still shows an employer who is removed", name)
		}
	}
}

// bounded says that the first employer has series of its own, and the last none.
func bounded(t *testing.T, shows map[string]family, first, last employer) {
	t.Helper()
	for name, f := range shows {
		values := f.labels["connection"]
		if values == nil || strings.HasPrefix(name, "ashbridge_fleet_worst_") { // the ten worst, whoever they are
			continue
		}
		if len(values) > shown+1 || !values[first.id] || values[last.id] {
			t.Errorf("%s has series for %v", name, slices.Sorted(maps.Keys(values)))
		}
	}
}

// TestTheComparisonOfMetricsBites: each way in which the document may be wrong is noticed.
func TestTheComparisonOfMetricsBites(t *testing.T) {
	t.Parallel()
	of := func(help, kind, label string, values ...string) map[string]family {
		set := map[string]bool{}
		for _, v := range values {
			set[v] = true
		}
		return map[string]family{"ashbridge_x": {help: help, kind: kind, labels: map[string]map[string]bool{label: set}}}
	}
	right := of("X.", "gauge", "by", "poll")
	for what, doc := range map[string]map[string]family{
		"another meaning": of("Y.", "gauge", "by", "poll"), "another type": of("X.", "counter", "by", "poll"),
		"another label": of("X.", "gauge", "of", "poll"), "a value too few": of("X.", "gauge", "by", "webhook"), "nothing": {},
	} {
		if len(differences(doc, right)) == 0 {
			t.Errorf("%s went unnoticed", what)
		}
	}
	if len(differences(right, map[string]family{})) != 1 || len(differences(right, right)) != 0 {
		t.Error("what is not shown goes unnoticed, or what is right does not")
	}
	if len(differences(right, map[string]family{"x": {}, "ashbridge_x": right["ashbridge_x"]})) != 1 {
		t.Error("a metric of nobody went unnoticed")
	}
}
