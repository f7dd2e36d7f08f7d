package syncer

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// step is one thing that happens: to the employer's account, to the webhooks, to Ashby, to us, or nothing for a while.
type step struct {
	do   string
	a, b int
}

func (s step) String() string { return fmt.Sprintf("%s %d %d", s.do, s.a, s.b) }

// moves are what may happen, as often as they stand here.
var moves = []string{
	"retitle", "retitle", "describe", "unpublish", "publish", "unlist", "list", "delete", "create", "internal", "external",
	"confidential", "open to all", "draft job", "open job", "close job", "retitle job", "rename place", "rename team",
	"mute", "unmute", "shuffle", "in order", "twice", "once", "receiver down", "receiver up",
	"fault", "fault", "all well", "all well", "expire tokens", "poll", "poll", "slice", "restart", "crash",
	"approve", "reject", "seconds", "seconds", "minutes", "minutes", "hours",
	"edit candidate", "delete candidate", "submit", "note", "offer", "delete source",
}

// modelFaults are the faults that may be met. Those that never answer take long.
var modelFaults = func() []string {
	var names []string
	for _, f := range ashbytest.Faults() {
		switch f.Fault.Kind {
		case ashbytest.FaultOversized, ashbytest.FaultGzipBomb, ashbytest.FaultSlowBody:
			continue // the client's own tests have them; they cost time here and tell nothing more
		}
		names = append(names, f.Name)
	}
	return names
}()

// modelMethods are the endpoints that a fault may be limited to.
var modelMethods = []string{"", "", "candidate.list", "candidate.info", "jobPosting.list", "jobPosting.info", "job.list", "location.list", "jobBoard.list", "job.info"}

// TestModel lets random things happen in random order: changes, webhooks that are lost, doubled and out of order, polls,
// every fault of Ashby, restarts and crashes of ours. No job closes that was always public (P5), and once all is quiet,
// the copy and the events say what Ashby says (P2, P3), and nothing is written any more (P4).
//
// `make model` makes 10,000 checks; a failure is replayed with the seed that it prints.
func TestModel(t *testing.T) {
	t.Parallel()
	fewer(t, 10)
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				do: rapid.SampledFrom(moves).Draw(rt, "do"),
				a:  rapid.IntRange(0, 11).Draw(rt, "a"), b: rapid.IntRange(0, 1000).Draw(rt, "b"),
			}
		}), 1, 40).Draw(rt, "steps")
		staffed := rapid.IntRange(0, 3).Draw(rt, "staffed") == 0
		latency := rapid.SampledFrom([]time.Duration{0, 30 * time.Millisecond, 3 * time.Second}).Draw(rt, "latency")
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = runModel(t, steps, latency, staffed) })
		if len(faults) > 0 {
			rt.Fatalf("%d things are wrong, the first: %s\nsteps: %v", len(faults), faults[0], steps)
		}
	})
}

// fewer makes as many checks, where nobody asked for another number: a check lasts a tenth of a second.
func fewer(t *testing.T, checks int) {
	t.Helper()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if asked {
		return
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(checks)); err != nil {
		t.Fatal(err)
	}
}

// model is a lab in which things happen.
type model struct {
	*lab
	// hidden are the postings that were not public at some moment: only these may close.
	hidden map[string]bool
	// staffed says that the modules of people are read, too.
	staffed bool
	// lied says that Ashby answered with what was not so, or left out what was: only another reading of it can tell.
	lied   bool
	faults []string
	starts int
}

func runModel(t *testing.T, steps []step, latency time.Duration, staffed bool) []string {
	m := &model{lab: openLab(t, 12), hidden: map[string]bool{}}
	m.slow.Store(int64(latency))
	m.withWebhooks()
	var modules []string
	if m.staffed = staffed; staffed {
		m.org.GenerateHiring()
		m.org.GenerateCandidates(6)
		modules = []string{"candidates", "offers", "hiring_process"}
		// A key that may not see confidential jobs does not see who applies to them; then there would be two truths.
		m.key = m.org.AddKey(ashbytest.KeyOptions{Scopes: allScopes, Confidential: true})
	}
	m.join(modules...)
	if staffed {
		m.sliceDue()
	}
	for _, s := range steps {
		m.step(s)
		m.watch()
	}
	m.settleDown()
	return m.faults
}

