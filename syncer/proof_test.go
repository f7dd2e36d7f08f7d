package syncer

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// proof is a situation that the syncer must come through, and a mistake that would make it fail. What it finds wrong it
// returns, so that a test can see that the mistake is noticed.
type proof struct {
	postings int
	run      func(l *lab) []string
	// mistake puts the mistake in before anything runs.
	mistake func(l *lab)
}

var proofs = map[string]proof{
	"drop the guard": {20, massDisappearance, func(l *lab) {
		l.tamper = func(s *Syncer) {
			s.review = func(_ *mirror.Hold, _ int, vanished []string, _ time.Time) ([]string, *mirror.Hold, bool) {
				return vanished, nil, false
			}
		}
	}},
	"let an older answer win": {20, olderPage, func(l *lab) {
		l.tamper = func(s *Syncer) { s.overtaken = func(_, _ time.Time) bool { return false } }
	}},
	"treat 403 as empty": {20, lostPermission, func(l *lab) {
		l.wrap = func(c AshbyClient) AshbyClient { return emptyForbidden{c} }
	}},
	"skip the epoch check":     {20, formerOwner, func(l *lab) { l.lax = true }},
	"ignore page 2":            {5, failureOnPageTwo, func(l *lab) { l.wrap = func(c AshbyClient) AshbyClient { return firstPage{c} } }},
	"save the token too early": {5, failureOnPageTwo, func(l *lab) { l.tokenOfAll = l.tokenByHand }},
}

// TestProofs goes through the situations as they are.
func TestProofs(t *testing.T) {
	for name, p := range proofs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range p.faults(t, false) {
				t.Error(fault)
			}
		})
	}
}

// TestMistakesAreNoticed makes each mistake and expects its proof to fail.
func TestMistakesAreNoticed(t *testing.T) {
	for name, p := range proofs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := p.faults(t, true)
			if len(faults) == 0 {
				t.Error("nobody would notice")
				return
			}
			t.Logf("noticed: %s", faults[0])
		})
	}
}

func (p proof) faults(t *testing.T, mistaken bool) (faults []string) {
	synctest.Test(t, func(t *testing.T) {
		l := openLab(t, p.postings)
		if mistaken {
			l.stop()
			p.mistake(l)
			l.start("mistaken", l.own, l.change)
		}
		faults = p.run(l)
	})
	return faults
}

// massDisappearance: half of the postings vanish without a word. They are held, and closed once a second listing agrees
// and the reads confirm.
func massDisappearance(l *lab) (faults []string) {
	l.join()
	gone := l.vanish(10)
	l.pollNow()
	if got := l.closed(); got != nil {
		faults = append(faults, fmt.Sprintf("%d jobs closed at once", len(got)))
	}
	if h := l.holdNow(); h == nil || !slices.Equal(h.Postings, gone) {
		faults = append(faults, fmt.Sprintf("the hold is %+v", h))
	}
	l.pass(8 * time.Minute)
	if got := l.closed(); len(got) != len(gone) || l.holdNow() != nil {
		faults = append(faults, fmt.Sprintf("%d of %d closed, the hold is %+v", len(got), len(gone), l.holdNow()))
	}
	return append(faults, l.untrue()...)
}

// olderPage: a page that was read before a webhook's answer arrives after it.
func olderPage(l *lab) []string {
	gate := newGate(ashby.KindJob)
	l.stop()
	l.wrap = func(c AshbyClient) AshbyClient { return slowPages{c, gate} }
	l.start("slow", l.own, l.change)
	l.withWebhooks()
	l.join()
	job := l.org.Postings()[0].JobID
	l.org.MuteWebhooks(true)
	l.org.RetitleJob(job, "Older")
	l.org.MuteWebhooks(false)
	arrived := gate.shut()
	l.with(conn, func(a *account) { a.sync.NextPollAt = time.Now() })
	<-arrived // the page with the older title is read, and not applied
	l.pass(time.Second)
	l.org.RetitleJob(job, "Newer")
	l.pass(5 * time.Second)
	gate.open()
	l.pass(5 * time.Second)
	if got := l.jobTitle(job); got != "Newer" {
		return []string{fmt.Sprintf("the job is called %q", got)}
	}
	return nil
}

// lostPermission: without Jobs read nothing can be said, so nothing is; once it is back, all is as at Ashby.
func lostPermission(l *lab) (faults []string) {
	l.join()
	l.org.SetScopes(l.key, "organization:read")
	for range 4 {
		l.pollNow()
		l.pass(10 * time.Minute)
	}
	if got := l.closed(); got != nil {
		faults = append(faults, fmt.Sprintf("%d jobs closed", len(got)))
	}
	if c := l.connection(); c.Status != mirror.StatusDegraded || c.StatusCode != "missing_permission" {
		faults = append(faults, fmt.Sprintf("status %s, code %q", c.Status, c.StatusCode))
	}
	l.org.SetScopes(l.key, allScopes...)
	l.pollNow()
	if s := l.connection().Status; s != mirror.StatusActive {
		faults = append(faults, fmt.Sprintf("status %s once the permission is back", s))
	}
	return append(faults, l.untrue()...)
}

// formerOwner: a process is paused in the middle of a read, another one takes over and writes something newer, and then
// the first one goes on.
func formerOwner(l *lab) []string {
	gate := newGate(ashby.KindJob)
	l.stop()
	l.wrap = func(c AshbyClient) AshbyClient { return slowPages{c, gate} }
	l.start("paused", l.own, l.change)
	l.join()
	job := l.org.Postings()[0].JobID
	l.org.RetitleJob(job, "Older")
	arrived := gate.shut()
	l.with(conn, func(a *account) { a.sync.NextPollAt = time.Now() })
	<-arrived
	l.steal(mirror.Part(conn), time.Hour)
	l.with(conn, func(a *account) { // the other one's write
		r := a.records[keyFor(ashby.KindJob, job)]
		r.Doc = []byte(`{"id":"` + job + `","title":"Newer","status":"Open","confidential":false}`)
		r.Hash = mirror.Hash(r.Doc)
	})
	gate.open()
	l.pass(5 * time.Second)
	if got := l.jobTitle(job); got != "Newer" {
		return []string{fmt.Sprintf("the former owner wrote %q over it", got)}
	}
	return nil
}

// failureOnPageTwo: a listing of three pages is cut short at the second, once. All its rows arrive in the end.
func failureOnPageTwo(l *lab) []string {
	const candidates = threePages
	l.org.GenerateHiring()
	l.org.GenerateCandidates(candidates)
	l.inject("server-error@2:candidate.list:3")
	l.join("candidates")
	l.with(conn, func(a *account) {
		a.nextSlice = time.Now()
		// The daily reading would find what is missing, and is not what this is about.
		a.swept[listingKey{kind: string(ashby.KindCandidate)}] = mirror.Swept{FinishedAt: time.Now()}
	})
	l.pass(3 * time.Hour)
	if got := len(l.present(ashby.KindCandidate)); got != candidates {
		return []string{fmt.Sprintf("%d of %d candidates", got, candidates)}
	}
	return nil
}

// gate holds back pages of a kind after they were read.
type gate struct {
	kind ashby.Kind

	mu            sync.Mutex
	held, arrived chan struct{}
}

func newGate(kind ashby.Kind) *gate { return &gate{kind: kind} }

// shut holds back the next page; the channel is closed when it has arrived.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.arrived = make(chan struct{}), make(chan struct{})
	return g.arrived
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.held)
	g.held = nil
}
