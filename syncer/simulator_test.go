package syncer

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// live is a bundle that talks to the simulator by the real client, in real time.
type live struct {
	*bundle
	sim *ashbytest.Simulator
	org *ashbytest.Organization
	key string
}

func goLive(t *testing.T, postings int) *live {
	t.Helper()
	sim := ashbytest.New(ashbytest.Options{Seed: 7, RetryScale: 0.001, RequestsPerMinute: 1_000_000, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	l := &live{sim: sim, org: sim.AddOrganization("acme", "Acme")}
	l.org.Generate(postings)
	l.key = l.org.AddKey(ashbytest.KeyOptions{})
	l.bundle = setup(t, func(o *Options) {
		o.NewClient = func(key ashby.Secret) (AshbyClient, error) {
			return ashby.NewClient(ashby.Options{
				BaseURL: server.URL, Key: key, HTTPClient: &http.Client{Transport: transport},
				Pace: ashby.NewPace(60_000_000), MaxTries: 2, MaxElapsed: time.Second, Observe: o.Metrics.ObserveRequest,
			})
		}
	})
	return l
}

// until waits for a condition, at most half a minute.
func (l *live) until(what string, ok func() bool) {
	l.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			l.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// poll waits until a poll that begins now has ended well.
func (l *live) poll() {
	l.t.Helper()
	asked := time.Now()
	l.with(conn, func(a *account) { a.sync.NextPollAt = asked })
	l.until("a poll", func() bool { s := l.sync(); return s.LastVerifiedAt != nil && s.LastVerifiedAt.After(asked) })
}

func TestUnchangedSimulatorAppliesNothing(t *testing.T) {
	t.Parallel()
	l := goLive(t, 60)
	l.connect(conn, l.key)
	l.until("the first sync", func() bool { return l.sync().FirstSyncedAt != nil })
	if got := len(l.events("")); got != 60 {
		t.Fatalf("%d events for 60 postings", got)
	}
	before, requests := l.appliedUnits(), len(l.sim.Requests())
	l.poll()
	if got := l.appliedUnits() - before; got != 0 {
		t.Errorf("a poll of unchanged data applied %d units", got)
	}
	if got := len(l.sim.Requests()) - requests; got != 5 {
		t.Errorf("%d requests, want one a kind", got)
	}
	for _, e := range l.events("") {
		if j := e.data.Job; j.Title == "" || j.DescriptionHTML == "" || len(j.Locations) == 0 || j.JobURL == "" {
			t.Fatalf("fields lost: %+v", j)
		}
	}
}

// TestCopyFollowsTheSimulator makes random changes, some told by a webhook, some not, and compares at the end.
func TestCopyFollowsTheSimulator(t *testing.T) {
	t.Parallel()
	l := goLive(t, 40)
	l.sim.OnChange(func(_, posting string, _ time.Time) { l.webhook(ashby.KindPosting, posting) })
	l.connect(conn, l.key)
	l.until("the first sync", func() bool { return l.sync().FirstSyncedAt != nil })
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		l.org.ChurnOnce(rng)
		if i%100 == 50 {
			l.poll()
		}
	}
	states := l.org.Postings()
	l.org.SetConfidential(states[3].JobID, true)
	l.org.RenameLocation(l.locationID(), "Elsewhere")
	l.org.DeletePosting(states[5].ID)
	l.until("quiet", func() bool { return l.openRows() == 0 && l.bus.settled() })
	l.poll()
	l.compare()
	before := l.appliedUnits()
	l.poll()
	if got := l.appliedUnits() - before; got != 0 {
		t.Errorf("a poll when all is quiet applied %d units", got)
	}
}

func (l *live) locationID() (id string) {
	l.with(conn, func(a *account) {
		for k := range a.records {
			if k.Kind == string(ashby.KindLocation) && (id == "" || k.ID < id) {
				id = k.ID
			}
		}
	})
	return id
}

// compare checks that what is public at Ashby, what is open here and what the events fold to are the same.
func (l *live) compare() {
	l.t.Helper()
	type public struct{ title, description string }
	truth, folded := map[string]public{}, map[string]public{}
	for _, p := range l.org.Postings() {
		if p.Status == "Published" && p.Listed && !p.Internal && !p.Confidential && p.JobStatus != "Draft" {
			truth[p.ID] = public{p.Title, p.DescriptionHTML}
		}
	}
	versions := map[string]int64{}
	for _, e := range l.events("") {
		if e.data.Version != versions[e.posting]+1 {
			l.t.Errorf("posting %s: version %d after %d", e.posting, e.data.Version, versions[e.posting])
		}
		versions[e.posting] = e.data.Version
		delete(folded, e.posting)
		if e.data.Reason == nil {
			folded[e.posting] = public{e.data.Job.Title, e.data.Job.DescriptionHTML}
		}
	}
	for id, want := range truth {
		if got := folded[id]; got != want {
			l.t.Errorf("posting %s: %+v here, %+v at Ashby", id, got, want)
		}
		if s := l.state(id); s.State != mirror.StateOpen || s.Version != versions[id] {
			l.t.Errorf("posting %s: stored as %s version %d, events say %d", id, s.State, s.Version, versions[id])
		}
	}
	for id := range folded {
		if _, ok := truth[id]; !ok {
			l.t.Errorf("posting %s is open here and not public at Ashby", id)
		}
	}
}

func TestKeysAreSealedUnderTheSameName(t *testing.T) {
	t.Parallel()
	if kindAPIKey != seal.KindAPIKey {
		t.Errorf("keys are opened as %q and sealed as %q", kindAPIKey, seal.KindAPIKey)
	}
}
