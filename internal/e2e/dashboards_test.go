package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// alwaysFiring is an alert for the panels that show alerts.
const alwaysFiring = `
groups: [{name: test, rules: [{alert: AshbridgeExample, expr: vector(1), labels: {severity: page, employer: acme, connection: x}}]}]
`

// TestDashboardsShowARunningSystem asks a real Prometheus, which scrapes `ashbridge up` at work, everything that the
// dashboards' panels and variables ask; each must have an answer.
func TestDashboardsShowARunningSystem(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	docs := dashboards(t)
	values := map[string]string{}
	var questions []question
	for _, d := range docs {
		w.choose(d, values)
		questions = append(questions, questionsOf(d, values)...)
	}
	if len(questions) < 120 {
		t.Fatalf("only %d queries were found: the files are read wrongly", len(questions))
	}
	w.keepChanging("every panel has data", func() error {
		var faults []string
		questions = slices.DeleteFunc(questions, func(q question) bool {
			answer, err := w.prom.query(q.expr, q.over)
			switch {
			case err != nil:
				faults = append(faults, fmt.Sprintf("%s: %v\n\t%s", q.where, err, q.expr))
			case !hasNumber(answer):
				faults = append(faults, fmt.Sprintf("%s: no data\n\t%s", q.where, q.expr))
			case q.missing(answer) != "":
				faults = append(faults, fmt.Sprintf("%s: no series has the label %s\n\t%s", q.where, q.missing(answer), q.expr))
			default:
				return true
			}
			return false
		})
		return every(faults)
	})
	w.shows(docs, values, map[string]float64{
		"Ashbridge / Overview: Holds waiting": 1, "Ashbridge / Overview: Keys refused": 1, "Ashbridge / Overview: Alerts firing": 1,
		"Ashbridge / Overview: Fresh by poll": 1, "Ashbridge / Overview: Fresh by webhook": 1,
		"Ashbridge / Employer: Status":      1,
		"Ashbridge / Employer: Public jobs": float64(w.public()), "Ashbridge / Plumbing: Processes up": 1,
	})
}

// question is a query of a panel, its variables replaced.
type question struct {
	where, expr string
	// over is the range of the query, 0 for the present state.
	over time.Duration
	// labels are those by which its series are told apart: of a legend, or columns of a table.
	labels []string
}

// missing is a label that no series has.
func (q question) missing(answer []series) string {
	for _, label := range q.labels {
		if !slices.ContainsFunc(answer, func(s series) bool { return s.Metric[label] != "" }) {
			return label
		}
	}
	return ""
}

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

// questionsOf replaces the variables as Grafana does; the windows are as long as the test.
func questionsOf(d dashboardDoc, values map[string]string) (out []question) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			q := question{where: d.Title + ": " + p.Title, expr: replaced(target.Expr, values)}
			if target.Range {
				q.over = 30 * time.Second
			}
			for _, label := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				q.labels = append(q.labels, label[1])
			}
			for label := range p.headings() {
				if label != "Value" {
					q.labels = append(q.labels, label)
				}
			}
			out = append(out, q)
		}
	}
	return out
}

func replaced(expr string, values map[string]string) string {
	pairs := []string{"$__rate_interval", "30s", "$__range", "1m"}
	for name, value := range values {
		pairs = append(pairs, "$"+name, value)
	}
	return strings.NewReplacer(pairs...).Replace(expr)
}

// watched is `ashbridge up` with employers in several states, a board on each way, and somebody who changes jobs.
type watched struct {
	*processes
	prom *prom
	// acme is the employer at work, and connected the id of its connection.
	acme      *ashbytest.Organization
	connected string
	board     subscriberDoc
	changes   int
}

// newWatched brings everything into the state that is to be seen, and starts the system anew: the figures of the fleet,
// which are read every ten seconds, then show it at once. Prometheus needs five seconds until it looks at its first target,
// so it comes first.
func newWatched(t *testing.T) *watched {
	t.Helper()
	admin := localtest.FreeAddr(t)
	w := &watched{prom: startPrometheus(t, admin, alwaysFiring)}
	w.processes = newProcesses(t, ashbytest.Options{Seed: 21, RetryScale: 0.02, RequestsPerMinute: 1 << 20})
	w.admins["up"] = admin
	w.env = append(w.env, "ASHBRIDGE_NATS_URL=", "ASHBRIDGE_NATS_ADDR="+w.natsAddr, "ASHBRIDGE_RECORD_EVENTS=true",
		"ASHBRIDGE_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	w.start("up")
	w.waitReady("up")
	w.acme = w.sim.AddOrganization("acme", "Acme GmbH")
	acme := w.employ(w.acme)
	w.connected = acme.ID
	for action, url := range acme.WebhookSetup.URLs {
		if err := w.acme.AddWebhook(action, url, acme.WebhookSetup.Secret); err != nil {
			t.Fatal(err)
		}
	}
	locked := w.sim.AddOrganization("locked", "Locked Ltd")
	refused := w.employ(locked)
	locked.RevokeKey(locked.Keys()[0])
	halved := w.sim.AddOrganization("halved", "Halved Inc")
	held := w.employ(halved)
	shrunk, err := ashbytest.ParseFault("shrunk-list:jobPosting.list")
	if err != nil {
		t.Fatal(err)
	}
	shrunk.Org = halved.Slug()
	w.sim.Inject(shrunk)
	for _, id := range []string{refused.ID, held.ID} {
		w.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+id+"/sync", nil)
	}
	w.endpoint(newHookBoard(t).URL, nil)
	w.must(http.StatusCreated, http.MethodPost, "/v1/subscribers", map[string]any{"name": "Board"}).decode(t, &w.board)
	wait(t, "a key is refused and a disappearance held", func() error {
		if a, b := w.connection(refused.ID), w.connection(held.ID); a.Status != "unauthorized" || b.Counts.Held == 0 {
			return fmt.Errorf("%s, %d held", a.Status, b.Counts.Held)
		}
		return nil
	}, w.logs.tail)
	w.end("up")
	w.start("up")
	w.waitReady("up")
	w.listen()
	w.seen()
	return w
}

