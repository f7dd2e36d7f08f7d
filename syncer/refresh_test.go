package syncer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestWebhookToEvent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "New title"})
		b.webhook(ashby.KindPosting, "a")
		b.webhook(ashby.KindPosting, "a") // publish and update arrive as two
		b.pass(time.Second)
		log := b.events("a")
		if len(log) != 2 || log[1].typ != events.JobUpdated || log[1].data.Origin != events.OriginWebhook {
			t.Fatalf("events %+v", log)
		}
		if !slices.Contains(log[1].data.Changed, "title") {
			t.Errorf("changed %v", log[1].data.Changed)
		}
		if b.openRows() != 0 {
			t.Error("webhooks left unanswered")
		}
	})
}

func TestWebhookDuringAReadIsAnsweredByALaterRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		gate := make(chan struct{})
		b.setHold(func(context.Context, string, string) { <-gate })
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Millisecond)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed meanwhile"})
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Millisecond)
		if got := count(b.called(), "jobPosting.info"); got != 1 {
			t.Fatalf("%d reads of one posting at once", got)
		}
		close(gate)
		b.pass(time.Second)
		if got := b.events("a"); len(got) != 2 || got[1].data.Job.Title != "Changed meanwhile" {
			t.Errorf("events %+v", got)
		}
		if b.openRows() != 0 {
			t.Error("webhooks left unanswered")
		}
	})
}

// TestReadAnswersOnlyWhatCameBeforeIt: the hint of a webhook that came in during the read is lost, and only its inbox row
// asks for another one.
func TestReadAnswersOnlyWhatCameBeforeIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		gate := make(chan struct{})
		b.setHold(holdFirst("jobPosting.info", gate))
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Millisecond)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed meanwhile"})
		b.deliver(mirror.Hint{Connection: conn, Kind: "posting", ID: "a"})
		close(gate)
		b.pass(time.Second)
		if got := b.openRows(); got != 1 {
			t.Fatalf("%d open webhooks, want the one that came in during the read", got)
		}
		b.pass(10 * time.Second)
		if len(b.events("a")) != 2 || b.openRows() != 0 {
			t.Error("the webhook that came in during the read stays unanswered")
		}
	})
}

func TestClosesAtOnceWhereTheReadSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		kind   ashby.Kind
		id     string
		fields map[string]any
		hint   ashby.Kind
		reason events.Reason
	}{
		"unpublished":             {ashby.KindPosting, "a", map[string]any{"status": "Draft"}, ashby.KindPosting, events.ReasonUnpublished},
		"unlisted":                {ashby.KindPosting, "a", map[string]any{"isListed": false}, ashby.KindPosting, events.ReasonUnlisted},
		"internal":                {ashby.KindPosting, "a", map[string]any{"externalLink": nil}, ashby.KindPosting, events.ReasonInternal},
		"confidential job":        {ashby.KindJob, "job-a", map[string]any{"confidential": true}, ashby.KindJob, events.ReasonConfidential},
		"draft job":               {ashby.KindJob, "job-a", map[string]any{"status": "Draft"}, ashby.KindJob, events.ReasonDraft},
		"job seen by its posting": {ashby.KindJob, "job-a", map[string]any{"confidential": true}, ashby.KindPosting, events.ReasonConfidential},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a")
				b.pass(time.Minute)
				b.put(c.kind, c.id, c.fields)
				id := "a"
				if c.hint == ashby.KindJob {
					id = "job-a"
				}
				b.webhook(c.hint, id)
				b.pass(time.Second)
				log := b.events("a")
				if len(log) != 2 || log[1].typ != events.JobClosed || *log[1].data.Reason != c.reason {
					t.Fatalf("events %+v", log)
				}
				if time.Since(log[1].data.ChangedAt) > 10*time.Second {
					t.Errorf("changed at %v", log[1].data.ChangedAt)
				}
			})
		})
	}
}

func TestDeletionIsConfirmedByTheListing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b")
		b.remove(ashby.KindPosting, "a")
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		log := b.events("a")
		if len(log) != 2 || log[1].typ != events.JobClosed || *log[1].data.Reason != events.ReasonDeleted {
			t.Fatalf("events %+v", log)
		}
		b.with(conn, func(a *account) {
			if !a.records[keyFor(ashby.KindPosting, "a")].gone {
				t.Error("the record is still there")
			}
		})
		b.publish("a")
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if log := b.events("a"); len(log) != 3 || log[2].typ != events.JobPublished || log[2].data.Version != 3 {
			t.Errorf("published again: %+v", log)
		}
	})
}

func TestUnknownButListedPostingStaysAndIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.setFault(failing("jobPosting.info", ashby.ErrNotFound))
		b.webhook(ashby.KindPosting, "a")
		b.pass(30 * time.Second)
		if got := b.closed(); got != nil {
			t.Fatalf("closed %v though it is listed", got)
		}
		if b.openRows() != 1 {
			t.Error("the webhook counts as answered")
		}
		delays := b.bus.putOff()
		if len(delays) < 3 || delays[2] <= delays[0] {
			t.Errorf("delays %v must grow", delays)
		}
		b.setFault(nil)
		b.pass(time.Minute)
		if b.openRows() != 0 {
			t.Error("the webhook stays unanswered")
		}
	})
}

