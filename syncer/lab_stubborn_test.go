package syncer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// What fails for good: one object, one listing, one permission. It keeps nothing else from being read.

// injectAt has a named fault meet one object, or the children of one parent.
func (l *lab) injectAt(name, method, id string) {
	l.t.Helper()
	f, known := ashbytest.FaultNamed(name)
	if !known {
		l.t.Fatalf("no fault %q", name)
	}
	f.Method, f.ID = method, id
	l.sim.Inject(f)
}

// staffed is a lab with people in it, connected with modules and read whole.
func staffed(l *lab, modules ...string) {
	l.org.GenerateHiring()
	l.org.GenerateCandidates(40)
	l.join(modules...)
	l.roundDone()
}

func TestOneObjectThatAlwaysFailsStopsNothing(t *testing.T) {
	for _, fault := range []string{"soft-error", "server-error", "html", "timeout"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 5, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(40)
				stubborn := l.org.RecordIDs("candidate")[0]
				l.injectAt(fault, "candidate.listNotes", stubborn)
				l.join("candidates", "offers")
				l.sliceDue()
				began := time.Now()
				l.pass(6 * time.Hour)
				if got := l.requestsTo("candidate.list", began); got < 6 {
					t.Errorf("candidates were listed %d times in six hours", got)
				}
				if got, want := len(l.present(ashby.KindCandidateNote)), len(l.org.RecordIDs("candidate_note")); got < want-10 {
					t.Errorf("%d of %d notes: others wait for the one candidate", got, want)
				}
				_, application := l.org.SubmitApplication(l.org.Postings()[0].JobID)
				l.pass(3 * time.Hour)
				if !slices.Contains(l.present(ashby.KindApplication), application) {
					t.Error("a new application is not seen")
				}
				l.quarantined(1)
				l.sim.ClearFaults()
				l.pass(3 * time.Hour)
				l.quarantined(0)
				if got, want := len(l.present(ashby.KindCandidateNote)), len(l.org.RecordIDs("candidate_note")); got != want {
					t.Errorf("%d of %d notes once all can be read", got, want)
				}
			})
		})
	}
}

func TestOneListingThatAlwaysFailsStopsNothing(t *testing.T) {
	for _, fault := range []string{"server-error", "html", "forbidden-plain", "soft-error", "timeout"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 5, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(10)
				l.inject(fault + ":source.list")
				l.join("hiring_process", "offers")
				l.sliceDue()
				began := time.Now()
				l.pass(4 * time.Hour)
				// A refusal may be one of the permission, and then the kinds that need it pause together.
				if len(l.present(ashby.KindArchiveReason)) == 0 && fault != "forbidden-plain" || len(l.present(ashby.KindOffer)) == 0 {
					t.Error("others wait for the one listing")
				}
				if c := l.connection(); c.Status != mirror.StatusActive {
					t.Errorf("the connection is %s", c.Status)
				}
				if s := l.moduleStates(); s["hiring_process"].Reason == "" || s["offers"].Reason != "" {
					t.Errorf("nobody is told what fails: %+v", s)
				}
				if got := l.requestsTo("source.list", began); got > 40 {
					t.Errorf("%d requests to a listing that always fails", got)
				}
				l.org.Retitle(l.org.Postings()[0].ID, "Postings go on")
				l.pollNow()
				l.truth()
				l.sim.ClearFaults()
				l.pass(3 * time.Hour)
				if len(l.present(ashby.KindSource)) == 0 {
					t.Error("the listing is not read once it can be")
				}
				if s := l.moduleStates()["hiring_process"]; s.Reason != "" || s.CompleteAt == nil {
					t.Errorf("after all was read: %+v", s)
				}
			})
		})
	}
}

// TestUnreadableConfirmationStopsNoSweep: an absent record that cannot be read stays; the others are looked after.
func TestUnreadableConfirmationStopsNoSweep(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		staffed(l, "candidates")
		candidates := l.org.RecordIDs("candidate")
		l.org.DeleteCandidate(candidates[0])
		l.org.DeleteCandidate(candidates[1])
		l.injectAt("html", "candidate.info", candidates[0])
		l.pass(50 * time.Hour)
		left := l.present(ashby.KindCandidate)
		if !slices.Contains(left, candidates[0]) {
			t.Error("a candidate is gone on a listing's word")
		}
		if slices.Contains(left, candidates[1]) {
			t.Error("a deleted candidate is kept because another one cannot be read")
		}
		l.sim.ClearFaults()
		l.pass(4 * time.Hour)
		if slices.Contains(l.present(ashby.KindCandidate), candidates[0]) {
			t.Error("the candidate is kept once it can be read")
		}
	})
}

func TestWebhooksOfAPausedModuleAreAnswered(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(10)
		l.org.SetScopes(l.key, slices.DeleteFunc(slices.Clone(allScopes), func(s string) bool { return s == "interviews:read" })...)
		l.join("interviews")
		l.roundDone()
		for i := range 70 {
			l.webhook(ashby.KindInterviewSchedule, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		}
		l.pass(5 * time.Minute)
		if got := l.openRows(); got != 0 {
			t.Errorf("%d webhooks are unanswered", got)
		}
	})
}

