package syncer

import (
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// What is not polled: opt-in modules, children of what changed, full readings, quarantine.

// optIn are the modules beside jobs.
var optIn = slices.DeleteFunc(ashby.Modules(), func(m string) bool { return m == moduleJobs })

// sliceDue makes a slice due; the others follow by themselves.
func (l *lab) sliceDue() {
	l.with(conn, func(a *account) { a.nextSlice = time.Now() })
}

// roundDone makes a round of slices due and lets all of them happen.
func (l *lab) roundDone() {
	l.t.Helper()
	l.sliceDue()
	for range 200 {
		l.pass(10 * time.Second)
		resting := false
		l.with(conn, func(a *account) { resting = time.Until(a.nextSlice) > sliceClaim+time.Minute })
		if resting {
			return
		}
	}
	l.t.Fatal("the round does not end")
}

// TestEveryModuleIsReadWhole: each kind has every object that Ashby has, sealed where it belongs to an opt-in module.
func TestEveryModuleIsReadWhole(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(120)
		l.join(optIn...)
		l.roundDone()
		for _, res := range ashby.Catalogue() {
			if res.Kind == ashby.KindPosting {
				continue
			}
			here := l.present(res.Kind)
			if len(here) == 0 {
				t.Errorf("no %s was read", res.Kind)
			}
			there := l.org.RecordIDs(string(res.Kind))
			if res.Kind == ashby.KindProject { // one is confidential, and the key sees none such
				there = there[1:]
			}
			if len(there) > 0 && len(here) != len(there) {
				t.Errorf("%d of %d of kind %s", len(here), len(there), res.Kind)
			}
			l.with(conn, func(a *account) {
				for k, r := range a.records {
					if k.Kind == string(res.Kind) && (r.Doc == nil) != res.Personal {
						t.Fatalf("%s %s: sealed is %t", k.Kind, k.ID, r.Doc == nil)
					}
				}
			})
		}
		for _, module := range optIn {
			if s := l.moduleStates()[module]; s.State != mirror.ModuleActive || s.CompleteAt == nil {
				t.Errorf("module %s: %+v", module, s)
			}
		}
		for _, r := range l.ran() {
			if r.Outcome != "ok" || r.Requests == 0 || len(r.RequestIDs) == 0 {
				t.Errorf("run %+v", r)
			}
		}
		before := l.appliedUnits()
		l.roundDone()
		for _, u := range l.units(before) {
			if len(u.Upserts)+len(u.Gone)+len(u.StaleParents) > 0 {
				t.Fatalf("a round over unchanged data wrote %d records, took %v away and asks for the children of %v",
					len(u.Upserts), u.Gone, u.StaleParents)
			}
		}
		l.truth()
	})
}

// TestObjectsLookTheSameHoweverTheyAreRead: else each webhook would seem to change an object, and each delta back.
func TestObjectsLookTheSameHoweverTheyAreRead(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(10)
		o := Options{Metrics: l.syncer.opts.Metrics}
		l.own(&o)
		c, err := o.NewClient(ashby.Secret(l.key))
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range ashby.Catalogue() {
			if res.Info == "" || res.Kind == ashby.KindPosting || res.Parent != "" {
				continue
			}
			page, err := c.Page(t.Context(), res.Kind, ashby.PageRequest{})
			if err != nil || len(page.Records) == 0 {
				t.Fatalf("%d rows of kind %s: %v", len(page.Records), res.Kind, err)
			}
			one, err := c.Info(t.Context(), res.Kind, page.Records[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if differ := mirror.Changed(page.Records[0].Raw, one.Raw); len(differ) > 0 {
				t.Errorf("%s and %s differ in %v", res.List, res.Info, differ)
			}
		}
	})
}

