package postgres_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestAPollFromClaimToFinish(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	paused := true
	b.must(b.g.Patch(t.Context(), "beta", mirror.ConnectionPatch{Paused: &paused}))
	parts := []int{mirror.Part("acme"), mirror.Part("beta")}
	due := func(claim time.Duration) []mirror.Hint {
		t.Helper()
		hints, err := b.s.DuePolls(t.Context(), parts, claim, 10)
		b.must(err)
		return hints
	}
	want := []mirror.Hint{{Connection: "acme", Kind: mirror.HintPoll}}
	if diff := cmp.Diff(want, due(0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, due(time.Minute)); diff != "" {
		t.Errorf("a claim that ended: %s", diff)
	}
	if got := due(time.Minute); len(got) != 0 {
		t.Errorf("claimed twice: %v", got)
	}
	if got, err := b.s.DuePolls(t.Context(), []int{}, 0, 10); err != nil || len(got) != 0 {
		t.Errorf("no partitions: %v, %v", got, err)
	}

	b.must(b.s.StartPoll(t.Context(), "acme", time.Minute))
	b.must(b.s.Advance(t.Context(), "acme", 3, 9, time.Minute))
	b.must(b.s.FailPoll(t.Context(), "acme", "Ashby timed out.", time.Minute))
	state, err := b.s.SyncState(t.Context(), "acme")
	b.must(err)
	if state.Done != 3 || state.Total != 9 || state.LastError != "Ashby timed out." || state.PollStartedAt == nil ||
		state.FirstSyncedAt != nil {
		t.Errorf("state %+v", state)
	}
	b.post("acme", "p1", "One")
	started := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	first, err := b.s.FinishPoll(t.Context(), "acme", started, 5, time.Hour)
	b.must(err)
	second, err := b.s.FinishPoll(t.Context(), "acme", started, 6, time.Hour)
	b.must(err)
	if !first || second {
		t.Errorf("committed an event first %t, then %t", first, second)
	}
	state, err = b.s.SyncState(t.Context(), "acme")
	b.must(err)
	if !state.LastVerifiedAt.Equal(started) || state.LastError != "" || state.FirstSyncedAt == nil {
		t.Errorf("state %+v", state)
	}
	out, err := b.n.Pending(t.Context(), 10)
	b.must(err)
	last := out[len(out)-1]
	var data events.ConnectionData
	b.must(json.Unmarshal(last.Data, &data))
	wantData := events.ConnectionData{
		Version: 1, EmployerRef: "ref-acme", Status: "active", Counts: &events.Counts{AtAshby: 5, Public: 1},
	}
	if diff := cmp.Diff(wantData, data); diff != "" || last.Type != events.ConnectionSynced {
		t.Errorf("%s %s", last.Type, diff)
	}
	b.must(b.g.MakeDue(t.Context(), "acme"))
	if got := due(time.Minute); len(got) != 1 {
		t.Errorf("made due: %v", got)
	}
	if err := b.s.StartPoll(t.Context(), "never", 0); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestSetStatus(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	for _, step := range []struct {
		status mirror.Status
		reason string
		event  bool
		write  bool
	}{
		{mirror.StatusActive, "", false, false},
		{mirror.StatusDegraded, "Ashby is slow.", true, true},
		{mirror.StatusDegraded, "Ashby is slow.", false, false},
		{mirror.StatusDegraded, "Ashby is down.", false, true},
		{mirror.StatusUnauthorized, "Ashby refuses the key.", false, true},
		{mirror.StatusActive, "", true, true},
	} {
		before := b.versions()
		event, err := b.s.SetStatus(t.Context(), "acme", step.status, step.reason)
		if wrote := b.writes(&before) > 0; err != nil || event != step.event || wrote != step.write {
			t.Errorf("%s %q: event %t, wrote %t, %v", step.status, step.reason, event, wrote, err)
		}
	}
	if diff := cmp.Diff([]string{"acme/ v1 connection.degraded", "acme/ v2 connection.recovered"}, b.pending()); diff != "" {
		t.Error(diff)
	}
	if _, err := b.s.SetStatus(t.Context(), "acme", mirror.StatusRemoved, ""); err == nil {
		t.Error("a synchronisation removed a connection")
	}
	if _, err := b.s.SetStatus(t.Context(), "never", mirror.StatusActive, ""); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	_, err := b.g.Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	if event, err := b.s.SetStatus(t.Context(), "acme", mirror.StatusDegraded, "x"); event || err != nil {
		t.Errorf("removed: %t, %v", event, err)
	}
}