// employ connects an organisation and waits for the end of its first synchronisation.
func (w *watched) employ(org *ashbytest.Organization) (doc connectionDoc) {
	w.t.Helper()
	org.Generate(12)
	w.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": org.Slug(), "employer_name": org.Name(), "api_key": org.AddKey(ashbytest.KeyOptions{}),
	}).decode(w.t, &doc)
	wait(w.t, org.Slug()+" is synchronised", func() error {
		if w.connection(doc.ID).Sync.FirstSyncedAt == nil {
			return errors.New("not yet")
		}
		return nil
	}, w.logs.tail)
	return doc
}

// listen has the board take all events and acknowledge them.
func (w *watched) listen() {
	w.t.Helper()
	wait(w.t, "the board listens", func() error {
		nc, err := w.board.login()
		if err != nil {
			return err
		}
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		c, err := js.Consumer(w.t.Context(), events.Stream, w.board.Consumer)
		if err != nil {
			nc.Close()
			return err
		}
		w.t.Cleanup(nc.Close)
		_, err = c.Consume(func(msg jetstream.Msg) { _ = msg.Ack() }) // else it comes again
		return err
	}, w.logs.tail)
}

// seen waits until Prometheus has seen the state, before anything changes that it is to see.
func (w *watched) seen() {
	w.t.Helper()
	wait(w.t, "Prometheus sees the state", func() error {
		found, err := w.prom.query(`max(ashbridge_fleet_connections{status="unauthorized"}) + max(ashbridge_fleet_holds_waiting) == 2`, 0)
		if err == nil {
			err = atLeast(len(found), 1)
		}
		return err
	}, func() string { return string(w.prom.logs.bytes()) + w.logs.tail() })
	failing, err := ashbytest.ParseFault("server-error:jobPosting.info:2")
	if err != nil {
		w.t.Fatal(err)
	}
	failing.Org = w.acme.Slug()
	w.sim.Inject(failing)
}

// keepChanging changes jobs and looks twice a second until the condition holds.
func (w *watched) keepChanging(what string, check func() error) {
	w.t.Helper()
	var next time.Time
	var last error
	wait(w.t, what, func() error {
		if time.Now().Before(next) {
			return last
		}
		if w.changes++; w.changes == 1 {
			w.must(http.StatusAccepted, http.MethodPost, "/v1/connections/"+w.connected+"/sync", nil)
			stranger := *w.api
			stranger.token = "ash_guessed"
			stranger.must(http.StatusUnauthorized, http.MethodGet, "/v1/connections", nil)
		}
		post := w.acme.Postings()[w.changes%5]
		w.acme.Retitle(post.ID, fmt.Sprintf("Engineer %d", w.changes))
		last, next = check(), time.Now().Add(500*time.Millisecond)
		return last
	}, w.logs.tail)
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// choose gives the dashboard's variables the values that a person chooses: of the employers, the one that works.
func (w *watched) choose(d dashboardDoc, values map[string]string) {
	w.t.Helper()
	for _, v := range d.Templating.List {
		switch v.Type {
		case "datasource":
		case "custom":
			many, _ := v.Current.Value.([]any)
			values[v.Name] = strings.Trim(fmt.Sprint(many...), "[]")
		case "query":
			parts := labelValues.FindStringSubmatch(v.Query)
			if parts == nil {
				w.t.Fatalf("%s: the variable %s asks %s, which is not understood here", d.Title, v.Name, v.Query)
			}
			offered, err := w.prom.labelValues(replaced(parts[1], values), parts[2])
			if err != nil || len(offered) == 0 {
				w.t.Fatalf("%s: the variable %s offers nothing (%v): %s", d.Title, v.Name, err, v.Query)
			}
			if values[v.Name] = offered[0]; slices.Contains(offered, w.acme.Slug()) {
				values[v.Name] = w.acme.Slug()
			}
		default:
			w.t.Errorf("%s: the variable %s is of a kind that is not understood here: %s", d.Title, v.Name, v.Type)
		}
	}
}

// shows waits until panels of one number show these.
func (w *watched) shows(docs []dashboardDoc, values map[string]string, want map[string]float64) {
	w.t.Helper()
	asked := map[string]string{}
	for _, d := range docs {
		for _, q := range questionsOf(d, values) {
			asked[q.where] = q.expr
		}
	}
	w.keepChanging("the panels show what is so", func() error {
		var faults []string
		for where, number := range want {
			got, err := w.prom.query(asked[where], 0)
			if err != nil || len(got) != 1 || got[0].Value.value() != number {
				faults = append(faults, fmt.Sprintf("%s: %v instead of %v (%v)\n\t%s", where, got, number, err, asked[where]))
			}
		}
		return every(faults)
	})
}

// every tells of all faults; the other judges tell of a few.
func every(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(faults, "\n"))
}

// public counts what acme shows.
func (w *watched) public() (n int) {
	for _, p := range w.acme.Postings() {
		if p.Public() {
			n++
		}
	}
	return n
}

// end asks a process to end and waits until it is gone.
func (p *processes) end(name string) {
	p.t.Helper()
	c := p.child(name)
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("ending %s: %v", name, err)
	}
	<-c.done
	_ = c.stdin.Close()
}
