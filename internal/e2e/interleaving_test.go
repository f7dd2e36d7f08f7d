package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
)

const (
	// seedVariable repeats a run of TestInterleavings that failed.
	seedVariable = "E2E_SEED"
	// stormTime is how long things happen before quiet.
	stormTime = 20 * time.Second
)

// passing are the faults that leave no trace once they are over. Those that bend what a row says are left out: what was
// read then is Ashby's word until the daily reading.
var passing = []string{
	"server-error", "bad-gateway", "unavailable", "connection-reset", "truncated", "html", "wrong-content-type", "no-envelope",
	"rate-limit-retry-after", "unauthorized-once", "forbidden-plain", "missing-permission", "missing-permission-b",
	"soft-error", "soft-error-b", "soft-error-null", "empty-list", "shrunk-list", "cut-listing", "duplicate-rows", "bad-row",
	"row-without-id", "unknown-fields", "fresh-token", "no-token", "sync-token-expired", "sync-token-invalid",
	"incremental-sync-too-large",
}

// storm is a system to which things happen at random: one employer's postings change, another's are only renamed.
type storm struct {
	*system
	rng            *rand.Rand
	wild, still    employer
	steps, restart int
	done           []string
}

// TestInterleavings lets changes, lost, doubled and disordered webhooks, faults, polls and restarts happen in a random
// order. When it is quiet again, P1 to P4 hold; of the employer who closed nothing, nothing was ever closed (P5).
func TestInterleavings(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = given
	}
	s := start(t, everything, func(o *settings) { o.sim.Seed = seed })
	st := &storm{system: s, rng: rand.New(rand.NewPCG(seed, 1))}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat it: %s=%d; what was done: %q", seedVariable, seed, st.done)
		}
	})
	wild := s.staffed("wild", 15, 6)
	st.wild = s.register(wild, wild.AddKey(ashbytest.KeyOptions{Scopes: allScopes()}), "wild", people...)
	s.setUpByHand(st.wild)
	still := s.sim.AddOrganization("still", "Still GmbH")
	still.Generate(15)
	st.still = s.connect(still, "still")
	s.synced(st.wild)
	s.synced(st.still)
	ctx, cancel := context.WithTimeout(t.Context(), stormTime)
	defer cancel()
	st.rage(ctx)
	st.calm()
	judged := s.refreshed()
	st.round(st.wild) // the children of what the last refreshes found changed
	ms := s.agreed(st.wild, st.still)
	s.noneClosedOf(st.still, ms)
	for _, kind := range sealedKinds(people...) {
		if kind == ashby.KindProject {
			continue // one is confidential, and the key sees none such
		}
		res, _ := ashby.ResourceOf(kind)
		s.compareKind(st.wild, res, s.records(st.wild.id, string(kind)))
	}
	t.Logf("seed %d: %d steps, %d restarts, %d webhooks judged, %d messages", seed, st.steps, st.restart, judged, len(ms))
}

// rage does one thing after another until ctx ends.
func (st *storm) rage(ctx context.Context) {
	st.t.Helper()
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			st.steps++
			if what := st.step(); what != "" {
				st.done = append(st.done, what)
			}
		}
	}
}

// step does one thing, and says what where that is not an everyday change.
func (st *storm) step() string {
	org := st.wild.org
	switch dice := st.rng.IntN(1000); {
	case dice < 500:
		org.ChurnOnce(st.rng)
	case dice < 640:
		return st.hire()
	case dice < 700:
		return st.silent()
	case dice < 780:
		ps := st.still.org.Postings()
		st.still.org.Retitle(ps[st.rng.IntN(len(ps))].ID, fmt.Sprintf("Renamed at step %d", st.steps))
	case dice < 830:
		muted := st.rng.IntN(3) == 0
		org.MuteWebhooks(muted)
		return fmt.Sprintf("muted %t", muted)
	case dice < 860:
		org.DuplicateWebhooks(st.rng.IntN(3))
		org.ShuffleWebhooks(time.Duration(st.rng.IntN(80)) * time.Millisecond)
	case dice < 900:
		return st.fault()
	case dice < 920:
		st.sim.ClearFaults()
		return "no faults"
	case dice < 930:
		org.ExpireTokens()
		return "tokens expired"
	case dice < 988:
		for _, e := range []employer{st.wild, st.still} {
			if _, err := st.call(http.MethodPost, "/v1/connections/"+e.id+"/sync", nil); err != nil {
				st.t.Fatal(err)
			}
		}
	default:
		st.restart++
		st.stopSyncer()
		st.startSyncer()
		return "syncer restarted"
	}
	return ""
}