// TestLastPageOfOneBadRow: the pass ends, and the row is in quarantine.
func TestLastPageOfOneBadRow(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(101)
		l.inject("row-without-id@2:candidate.list")
		l.join("candidates")
		l.roundDone()
		if got := len(l.present(ashby.KindCandidate)); got != 100 || l.tokenOf(ashby.KindCandidate).Token == "" {
			t.Errorf("%d candidates, token %q", got, l.tokenOf(ashby.KindCandidate).Token)
		}
		l.quarantined(1)
	})
}

// TestListingThatFailsKeepsNoPostingBack: places and boards complete a job, and are not waited for without end.
func TestListingThatFailsKeepsNoPostingBack(t *testing.T) {
	for _, method := range []string{"location.list", "department.list", "jobBoard.list", "job.list"} {
		t.Run(method, func(t *testing.T) {
			inLab(t, 10, func(t *testing.T, l *lab) {
				l.inject("server-error:" + method)
				l.connect(conn, l.key)
				l.pass(2 * time.Hour)
				if got := l.published(); got != 10 {
					t.Errorf("%d postings published in two hours", got)
				}
				l.sim.ClearFaults()
				l.pass(2 * time.Hour)
				l.truth()
				if s := l.connection(); s.Status != mirror.StatusActive || l.sync().LastError != "" {
					t.Errorf("status %s, last error %q", s.Status, l.sync().LastError)
				}
			})
		})
	}
}

// TestCursorThatIsRefusedInOtherWords: a pass does not wait for ever for a cursor that is no good.
func TestCursorThatIsRefusedInOtherWords(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(threePages)
		f, _ := ashbytest.FaultNamed("soft-error")
		f.Method, f.Code, f.Page, f.Count = "candidate.list", "invalid_input", 2, 1
		l.sim.Inject(f)
		l.join("candidates")
		l.roundDone()
		if got := len(l.present(ashby.KindCandidate)); got != threePages || l.tokenOf(ashby.KindCandidate).Token == "" {
			t.Errorf("%d candidates, token %q", got, l.tokenOf(ashby.KindCandidate).Token)
		}
	})
}

// TestChildThatWasAwayForAMoment: absent once, back, and days later absent once more, it is not gone.
func TestChildThatWasAwayForAMoment(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		staffed(l, "candidates")
		candidates := l.org.RecordIDs("candidate")
		with := slices.IndexFunc(candidates, func(id string) bool { return len(l.childrenOf(ashby.KindCandidateNote, id)) > 0 })
		candidate := candidates[with]
		before := len(l.childrenOf(ashby.KindCandidateNote, candidate))
		for range 2 {
			l.injectAt("empty-list", "candidate.listNotes", candidate)
			l.org.EditCandidate(candidate, map[string]any{"position": time.Now().String()})
			l.sliceDue()
			l.pass(30 * time.Second)
			l.sim.ClearFaults()
			l.pass(30 * time.Hour)
			if got := len(l.childrenOf(ashby.KindCandidateNote, candidate)); got != before {
				t.Fatalf("%d of %d notes are left", got, before)
			}
		}
	})
}

// TestPartOfAModuleMissing: its state says so and does not change from round to round.
func TestPartOfAModuleMissing(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		l.org.SetScopes(l.key, slices.DeleteFunc(slices.Clone(allScopes), func(s string) bool { return s == "hiringProcessMetadata:read" })...)
		staffed(l, "candidates")
		since := l.moduleStates()["candidates"].Since
		l.pass(5 * time.Hour)
		if s := l.moduleStates()["candidates"]; s.State != mirror.ModulePaused || !s.Since.Equal(since) {
			t.Errorf("%+v, paused since %s", s, since)
		}
		if len(l.present(ashby.KindCandidate)) != 40 {
			t.Error("what the key may read of the module is not read")
		}
	})
}

// TestListingThatStaysCutShort: the reads contradict it. One hold says so for as long as it lasts.
func TestListingThatStaysCutShort(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.join()
		l.inject("shrunk-list:jobPosting.list")
		l.pollNow()
		first := l.holdNow()
		if first == nil {
			t.Fatal("nothing is held")
		}
		l.pass(12 * time.Hour)
		if h := l.holdNow(); h == nil || !h.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("hold %+v after %+v", h, first)
		}
		began := time.Now()
		l.pass(3 * time.Hour)
		if got := l.requestsTo("jobPosting.list", began); got > 5 {
			t.Errorf("%d polls in three hours", got)
		}
		l.sim.ClearFaults()
		l.pass(2 * time.Hour)
		if h := l.holdNow(); h != nil {
			t.Errorf("hold %+v is left", h)
		}
		l.truth()
	})
}

// TestRejectedHoldLetsAWebhookClose: a person spoke of a listing; of this posting a webhook and a read speak.
func TestRejectedHoldLetsAWebhookClose(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join()
		gone := l.vanish(6)
		l.pollNow()
		l.with(conn, func(a *account) { a.hold.State = mirror.HoldRejected })
		l.webhook(ashby.KindPosting, gone[0])
		l.org.DeletePosting(l.org.Postings()[0].ID)
		l.pass(5 * time.Minute)
		if got := l.closed(); len(got) != 2 || !slices.Contains(got, gone[0]) {
			t.Errorf("closed %v, want %s and the one that was deleted later", got, gone[0])
		}
		if got := l.openRows(); got != 0 {
			t.Errorf("%d webhooks are unanswered", got)
		}
	})
}