func TestEmptyListingConfirmsNoDeletion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b", "c", "d", "e")
		b.setFault(failing("jobPosting.info", ashby.ErrNotFound))
		b.setList(func(l *ashby.PostingList) { l.Records = nil })
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			b.webhook(ashby.KindPosting, id)
		}
		b.pass(time.Minute)
		if got := b.closed(); got != nil {
			t.Errorf("closed %v on an empty listing", got)
		}
	})
}

// TestPartialListingConfirmsNoDeletion: the reads and the listing are wrong together, and webhooks lead to each posting.
func TestPartialListingConfirmsNoDeletion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := make([]string, 40)
		for i := range ids {
			ids[i] = fmt.Sprintf("p%02d", i)
		}
		b := synced(t, ids...)
		b.pass(time.Minute)
		b.setFault(failing("jobPosting.info", ashby.ErrNotFound))
		b.setList(func(l *ashby.PostingList) { l.Records = l.Records[:1] })
		for _, id := range ids {
			b.webhook(ashby.KindPosting, id)
		}
		b.pass(10 * time.Second)
		b.with(conn, func(a *account) {
			if a.hold == nil || len(a.hold.Postings) != 39 {
				t.Errorf("hold %+v: no poll was asked for", a.hold)
			}
		})
		b.pass(3 * time.Minute)
		if got := b.closed(); got != nil {
			t.Fatalf("closed %d of 40", len(got))
		}
		if got := b.count("polls_total", "ok"); got != 2 {
			t.Errorf("%v polls, want the first and one for all refreshes", got)
		}
		b.setFault(nil)
		b.setList(nil)
		b.pass(20 * time.Minute)
		if got := b.closed(); got != nil || b.openRows() != 0 {
			t.Errorf("after the fault: closed %v, %d webhooks unanswered", got, b.openRows())
		}
	})
}

func TestMassDeletionToldByWebhooksIsHeldThenConfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ids := []string{"a", "b", "c", "d", "e", "f"}
		b := synced(t, ids...)
		for _, id := range ids[:5] {
			b.remove(ashby.KindPosting, id)
			b.webhook(ashby.KindPosting, id)
		}
		b.pass(4 * time.Minute)
		if got := b.closed(); got != nil {
			t.Fatalf("closed %v at once", got)
		}
		b.pass(10 * time.Minute)
		if got := b.closed(); len(got) != 5 || b.openRows() != 0 {
			t.Errorf("closed %v, %d webhooks unanswered", got, b.openRows())
		}
	})
}

func TestJobOfSeveralPostings(t *testing.T) {
	for _, seenBy := range []string{"its own webhook", "one posting", "one posting, without the job in the answer"} {
		t.Run(seenBy, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := setup(t)
				b.bare = seenBy == "one posting, without the job in the answer"
				b.publish("a")
				b.post("a2", "job-a")
				b.post("a3", "job-a")
				b.connect(conn, "key")
				b.pass(3 * time.Second)
				b.put(ashby.KindJob, "job-a", map[string]any{"confidential": true})
				switch seenBy {
				case "one posting":
					b.webhook(ashby.KindPosting, "a2")
				default:
					b.webhook(ashby.KindJob, "job-a")
				}
				b.pass(time.Second)
				got := b.closed()
				slices.Sort(got)
				if !slices.Equal(got, []string{"a", "a2", "a3"}) {
					t.Errorf("closed %v, want all postings of the job", got)
				}
			})
		})
	}
}

func TestLostJobSaysNothingOfItsPostings(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b")
		b.remove(ashby.KindJob, "job-a")
		b.webhook(ashby.KindJob, "job-a")
		b.pass(time.Minute)
		if got := b.closed(); got != nil {
			t.Fatalf("closed %v because a job is not found", got)
		}
		b.remove(ashby.KindPosting, "a")
		b.pass(10 * time.Minute)
		if got := b.closed(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("closed %v", got)
		}
		if b.openRows() != 0 {
			t.Error("the webhook stays unanswered")
		}
	})
}

func TestHintOfAnUnmirroredKindIsSettled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.webhook("application", "x")
		b.pass(time.Second)
		if b.openRows() != 0 || len(b.called()) != 0 {
			t.Error("a kind that is not mirrored needs no call and no second hint")
		}
	})
}

func TestRefreshBeforeTheFirstSyncIsOverIsSeed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.setFault(failing("jobPosting.list", ashby.ErrUnavailable))
		b.publish("a")
		b.connect(conn, "key")
		b.pass(time.Second)
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if got := b.events("a"); len(got) != 1 || got[0].data.Origin != events.OriginSeed {
			t.Errorf("events %+v", got)
		}
	})
}

func TestPausedAndRemovedConnectionsAreLeftAlone(t *testing.T) {
	for _, status := range []mirror.Status{mirror.StatusPaused, mirror.StatusRemoved} {
		t.Run(string(status), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := synced(t, "a")
				b.with(conn, func(a *account) { a.c.Status = status })
				acks := b.bus.acks
				b.webhook(ashby.KindPosting, "a")
				b.webhook(mirrorPoll, "")
				b.pass(time.Minute)
				if calls := b.called(); len(calls) != 0 {
					t.Errorf("calls %v", calls)
				}
				if b.bus.acks != acks+2 || len(b.bus.putOff()) != 0 {
					t.Error("the hints are not settled")
				}
			})
		})
	}
}