// TestChildrenOfChangedParentsAlone: what is read per parent is read again only for a parent that changed.
func TestChildrenOfChangedParentsAlone(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(40)
		l.join("candidates")
		l.roundDone()
		application := l.org.RecordIDs("application")[0]
		began := time.Now()
		l.org.MoveApplication(application, l.org.RecordIDs("interview_stage")[1])
		l.roundDone()
		if got := l.requestsTo("application.listHistory", began); got != 1 {
			t.Errorf("the history of %d applications was read for one that moved", got)
		}
		if got := l.requestsTo("candidate.listNotes", began); got > 1 {
			t.Errorf("the notes of %d candidates were read", got)
		}
		here, there := l.childrenOf(ashby.KindApplicationHistory, application), l.org.RecordIDsOf("application_history", application)
		if len(here) != len(there) || len(here) == 0 {
			t.Errorf("%d of %d entries of the history", len(here), len(there))
		}
	})
}

func (l *lab) childrenOf(kind ashby.Kind, parent string) map[string]mirror.Head {
	children, err := l.Children(l.t.Context(), conn, string(kind), parent)
	if err != nil {
		l.t.Fatal(err)
	}
	return children
}

// TestDeletedCandidateGoesWithItsChildren: by webhook at once, without one by the daily full reading.
func TestDeletedCandidateGoesWithItsChildren(t *testing.T) {
	for way, muted := range map[string]bool{"by webhook": false, "by the daily reading": true} {
		t.Run(way, func(t *testing.T) {
			inLab(t, 10, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(40)
				l.withWebhooks()
				l.join("candidates")
				l.roundDone()
				candidates := l.org.RecordIDs("candidate")
				with := slices.IndexFunc(candidates, func(id string) bool {
					return len(l.childrenOf(ashby.KindCandidateNote, id)) > 0
				})
				if with < 0 {
					t.Fatal("no candidate has notes")
				}
				candidate := candidates[with]
				l.org.MuteWebhooks(muted)
				l.org.DeleteCandidate(candidate)
				l.pass(30 * time.Second)
				if muted {
					l.pass(25 * time.Hour)
				}
				if slices.Contains(l.present(ashby.KindCandidate), candidate) {
					t.Error("the candidate is still there")
				}
				if got := len(l.childrenOf(ashby.KindCandidateNote, candidate)); got != 0 {
					t.Errorf("%d notes of a deleted candidate", got)
				}
				if got := len(l.present(ashby.KindCandidate)); got != 39 {
					t.Errorf("%d candidates", got)
				}
			})
		})
	}
}

// TestDailyReadingFindsWhatIsGone: for jobs, places and small lists, with and without single reads.
func TestDailyReadingFindsWhatIsGone(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.join("hiring_process")
		l.roundDone()
		job := l.org.Postings()[0].JobID
		for _, p := range l.org.Postings() {
			if p.JobID == job {
				l.org.DeletePosting(p.ID)
			}
		}
		l.pollNow()
		source := l.org.RecordIDs("source")[0]
		l.org.DeleteRecord("job", job)
		l.org.DeleteRecord("source", source)
		l.pass(50 * time.Hour)
		if slices.Contains(l.present(ashby.KindJob), job) {
			t.Error("the job is still there")
		}
		if slices.Contains(l.present(ashby.KindSource), source) {
			t.Error("the source is still there")
		}
		l.truth()
	})
}

// TestWrongFullReadingsLoseNothing: a listing that is cut short or empty, once, takes nothing away.
func TestWrongFullReadingsLoseNothing(t *testing.T) {
	for _, fault := range []string{"empty-list", "cut-listing", "shrunk-list", "moved-row", "soft-error@2"} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 20, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(threePages)
				l.join(optIn...)
				l.roundDone()
				before := map[ashby.Kind][]string{}
				for _, res := range ashby.Catalogue() {
					before[res.Kind] = l.present(res.Kind)
					l.forgetToken(res.Kind)
				}
				l.inject(fault)
				l.with(conn, func(a *account) { a.nextSlice = time.Now() })
				l.pass(2 * time.Minute)
				for _, res := range ashby.Catalogue() {
					if got := l.present(res.Kind); !slices.Equal(got, before[res.Kind]) {
						t.Errorf("%d of %d of kind %s are left", len(got), len(before[res.Kind]), res.Kind)
					}
				}
				if len(l.closed()) > 0 {
					t.Errorf("closed %v", l.closed())
				}
			})
		})
	}
}