// watch notes what is not public, and that nothing else was closed.
func (m *model) watch() {
	public := map[string]bool{}
	for _, p := range m.org.Postings() {
		if p.Public() {
			public[p.ID] = true
		}
	}
	m.with(conn, func(a *account) {
		for id := range a.listings {
			m.hidden[id] = m.hidden[id] || !public[id]
		}
	})
	for _, e := range m.events("") {
		if e.typ == events.JobClosed && !m.hidden[e.posting] {
			m.faults = append(m.faults, fmt.Sprintf("posting %s closed (%s) and was public all the time", e.posting, *e.data.Reason))
		}
	}
}

// settleDown ends all trouble, lets everything be found, and judges.
func (m *model) settleDown() {
	m.sim.ClearFaults()
	m.slow.Store(0)
	m.org.MuteWebhooks(false)
	m.hook.setDown(false)
	m.decide(mirror.HoldOpen) // what was rejected would stay open here
	m.pass(4 * time.Hour)     // the last retries of webhooks, polls after long failures, holds
	if m.lied || m.staffed {
		m.pass(26 * time.Hour) // everything is read again within a day
	}
	m.pollNow()
	m.pass(12 * time.Minute)
	m.pollNow()
	m.roundDone()
	m.watch()
	m.faults = append(m.faults, m.untrue()...)
	m.sameRecords()
	if n := m.openRows(); n > 0 {
		m.faults = append(m.faults, fmt.Sprintf("%d webhooks are unanswered", n))
	}
	before, told := m.appliedUnits(), len(m.events(""))
	m.pollNow()
	m.roundDone()
	for _, u := range m.units(before) {
		if len(u.Upserts)+len(u.Gone) > 0 {
			m.faults = append(m.faults, fmt.Sprintf("unchanged data wrote %d records", len(u.Upserts)+len(u.Gone)))
		}
	}
	if n := len(m.events("")) - told; n > 0 {
		m.faults = append(m.faults, fmt.Sprintf("%d events without a change", n))
	}
}

// peopled are the kinds of people and their words that a staffed model compares.
var peopled = []ashby.Kind{
	ashby.KindCandidate, ashby.KindApplication, ashby.KindCandidateNote, ashby.KindApplicationHistory, ashby.KindOffer,
	ashby.KindSource, ashby.KindArchiveReason,
}

// sameRecords judges that the same objects are here as at Ashby.
func (m *model) sameRecords() {
	if !m.staffed {
		return
	}
	for _, kind := range peopled {
		here, there := m.present(kind), slices.Sorted(slices.Values(m.org.RecordIDs(string(kind))))
		if !slices.Equal(here, there) {
			m.faults = append(m.faults, fmt.Sprintf("%d objects of kind %s, and %d at Ashby", len(here), kind, len(there)))
		}
	}
}

// decide sets the state of the hold, as a person does.
func (m *model) decide(state string) {
	m.with(conn, func(a *account) {
		if a.hold != nil {
			decided := *a.hold
			decided.State = state
			a.hold = &decided
		}
	})
}

// stepOfPeople changes candidates and what belongs to them.
func (m *model) stepOfPeople(s step) bool {
	kind := map[string]string{
		"edit candidate": "candidate", "delete candidate": "candidate", "note": "candidate", "offer": "application",
		"submit": "candidate", "delete source": "source",
	}[s.do]
	if kind == "" {
		return false
	}
	ids := m.org.RecordIDs(kind)
	if !m.staffed || len(ids) == 0 {
		return true
	}
	id, text := ids[s.a%len(ids)], fmt.Sprintf("%s %d", s.do, s.b)
	switch s.do {
	case "edit candidate":
		m.org.EditCandidate(id, map[string]any{"position": text})
	case "delete candidate":
		m.org.DeleteCandidate(id)
	case "note":
		m.org.AddNote(id, text)
	case "submit":
		if posting := m.posting(s.b); posting != "" {
			p, _ := m.org.Posting(posting)
			m.org.SubmitApplication(p.JobID)
		}
	case "offer":
		m.org.CreateOffer(id)
	case "delete source":
		m.org.DeleteRecord(kind, id)
	}
	return true
}