// people are the modules about them that the wild employer agrees to.
var people = []string{"candidates", "offers"}

// hire changes something about people.
func (st *storm) hire() string {
	org := st.wild.org
	one := func(kind string) string {
		ids := org.RecordIDs(kind)
		if len(ids) == 0 {
			return ""
		}
		return ids[st.rng.IntN(len(ids))]
	}
	switch st.rng.IntN(10) {
	case 0:
		org.SubmitApplication(one("job"))
	case 1:
		if len(org.RecordIDs("candidate")) > 4 {
			org.DeleteCandidate(one("candidate"))
		}
	case 2, 3:
		org.AddNote(one("candidate"), fmt.Sprintf("Noted at step %d", st.steps))
	case 4, 5:
		org.MoveApplication(one("application"), one("interview_stage"))
	case 6:
		org.EditCandidate(one("candidate"), map[string]any{"name": fmt.Sprintf("Renamed at step %d", st.steps)})
	case 7:
		org.CreateOffer(one("application"))
	case 8:
		org.DeleteOffer(one("offer"))
	default:
		scopes := allScopes()
		if st.rng.IntN(3) == 0 {
			scopes = slices.DeleteFunc(scopes, func(scope string) bool { return scope == "candidates:read" })
		}
		org.SetScopes(st.wild.key, scopes...)
		return fmt.Sprintf("%d scopes", len(scopes))
	}
	return ""
}

// silent changes something that no webhook of a posting tells of.
func (st *storm) silent() string {
	org := st.wild.org
	ps := org.Postings()
	p := ps[st.rng.IntN(len(ps))]
	switch st.rng.IntN(4) {
	case 0:
		org.SetConfidential(p.JobID, !p.Confidential)
		return "confidential " + p.JobID
	case 1:
		org.SetInternal(p.ID, !p.Internal)
		return "internal " + p.ID
	case 2:
		for id := range org.Departments() {
			org.RenameDepartment(id, fmt.Sprintf("Department %d", st.steps))
			break
		}
		return "department renamed"
	}
	for id := range org.Locations() {
		org.RenameLocation(id, fmt.Sprintf("Place %d", st.steps))
		break
	}
	return "location renamed"
}

// fault has a few requests of one method, or of any, fail in one way.
func (st *storm) fault() string {
	methods := []string{"", "", "jobPosting.list", "jobPosting.info", "job.list", "job.info", "location.list"}
	name := passing[st.rng.IntN(len(passing))]
	f, ok := ashbytest.FaultNamed(name)
	if !ok {
		st.t.Fatalf("there is no fault %q", name)
	}
	f.Method, f.Count = methods[st.rng.IntN(len(methods))], 1+st.rng.IntN(6)
	st.sim.Inject(f)
	return fmt.Sprintf("%s of %q ×%d", name, f.Method, f.Count)
}

// calm ends all that was switched on, and has everything compared. What is held by then has been waited for.
func (st *storm) calm() {
	st.t.Helper()
	st.sim.ClearFaults()
	st.wild.org.DuplicateWebhooks(0)
	st.wild.org.ShuffleWebhooks(0)
	st.wild.org.MuteWebhooks(false)
	if err := st.sim.WaitDelivered(st.t.Context()); err != nil {
		st.t.Fatal(err)
	}
	st.wild.org.SetScopes(st.wild.key, allScopes()...)
	for _, p := range st.wild.org.Postings() {
		st.wild.org.SetConfidential(p.JobID, false) // who applied for confidential jobs is not shown to the key
	}
	for range 2 {
		st.round(st.wild)
		st.round(st.still)
		st.ripen()
		if _, err := st.sql.ExecContext(st.t.Context(), `UPDATE sweeps SET finished_at = finished_at - interval '1 day'`); err != nil {
			st.t.Fatal(err)
		}
	}
	st.round(st.wild)
	st.round(st.still)
}