// TestBadRowIsQuarantined: one bad row is put aside, the run goes on, and the row leaves quarantine once it can be read.
func TestBadRowIsQuarantined(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.inject("bad-row:job.list")
		l.inject("bad-row:job.info")
		l.join()
		l.quarantined(1)
		l.with(conn, func(a *account) {
			for k, b := range a.bad {
				if k.Kind != "job" || b.Reason == "" || b.Shape["title"] != "string" {
					t.Errorf("quarantine: %+v", b)
				}
			}
		})
		if got := l.published(); got != 20 {
			t.Errorf("%d postings published", got)
		}
		if l.tokenOf(ashby.KindJob).Token == "" {
			t.Error("one bad row keeps the token from moving on")
		}
		l.roundDone()
		l.quarantined(1)
		l.sim.ClearFaults()
		l.roundDone()
		l.quarantined(0)
		l.truth()
	})
}

func TestBadPostingIsQuarantined(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.join()
		l.inject("bad-row:jobPosting.list")
		for _, p := range l.org.Postings() {
			l.org.Retitle(p.ID, "Others go on")
		}
		l.pollNow()
		l.quarantined(1)
		if got := len(l.events("")); got < 39 {
			t.Errorf("%d events: a bad row keeps others from being read", got)
		}
		if got := l.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
	})
}

// TestOneMethodWithoutAnswer: where Ashby fails at one method for long, everything else is read all the same.
func TestOneMethodWithoutAnswer(t *testing.T) {
	for fault, lost := range map[string][]ashby.Kind{
		"server-error:candidate.list": {
			ashby.KindCandidate, ashby.KindCandidateNote, ashby.KindCandidateClientInfo, ashby.KindCandidateFraudCheck, ashby.KindCandidateProject,
		},
		"timeout:application.listHistory":      {ashby.KindApplicationHistory},
		"connection-reset:candidate.listNotes": {ashby.KindCandidateNote},
	} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 10, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(30)
				l.inject(fault)
				l.join(optIn...)
				l.sliceNow()
				l.pass(30 * time.Minute)
				missing := func() (kinds []ashby.Kind) {
					for _, res := range ashby.Catalogue() {
						if len(l.present(res.Kind)) == 0 && res.Kind != ashby.KindPosting {
							kinds = append(kinds, res.Kind)
						}
					}
					return kinds
				}
				if got := missing(); !slices.Equal(got, lost) {
					t.Errorf("missing are %v, want %v alone", got, lost)
				}
				l.sim.ClearFaults()
				l.pass(3 * time.Hour)
				if got := missing(); len(got) > 0 {
					t.Errorf("missing after the fault are %v", got)
				}
			})
		})
	}
}

// TestRowWithoutIDLeavesQuarantine: nobody can ask for it, so a full reading without bad rows is what tells that it can be
// read by now; of a parent's children, the next reading of them.
func TestRowWithoutIDLeavesQuarantine(t *testing.T) {
	for fault, wait := range map[string]time.Duration{
		"row-without-id:source.list": 0, "row-without-id:user.list": 25 * time.Hour, "row-without-id:job.list": 25 * time.Hour,
		"row-without-id:candidate.listNotes": 0,
	} {
		t.Run(fault, func(t *testing.T) {
			inLab(t, 10, func(t *testing.T, l *lab) {
				l.org.GenerateHiring()
				l.org.GenerateCandidates(4)
				l.inject(fault)
				l.join("hiring_process", "organization", "candidates")
				l.roundDone()
				bad := 0
				l.with(conn, func(a *account) { bad = len(a.bad) })
				if bad == 0 {
					t.Fatal("nothing is in quarantine")
				}
				l.roundDone()
				l.quarantined(bad)
				l.sim.ClearFaults()
				for _, id := range l.org.RecordIDs("candidate") {
					l.org.EditCandidate(id, map[string]any{"name": "Changed"})
				}
				l.pass(wait)
				l.roundDone()
				l.quarantined(0)
			})
		})
	}
}