// step lets one thing happen.
func (m *model) step(s step) {
	if m.stepOfOurs(s) || m.stepOfPeople(s) || m.stepOfJob(s) {
		return
	}
	id := m.posting(s.a)
	if id == "" && s.do != "create" {
		return
	}
	text := fmt.Sprintf("%s %d", s.do, s.b)
	switch s.do {
	case "retitle":
		m.org.Retitle(id, text)
	case "describe":
		m.org.EditDescription(id, "<p>"+text+"</p>")
	case "unpublish":
		m.org.Unpublish(id)
	case "publish":
		m.org.Publish(id)
	case "unlist":
		m.org.SetListed(id, false)
	case "list":
		m.org.SetListed(id, true)
	case "delete":
		m.org.DeletePosting(id)
	case "create":
		m.org.Generate(1)
	case "internal":
		m.org.SetInternal(id, true)
	case "external":
		m.org.SetInternal(id, false)
	}
}

func (m *model) posting(n int) string {
	all := m.org.Postings()
	if len(all) == 0 {
		return ""
	}
	return all[n%len(all)].ID
}

// stepOfJob changes a job, a place or a team.
func (m *model) stepOfJob(s step) bool {
	all := m.org.Postings()
	if len(all) == 0 {
		return false
	}
	job, text := all[s.a%len(all)].JobID, fmt.Sprintf("%s %d", s.do, s.b)
	switch s.do {
	case "confidential":
		m.org.SetConfidential(job, true)
	case "open to all":
		m.org.SetConfidential(job, false)
	case "draft job":
		m.org.SetJobStatus(job, ashbytest.JobDraft)
	case "open job":
		m.org.SetJobStatus(job, ashbytest.JobOpen)
	case "close job":
		m.org.SetJobStatus(job, ashbytest.JobClosed)
	case "retitle job":
		m.org.RetitleJob(job, text)
	case "rename place":
		m.org.RenameLocation(nth(m.org.Locations(), s.a), text)
	case "rename team":
		m.org.RenameDepartment(nth(m.org.Departments(), s.a), text)
	default:
		return false
	}
	return true
}

func nth(m map[string]string, n int) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys[n%len(keys)]
}

// stepOfOurs is trouble with webhooks, with Ashby, or with us; or time goes by.
func (m *model) stepOfOurs(s step) bool {
	switch s.do {
	case "mute", "unmute":
		m.org.MuteWebhooks(s.do == "mute")
	case "shuffle":
		m.org.ShuffleWebhooks(time.Duration(s.b) * time.Second)
	case "in order":
		m.org.ShuffleWebhooks(0)
	case "twice":
		m.org.DuplicateWebhooks(1 + s.a%3)
	case "once":
		m.org.DuplicateWebhooks(0)
	case "receiver down", "receiver up":
		m.hook.setDown(s.do == "receiver down")
	case "fault":
		m.meet(s)
	case "all well":
		m.sim.ClearFaults()
	case "expire tokens":
		m.org.ExpireTokens()
	case "poll":
		m.pollNow()
	case "slice":
		m.with(conn, func(a *account) { a.nextSlice = time.Now() })
		m.pass(5 * time.Second)
	case "approve":
		m.decide(mirror.HoldApproved)
	case "reject":
		m.decide(mirror.HoldRejected)
	case "restart", "crash":
		m.again(s.do == "crash")
	case "seconds":
		m.pass(time.Duration(1+s.b%60) * time.Second)
	case "minutes":
		m.pass(time.Duration(1+s.b%60) * time.Minute)
	case "hours":
		m.pass(time.Duration(1+s.b%3) * time.Hour)
	default:
		return false
	}
	return true
}

// meet has Ashby fail in one of its ways, for some requests or until all is well.
func (m *model) meet(s step) {
	f, _ := ashbytest.FaultNamed(modelFaults[s.b%len(modelFaults)])
	f.Method, f.Count = modelMethods[s.a%len(modelMethods)], s.a%4
	switch f.Kind {
	case ashbytest.FaultUnknownEnum, ashbytest.FaultNullFields, ashbytest.FaultUnknownFields, ashbytest.FaultEmptyList,
		ashbytest.FaultShrunkList, ashbytest.FaultCutListing, ashbytest.FaultMovedRow:
		m.lied = true
	}
	m.sim.Inject(f)
}

// again stops the syncer and starts another one: at once, or after the leases of one that crashed have ended.
func (m *model) again(crashed bool) {
	m.stop()
	if crashed {
		m.pass(20 * time.Second)
	}
	m.starts++
	m.start(fmt.Sprintf("again-%d", m.starts), m.own, m.change)
}
