package postgres_test

import (
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestCoverageAddsUp(t *testing.T) {
	b := setup(t)
	b.connect("acme", "gone")
	_, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs)
	b.must(err)
	note := func(connection string, cs ...mirror.Coverage) {
		t.Helper()
		b.must(b.s.NoteCoverage(t.Context(), connection, cs))
	}
	note("acme", mirror.Coverage{Action: "jobPostingUpdate", ByWebhook: 2}, mirror.Coverage{Action: "jobUpdate", ByPoll: 1},
		mirror.Coverage{Action: "jobPostingUpdate", ByWebhook: 1}, mirror.Coverage{Action: "jobCreate"})
	note("gone", mirror.Coverage{Action: "jobUpdate", ByPoll: 1})
	note("never", mirror.Coverage{Action: "jobUpdate", ByPoll: 1})
	view, err := b.g.View(t.Context(), "acme")
	b.must(err)
	if len(view.Coverage) != 2 {
		t.Fatalf("coverage %+v", view.Coverage)
	}
	update, job := view.Coverage[0], view.Coverage[1]
	if update.Action != "jobPostingUpdate" || update.ByWebhook != 3 || update.ByPoll != 0 || update.LastWebhookAt == nil ||
		update.IsMissing() || job.ByPoll != 1 || job.LastWebhookAt != nil || !job.IsMissing() {
		t.Errorf("coverage %+v", view.Coverage)
	}
	note("acme", mirror.Coverage{Action: "jobPostingUpdate", ByPoll: 4})
	view, err = b.g.View(t.Context(), "acme")
	b.must(err)
	again := view.Coverage[0]
	if again.ByWebhook != 3 || again.ByPoll != 4 || !again.LastWebhookAt.Equal(*update.LastWebhookAt) || !again.IsMissing() {
		t.Errorf("coverage %+v", again)
	}
	if n := b.count(`SELECT count(*) FROM webhook_coverage`); n != 2 {
		t.Errorf("%d counters, want 2", n)
	}
}

func TestBeatTellsOneReplicaOfTheSilence(t *testing.T) {
	b := setup(t)
	beat := func(service string) time.Duration {
		t.Helper()
		silent, err := b.s.Beat(t.Context(), service)
		b.must(err)
		return silent
	}
	if got := beat("syncer"); got != 0 {
		t.Errorf("at the first time ever: %s", got)
	}
	if got := beat("syncer"); got < 0 || got > time.Minute {
		t.Errorf("at the second: %s", got)
	}
	b.exec(`UPDATE heartbeats SET at = clock_timestamp() - INTERVAL '1 hour'`)
	var silences [4]time.Duration
	var replicas errgroup.Group
	for i := range silences {
		replicas.Go(func() error {
			var err error
			silences[i], err = b.s.Beat(t.Context(), "syncer")
			return err
		})
	}
	b.must(replicas.Wait())
	long := 0
	for _, s := range silences {
		if s >= time.Hour {
			long++
		}
	}
	if long != 1 {
		t.Errorf("%d replicas learnt of the silence: %v", long, silences)
	}
	b.exec(`UPDATE heartbeats SET at = clock_timestamp() + INTERVAL '1 hour'`)
	if got := beat("syncer"); got != 0 {
		t.Errorf("after the clock was put back: %s", got)
	}
	if got, err := b.g.Beat(t.Context(), "gateway"); got != 0 || err != nil {
		t.Errorf("of another service: %s, %v", got, err)
	}
}