// TestWebhookOfAKindWithoutSingleReads: an interview schedule is read by what changed since the token.
func TestWebhookOfAKindWithoutSingleReads(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(20)
		l.withWebhooks()
		l.join("interviews", "candidates")
		l.roundDone()
		before := len(l.present(ashby.KindInterviewSchedule))
		l.org.ScheduleInterview(l.org.RecordIDs("application")[1])
		l.pass(20 * time.Second)
		if got := len(l.present(ashby.KindInterviewSchedule)); got != before+1 {
			t.Errorf("%d schedules after %d and a webhook", got, before)
		}
		if l.openRows() != 0 {
			t.Errorf("%d webhooks are unanswered", l.openRows())
		}
	})
}

// TestPostingsFirst: an employer with 50,000 candidates delays neither its own postings nor another's.
func TestPostingsFirst(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		l.org.GenerateHiring()
		l.org.GenerateCandidates(50_000)
		other := l.sim.AddOrganization("other", "Other")
		other.Generate(10)
		l.withWebhooks()
		l.join("candidates")
		l.connectToo("c2", other.AddKey(ashbytest.KeyOptions{}))
		l.with(conn, func(a *account) { a.nextSlice = time.Now() })
		l.pass(6 * time.Second)
		if got := len(l.present(ashby.KindCandidate)); got == 0 || got == 50_000 {
			t.Fatalf("%d candidates: the reading is not under way", got)
		}
		posting := l.org.Postings()[0].ID
		began := time.Now()
		l.org.Retitle(posting, "Before all candidates")
		for len(l.events(posting)) < 2 && time.Since(began) < time.Minute {
			l.pass(100 * time.Millisecond)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the posting's webhook took %s", took)
		}
		other.Retitle(other.Postings()[0].ID, "Others do not wait either")
		began = time.Now()
		l.with("c2", func(a *account) { a.sync.NextPollAt = time.Now() })
		for len(differences(l.world, "c2", other)) > 0 && time.Since(began) < time.Minute {
			l.pass(100 * time.Millisecond)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the other's poll took %s", took)
		}
	})
}

// TestBackAfterAnOutage: one poll of each connection, spread, and none is told anything twice.
func TestBackAfterAnOutage(t *testing.T) {
	inLab(t, 5, func(t *testing.T, l *lab) {
		l.join()
		for _, id := range []string{"d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8"} {
			l.connectToo(id, l.org.AddKey(ashbytest.KeyOptions{}))
		}
		l.pass(time.Minute)
		l.stop()
		l.org.Retitle(l.org.Postings()[0].ID, "While nobody worked")
		l.pass(time.Minute)
		l.start("two", l.own, l.change)
		began := time.Now()
		l.pass(45 * time.Second)
		polls := map[time.Duration]int{}
		for _, r := range l.sim.Requests() {
			if r.Method == "jobPosting.list" && r.At.After(began) {
				polls[r.At.Sub(began).Truncate(5*time.Second)]++
			}
		}
		total := 0
		for _, n := range polls {
			total += n
		}
		if total != 9 || len(polls) < 4 {
			t.Errorf("polls by time: %v, want one of each of nine connections, spread", polls)
		}
		l.truth()
	})
}

// TestRunsTellWhatHappened: who looks at a run sees what it did and why.
func TestRunsTellWhatHappened(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join()
		l.org.Retitle(l.org.Postings()[0].ID, "Told")
		l.pass(10 * time.Second)
		l.inject("soft-error:jobPosting.list")
		l.pollNow()
		var first, webhook, failed bool
		for _, r := range l.ran() {
			switch {
			case r.Trigger == mirror.TriggerRegistration:
				first = r.Task == "poll" && r.Events == 10 && r.Rows > 10 && r.Changed > 10 && r.Requests > 10 && r.Outcome == "ok"
			case r.Trigger == mirror.TriggerWebhook:
				webhook = webhook || r.Task == "posting" && r.Object == l.org.Postings()[0].ID && r.Events == 1 && r.Requests == 1
			case r.Outcome != "ok":
				failed = r.Reason != "" && len(r.RequestIDs) > 0
			}
		}
		if !first || !webhook || !failed {
			t.Errorf("first %t, webhook %t, failed %t: %+v", first, webhook, failed, l.ran())
		}
		if got := l.lastOf(l.org.Postings()[0].ID); got.data.Origin != events.OriginWebhook {
			t.Errorf("origin %s", got.data.Origin)
		}
	})
}
