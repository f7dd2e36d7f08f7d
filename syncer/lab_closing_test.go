package syncer

import (
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// What closes a job, and what does not, one test each.

// told has the organisation's changes found by webhooks or by polls.
var told = map[string]func(l *lab){
	"by webhook": func(l *lab) { l.withWebhooks() },
	"by poll":    func(*lab) {},
}

// settle lets webhooks or a poll find what changed.
func (l *lab) settle() {
	l.pass(10 * time.Second)
	l.pollNow()
}

// lastOf is the last event of a posting.
func (l *lab) lastOf(id string) logged {
	l.t.Helper()
	log := l.events(id)
	if len(log) == 0 {
		l.t.Fatalf("no event of posting %s", id)
	}
	return log[len(log)-1]
}

func TestExplicitClosingsAndReopening(t *testing.T) {
	acts := map[string]struct {
		shut, open func(o *ashbytest.Organization, p ashbytest.PostingState)
		reason     events.Reason
	}{
		"unpublished": {
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.Unpublish(p.ID) },
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.Publish(p.ID) }, events.ReasonUnpublished,
		},
		"published then unlisted": {
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetListed(p.ID, false) },
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetListed(p.ID, true) }, events.ReasonUnlisted,
		},
		"internal": {
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetInternal(p.ID, true) },
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetInternal(p.ID, false) }, events.ReasonInternal,
		},
		"confidential": {
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetConfidential(p.JobID, true) },
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetConfidential(p.JobID, false) }, "",
		},
		"job drafted": {
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetJobStatus(p.JobID, ashbytest.JobDraft) },
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.SetJobStatus(p.JobID, ashbytest.JobOpen) }, events.ReasonDraft,
		},
		"deleted": {
			func(o *ashbytest.Organization, p ashbytest.PostingState) { o.DeletePosting(p.ID) }, nil, events.ReasonDeleted,
		},
	}
	for name, act := range acts {
		for way, tell := range told {
			t.Run(name+" "+way, func(t *testing.T) {
				inLab(t, 20, func(t *testing.T, l *lab) {
					tell(l)
					l.join()
					p := l.org.Postings()[0]
					act.shut(l.org, p)
					l.settle()
					l.truth()
					e := l.lastOf(p.ID)
					if e.typ != events.JobClosed || e.data.Reason == nil || act.reason != "" && *e.data.Reason != act.reason {
						t.Fatalf("last event %s: %+v", e.typ, e.data.Reason)
					}
					if act.open == nil {
						return
					}
					version := e.data.Version
					act.open(l.org, p)
					l.settle()
					l.truth()
					if e := l.lastOf(p.ID); e.typ != events.JobPublished || e.data.Version != version+1 || e.data.Job.ID != p.ID {
						t.Errorf("reopened by %s of version %d after %d", e.typ, e.data.Version, version)
					}
				})
			})
		}
	}
}

// TestNeverPublic: what was never public is never told of.
func TestDraftUnlistedConfidentialAndInternalPostingsStayOut(t *testing.T) {
	for way, tell := range told {
		t.Run(way, func(t *testing.T) {
			inLab(t, 10, func(t *testing.T, l *lab) {
				tell(l)
				all := l.org.Postings()
				l.org.Unpublish(all[0].ID)
				l.org.SetListed(all[1].ID, false)
				l.org.SetConfidential(all[2].JobID, true)
				l.org.SetInternal(all[3].ID, true)
				l.org.SetJobStatus(all[4].JobID, ashbytest.JobDraft)
				l.join()
				for _, p := range all[:5] {
					l.org.Retitle(p.ID, "Still nobody's business")
				}
				l.settle()
				l.truth()
				for _, p := range all[:5] {
					if got := l.events(p.ID); len(got) != 0 {
						t.Errorf("posting %s was told of: %s", p.ID, got[0].typ)
					}
				}
			})
		})
	}
}

// vanish takes so many postings away without a word.
func (l *lab) vanish(n int) (ids []string) {
	l.org.MuteWebhooks(true)
	defer l.org.MuteWebhooks(false)
	for _, p := range l.org.Postings()[:n] {
		l.org.DeletePosting(p.ID)
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

func (l *lab) holdNow() (h *mirror.Hold) {
	l.with(conn, func(a *account) { h = a.hold })
	return h
}

func TestApprovedHoldClosesAtTheNextPoll(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.join()
		gone := l.vanish(10)
		l.pollNow()
		l.with(conn, func(a *account) { a.hold.State = mirror.HoldApproved })
		l.pollNow()
		if got := l.closed(); len(got) != len(gone) {
			t.Errorf("%d of %d closed", len(got), len(gone))
		}
		l.pollNow()
		if h := l.holdNow(); h != nil {
			t.Errorf("hold %+v is left", h)
		}
		l.truth()
	})
}

// TestApprovalIsNoProof: what Ashby still shows stays open, whatever a person said of the listing.
func TestApprovalIsNoProof(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.join()
		l.inject("shrunk-list:jobPosting.list")
		l.pollNow()
		l.with(conn, func(a *account) { a.hold.State = mirror.HoldApproved })
		l.pollNow()
		if got := l.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
		l.sim.ClearFaults()
		l.pollNow()
		l.truth()
	})
}

func TestRejectedHoldClosesNothing(t *testing.T) {
	inLab(t, 20, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join()
		l.vanish(10)
		l.pollNow()
		l.with(conn, func(a *account) { a.hold.State = mirror.HoldRejected })
		for range 4 {
			l.pollNow()
			l.pass(10 * time.Minute)
		}
		if got := l.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
		other := l.org.Postings()[0]
		l.org.Unpublish(other.ID)
		l.settle()
		if got := l.closed(); !slices.Equal(got, []string{other.ID}) {
			t.Errorf("closed %v, want the one that was unpublished", got)
		}
	})
}

// TestSilentChangeIsFoundWithinADay: pay and names may change without a new updatedAt and without a webhook.
func TestSilentChangeIsFoundWithinADay(t *testing.T) {
	inLab(t, 40, func(t *testing.T, l *lab) {
		l.join()
		l.pass(2 * time.Hour)
		l.org.MuteWebhooks(true)
		l.org.FreezeUpdatedAt(true)
		for _, p := range l.org.Postings() {
			l.org.EditDescription(p.ID, "<p>Changed without a word</p>")
		}
		began := time.Now()
		l.pass(time.Hour + 10*time.Minute)
		if got := l.requestsTo("jobPosting.info", began); got == 0 || got > 12 {
			t.Errorf("%d postings read again in an hour, want a small slice of 40", got)
		}
		l.pass(25 * time.Hour)
		l.truth()
		if got := l.requestsTo("jobPosting.info", began); got > 60 {
			t.Errorf("%d reads in a day of 40 postings", got)
		}
	})
}

// TestEveryBoardIsListed: an employer's second external board is as public as the first.
func TestEveryBoardIsListed(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		board := l.org.AddBoard("Acme Labs", false)
		l.org.AddBoard("Acme internal", true)
		p := l.org.Postings()[0]
		l.org.PublishOn(p.ID, board)
		l.join()
		l.truth()
		l.org.Retitle(p.ID, "On the second board")
		l.pollNow()
		l.truth()
		l.org.PublishOn(p.ID, l.org.ExternalBoard())
		l.pollNow()
		l.truth()
		if got := l.closed(); got != nil {
			t.Errorf("closed %v by a move between boards", got)
		}
		l.inject("soft-error:jobPosting.list")
		l.pollNow()
		if got := l.closed(); got != nil {
			t.Errorf("closed %v", got)
		}
	})
}
