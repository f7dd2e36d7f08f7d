package syncer

import (
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The failures of webhooks, one test each.

func TestDuplicateAndDisorderedWebhooks(t *testing.T) {
	inLab(t, 30, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join()
		l.org.DuplicateWebhooks(3)
		l.org.ShuffleWebhooks(30 * time.Second)
		for i, p := range l.org.Postings() {
			switch i % 5 {
			case 0:
				l.org.Retitle(p.ID, "First")
				l.org.Retitle(p.ID, "Second")
			case 1:
				l.org.Unpublish(p.ID)
				l.org.Publish(p.ID)
			case 2:
				l.org.Unpublish(p.ID)
			case 3:
				l.org.DeletePosting(p.ID)
			}
		}
		l.pass(2 * time.Minute)
		l.truth()
		if l.openRows() != 0 {
			t.Errorf("%d webhooks are unanswered", l.openRows())
		}
		events := len(l.events(""))
		l.pass(time.Hour)
		if got := len(l.events("")); got != events {
			t.Errorf("%d events more without a change", got-events)
		}
	})
}

func TestWebhookOfAnUnknownObject(t *testing.T) {
	inLab(t, 10, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join("candidates", "interviews", "offers")
		before := len(l.events(""))
		for _, kind := range []ashby.Kind{
			ashby.KindPosting, ashby.KindJob, ashby.KindOpening, ashby.KindCandidate, ashby.KindOffer, "never_heard_of",
		} {
			l.webhook(kind, "00000000-0000-4000-8000-00000000dead")
		}
		l.pass(time.Minute)
		if l.openRows() != 0 {
			t.Errorf("%d webhooks are unanswered", l.openRows())
		}
		if got := len(l.events("")); got != before {
			t.Errorf("%d events for objects that do not exist", got-before)
		}
		l.truth()
	})
}

// TestReceiverDownForThreeHours: Ashby gives up on the webhooks, the polls find the changes, and what comes late tells
// nothing twice.
func TestReceiverDownForThreeHours(t *testing.T) {
	inLab(t, 30, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join()
		l.hook.setDown(true)
		began := time.Now()
		postings := l.org.Postings()
		for i := range 6 {
			l.org.Retitle(postings[i].ID, "Changed while nobody listened")
			l.org.Unpublish(postings[10+i].ID)
			l.pass(30 * time.Minute)
			l.pollNow()
			l.truth()
		}
		if time.Since(began) < 3*time.Hour {
			t.Fatal("not three hours")
		}
		l.hook.setDown(false)
		l.pass(6 * time.Hour)
		l.truth()
		for _, p := range postings[:6] {
			if got := l.events(p.ID); len(got) != 2 || got[1].data.Origin != events.OriginPoll {
				t.Errorf("posting %s: %d events, the last by %s", p.ID, len(got), got[len(got)-1].data.Origin)
			}
		}
	})
}

// TestCoverage: of the changes, which had come by webhook, and which only a poll found.
func TestCoverage(t *testing.T) {
	inLab(t, 30, func(t *testing.T, l *lab) {
		l.withWebhooks()
		l.join()
		postings := l.org.Postings()
		l.org.Retitle(postings[0].ID, "Told")
		l.org.Unpublish(postings[1].ID)
		l.pass(time.Minute)
		l.org.MuteWebhooks(true)
		l.org.Retitle(postings[2].ID, "Found")
		l.org.Retitle(postings[3].ID, "Found")
		l.org.RetitleJob(postings[4].JobID, "Found")
		l.org.RenameLocation(firstKey(l.org.Locations()), "No webhook tells of this")
		l.pollNow()
		l.org.MuteWebhooks(false)
		l.pass(time.Minute)
		l.truth()
		want := map[string][2]int64{
			"jobPostingUpdate": {1, 2}, "jobPostingUnpublish": {1, 0}, "jobUpdate": {0, 1},
		}
		var got map[string]mirror.Coverage
		l.with(conn, func(a *account) { got = a.coverage })
		for action, c := range got {
			if w := want[action]; c.ByWebhook != w[0] || c.ByPoll != w[1] {
				t.Errorf("%s: %d by webhook and %d by poll, want %v", action, c.ByWebhook, c.ByPoll, w)
			}
		}
		if len(got) != len(want) {
			t.Errorf("coverage of %d types, want %d", len(got), len(want))
		}
	})
}

func firstKey(m map[string]string) string {
	first := ""
	for k := range m {
		if first == "" || k < first {
			first = k
		}
	}
	return first
}
