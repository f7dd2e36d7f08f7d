package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestWhatAPollIsStartedBy(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	finish := func() {
		t.Helper()
		_, err := b.s.FinishPoll(t.Context(), b.mandate("acme"), mirror.CompletePoll{Started: time.Now(), Next: time.Hour})
		b.must(err)
	}
	due := func() bool {
		t.Helper()
		return b.count(`SELECT count(*) FROM sync_state WHERE next_poll_at <= clock_timestamp()`) == 1
	}
	b.must(b.g.MakeDue(t.Context(), "acme"))
	for range 2 {
		if got := b.start("acme", time.Minute); got != mirror.TriggerRegistration {
			t.Errorf("before the first is complete: %s", got)
		}
	}
	finish()
	if got := b.start("acme", time.Minute); got != mirror.TriggerSchedule {
		t.Errorf("nobody asked: %s", got)
	}
	b.must(b.g.MakeDue(t.Context(), "acme"))
	b.must(b.s.Advance(t.Context(), b.mandate("acme"), 1, 2, time.Minute))
	finish()
	if !due() {
		t.Error("what was asked for while a poll ran is not due after it")
	}
	if got := b.start("acme", time.Minute); got != mirror.TriggerRequest {
		t.Errorf("somebody asked: %s", got)
	}
	finish()
	if due() {
		t.Error("a request led to two polls")
	}
	if got := b.start("acme", time.Minute); got != mirror.TriggerSchedule {
		t.Errorf("after the request: %s", got)
	}
}

func TestFinishPollKeepsHowFarWasReread(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	until := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	for _, given := range []time.Time{until, {}} {
		_, err := b.s.FinishPoll(t.Context(), b.mandate("acme"), mirror.CompletePoll{
			Started: time.Now(), Next: time.Hour, RereadUntil: given,
		})
		b.must(err)
		state, err := b.s.SyncState(t.Context(), "acme")
		b.must(err)
		if state.RereadUntil == nil || !state.RereadUntil.Equal(until) {
			t.Errorf("reread until %v", state.RereadUntil)
		}
	}
}

func TestRecordsAreDueAfterTheFirstSynchronisation(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta", "refused", "idle")
	parts := []int{}
	for part := range mirror.Partitions {
		parts = append(parts, part)
	}
	due := func() []mirror.Hint {
		t.Helper()
		hints, err := b.s.DueRecords(t.Context(), parts, time.Minute, 10)
		b.must(err)
		return hints
	}
	if got := due(); len(got) != 0 {
		t.Errorf("before the first synchronisation: %v", got)
	}
	b.exec(`UPDATE sync_state SET first_synced_at = now() WHERE connection_id <> 'beta'`)
	b.exec(`UPDATE connections SET status = 'unauthorized' WHERE id = 'refused'`)
	b.exec(`UPDATE connections SET status = 'paused' WHERE id = 'idle'`)
	want := []mirror.Hint{{Connection: "acme", Kind: mirror.HintRecords}}
	if diff := cmp.Diff(want, due()); diff != "" {
		t.Error(diff)
	}
	if got := due(); len(got) != 0 {
		t.Errorf("claimed twice: %v", got)
	}
	m := b.mandate("acme")
	b.must(b.s.StartRecords(t.Context(), m, time.Minute))
	b.must(b.s.FinishRecords(t.Context(), m, time.Hour))
	state, err := b.s.SyncState(t.Context(), "acme")
	b.must(err)
	if in := time.Until(state.NextRecordsAt); in < 50*time.Minute || in > 61*time.Minute {
		t.Errorf("the next slice comes in %s", in)
	}
	b.must(b.s.StartRecords(t.Context(), m, time.Minute))
	b.must(b.g.MakeDue(t.Context(), "acme"))
	b.must(b.s.FinishRecords(t.Context(), m, time.Hour))
	if diff := cmp.Diff(want, due()); diff != "" {
		t.Errorf("made due while a slice ran: %s", diff)
	}
	b.must(b.s.FinishRecords(t.Context(), m, time.Hour))
	b.must(b.g.MakeDue(t.Context(), "acme"))
	if diff := cmp.Diff(want, due()); diff != "" {
		t.Errorf("made due from outside: %s", diff)
	}
}

func TestSpreadPollsNeverDelays(t *testing.T) {
	b := setup(t)
	b.connect("soon", "late", "refused", "idle", "gone")
	_, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs)
	b.must(err)
	b.exec(`UPDATE connections SET status = 'paused' WHERE id = 'idle'`)
	b.exec(`UPDATE connections SET status = 'unauthorized' WHERE id = 'refused'`)
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '5 hours'`)
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() - INTERVAL '1 minute' WHERE connection_id = 'soon'`)
	n, err := b.s.SpreadPolls(t.Context(), 10*time.Minute)
	if err != nil || n != 3 {
		t.Errorf("spread %d, %v", n, err)
	}
	var late []string
	b.must(b.raw.SelectContext(t.Context(), &late, `
		SELECT connection_id FROM sync_state
		WHERE next_poll_at > clock_timestamp() + INTERVAL '10 minutes' ORDER BY connection_id`))
	if diff := cmp.Diff([]string{"gone", "idle"}, late); diff != "" {
		t.Error(diff)
	}
	if n := b.count(`SELECT count(*) FROM sync_state WHERE connection_id = 'soon' AND next_poll_at < clock_timestamp()`); n != 1 {
		t.Error("a poll that was due was put off")
	}
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 second'`)
	if n, err := b.g.SpreadPolls(t.Context(), 5*time.Hour); err != nil || n != 3 {
		t.Errorf("spread %d, %v", n, err)
	}
	if n := b.count(`SELECT count(*) FROM sync_state WHERE next_poll_at > clock_timestamp() + INTERVAL '1 second'`); n != 0 {
		t.Errorf("%d polls were put off", n)
	}
}
