package syncer

import (
	"context"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// holdFirst holds back the first answer of a method until the channel is closed.
func holdFirst(method string, gate <-chan struct{}) func(context.Context, string, string) {
	held := false
	return func(ctx context.Context, m, _ string) {
		if m != method || held {
			return
		}
		held = true
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
}

func TestOlderPollAnswerNeverOverwritesANewerRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.pass(time.Minute)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Second"})
		gate := make(chan struct{})
		b.setHold(holdFirst("jobPosting.info", gate))
		b.pollNow() // its answer says Second and is held back
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Third"})
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		if log := b.events("a"); len(log) != 2 || log[1].data.Job.Title != "Third" {
			t.Fatalf("events %+v", log)
		}
		close(gate)
		b.pass(time.Second)
		if log := b.events("a"); len(log) != 2 {
			t.Errorf("the older answer made an event: %+v", log[2:])
		}
		if b.count("stale_answers_total", "") != 1 {
			t.Error("the older answer was not counted")
		}
		if b.count("polls_total", "ok") != 2 {
			t.Error("the poll did not end well")
		}
	})
}

func TestOlderRefreshAnswerNeverOverwritesANewerPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.pass(time.Minute)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Second"})
		gate := make(chan struct{})
		b.setHold(holdFirst("jobPosting.info", gate))
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Third"})
		b.pollNow()
		if log := b.events("a"); len(log) != 2 || log[1].data.Job.Title != "Third" {
			t.Fatalf("events %+v", log)
		}
		b.called()
		b.deliver(mirror.Hint{Connection: conn, Kind: "posting", ID: "a"}) // comes in while the older answer is under way
		close(gate)
		b.pass(time.Second)
		if log := b.events("a"); len(log) != 2 {
			t.Errorf("the older answer made an event: %+v", log[2:])
		}
		if got := count(b.called(), "jobPosting.info"); got != 1 {
			t.Errorf("%d reads after the stale one, want one that answers the webhook", got)
		}
		if b.openRows() != 0 {
			t.Error("the webhook is not answered")
		}
	})
}

func TestOlderPageNeverOverwritesANewerRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.pass(time.Minute)
		b.put(ashby.KindJob, "job-a", map[string]any{"title": "Older"})
		gate := make(chan struct{})
		b.setHold(holdFirst("job.list", gate))
		b.pollNow()
		b.put(ashby.KindJob, "job-a", map[string]any{"confidential": true})
		b.webhook(ashby.KindJob, "job-a")
		b.pass(time.Second)
		close(gate)
		b.pass(time.Second)
		if l := b.state("a"); l.State != mirror.StateClosed {
			t.Errorf("the page opened a posting of a confidential job again")
		}
	})
}

// An answer that changed nothing counts, too: otherwise the older one under way would be taken for news.
func TestAnswerWithoutChangeKeepsOlderOnesOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.pass(time.Minute)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "For a moment"})
		gate := make(chan struct{})
		b.setHold(holdFirst("jobPosting.info", gate))
		b.pollNow()
		b.pass(time.Second)
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Posting a"})
		b.webhook(ashby.KindPosting, "a")
		b.pass(time.Second)
		before := len(b.events("a"))
		close(gate)
		b.pass(time.Second)
		log := b.events("a")
		if len(log) != before || log[len(log)-1].data.Job.Title != "Posting a" {
			t.Errorf("events %+v", log)
		}
	})
}
