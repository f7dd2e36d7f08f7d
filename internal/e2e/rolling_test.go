package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// longestGap is how long a change may take to its event while a service is restarted. It is well below the rest of a lease
// that was left to expire, which is ten seconds at least, and above what it takes to find a webhook whose hint was lost.
const longestGap = 9 * time.Second

// restart is one step of a rolling restart.
type restart struct {
	stop, start string
	// first has the new one started and ready before the old one is told to end, as Kubernetes does it; else it follows.
	first bool
	began time.Time
	took  time.Duration
}

// TestRollingRestart restarts each of two gateways, syncers and notifiers while jobs change, behind a balancer. Nothing may
// be lost, doubled or refused, no lease may outlive its owner, and each must end by itself.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	p := startProcesses(t, ashbytest.Options{Seed: 13, RetryScale: 0.02, RequestsPerMinute: 1 << 20})
	b := startBalancer(t)
	p.base = b.url
	p.env = append(p.env, "ASHBRIDGE_PUBLIC_URL="+b.url, "ASHBRIDGE_LEASE_TTL=15s")
	p.begin(b, "gateway/a", "gateway/b", "syncer/a", "syncer/b", "notifier/a", "notifier/b")

	org := p.sim.AddOrganization("roll", "Roll Ltd")
	org.Generate(40)
	doc := p.connect(org)
	db := openSQL(t, p.dbURL)
	agreed := func() error { return agree(t.Context(), db, p.natsURL, doc.ID, org) }
	wait(t, "the first synchronisation is done", agreed, p.logs.tail)

	steps := []restart{
		{stop: "gateway/a", start: "gateway/c", first: true},
		{stop: "syncer/a", start: "syncer/c", first: true},
		{stop: "notifier/a", start: "notifier/c", first: true},
		{stop: "gateway/b", start: "gateway/b"},
		{stop: "syncer/b", start: "syncer/b"},
		{stop: "notifier/b", start: "notifier/b"},
	}
	load := startLoadEvery(t, org, 50*time.Millisecond)
	for i := range steps {
		s := &steps[i]
		from := load.changes()
		wait(t, "the load goes on", func() error { return atLeast(load.changes()-from, 5) }, p.logs.tail)
		s.began = time.Now()
		if s.first {
			p.begin(b, s.start)
		}
		owner := p.owner(s.stop)
		s.took = p.terminate(s.stop)
		p.leftNothing(owner)
		if !s.first {
			p.begin(b, s.start)
		}
	}
	changes := load.end()
	ms, judged := p.judge(db, agreed, b.faults)
	if judged < changes/2 {
		t.Errorf("only %d webhooks for %d changes", judged, changes)
	}
	report(t, steps, ms)
}

// begin starts instances and waits until they are ready, and until the balancer knows the gateways.
func (p *processes) begin(b *balancer, names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.start(name)
	}
	for _, name := range names {
		p.waitReady(name)
		if serviceOf(name) == "gateway" {
			b.add(p.t, name, p.child(name))
		}
	}
}

// connect registers an organisation and makes its webhook settings.
func (p *processes) connect(org *ashbytest.Organization) connectionDoc {
	p.t.Helper()
	var doc connectionDoc
	p.must(http.StatusCreated, http.MethodPost, "/v1/connections", map[string]any{
		"employer_ref": org.Name(), "employer_name": org.Name(), "api_key": org.AddKey(ashbytest.KeyOptions{}),
	}).decode(p.t, &doc)
	for action, url := range doc.WebhookSetup.URLs {
		if err := org.AddWebhook(action, url, doc.WebhookSetup.Secret); err != nil {
			p.t.Fatal(err)
		}
	}
	return doc
}

var ownerField = regexp.MustCompile(`"owner":"([^"]+)"`)

// owner is the name under which a syncer or notifier holds leases; gateways hold none.
func (p *processes) owner(name string) string {
	p.t.Helper()
	found := ownerField.FindSubmatch(p.child(name).log.bytes())
	if found == nil && serviceOf(name) != "gateway" {
		p.t.Fatalf("%s does not say its name: %s", name, p.child(name).log.tail())
	}
	if found == nil {
		return ""
	}
	return string(found[1])
}

// leftNothing requires that nobody has to wait for a lease of an owner that has ended.
func (p *processes) leftNothing(owner string) {
	p.t.Helper()
	if owner == "" {
		return
	}
	n, err := number(p.t.Context(), openSQL(p.t, p.dbURL), `
		SELECT (SELECT count(*) FROM partitions WHERE owner = $1 AND expires_at > clock_timestamp())
			+ (SELECT count(*) FROM replicas WHERE owner = $1)
			+ (SELECT count(*) FROM leases WHERE owner = $1 AND expires_at > clock_timestamp())`, owner)
	if err != nil || n > 0 {
		p.t.Errorf("%s left %d leases: %v", owner, n, err)
	}
}

// faultsOfAnswers has every delivery answered 200, at its first try.
func faultsOfAnswers(deliveries []ashbytest.Attempt) []string {
	var faults []string
	for _, d := range deliveries {
		if d.Status != http.StatusOK || d.Attempt != 1 {
			faults = append(faults, fmt.Sprintf("%s of %s was answered %d at try %d", d.Action, d.Object, d.Status, d.Attempt))
		}
	}
	return faults
}

// report tells how long each restart took and how long changes in its time took to their events, and judges that.
func report(t *testing.T, steps []restart, ms []message) {
	t.Helper()
	for i, s := range steps {
		until := time.Now()
		if i+1 < len(steps) {
			until = steps[i+1].began
		}
		var worst time.Duration
		n := 0
		for _, m := range ms {
			if at := m.Job.ChangedAt; at.Before(s.began) || !at.Before(until) || m.Job.Origin == events.OriginSeed {
				continue
			}
			n++
			worst = max(worst, m.Event.Time.Sub(m.Job.ChangedAt))
		}
		t.Logf("%-10s ended in %s; of %d changes meanwhile the slowest took %s to its event", s.stop,
			s.took.Round(time.Millisecond), n, worst.Round(time.Millisecond))
		if worst > longestGap {
			t.Errorf("while %s was restarted a change took %s to its event", s.stop, worst)
		}
	}
}
