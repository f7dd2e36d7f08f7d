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

	b.start("acme", time.Minute)
	b.must(b.s.Advance(t.Context(), b.mandate("acme"), 3, 9, time.Minute))
	b.must(b.s.FailPoll(t.Context(), b.mandate("acme"), "Ashby timed out.", time.Minute))
	state, err := b.s.SyncState(t.Context(), "acme")
	b.must(err)
	if state.Done != 3 || state.Total != 9 || state.LastError != "Ashby timed out." || state.PollStartedAt == nil ||
		state.FirstSyncedAt != nil {
		t.Errorf("state %+v", state)
	}
	b.post("acme", "p1", "One")
	started := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	first, err := b.s.FinishPoll(t.Context(), b.mandate("acme"), mirror.CompletePoll{Started: started, AtAshby: 5, Next: time.Hour})
	b.must(err)
	second, err := b.s.FinishPoll(t.Context(), b.mandate("acme"), mirror.CompletePoll{
		Started: started.Add(-time.Hour), AtAshby: 6, Unread: "p9", Next: time.Hour,
	})
	b.must(err)
	if !first || second {
		t.Errorf("committed an event first %t, then %t", first, second)
	}
	state, err = b.s.SyncState(t.Context(), "acme")
	b.must(err)
	if !state.LastVerifiedAt.Equal(started) || state.LastError != "p9" || state.FirstSyncedAt == nil {
		t.Errorf("state %+v", state)
	}
	out, err := b.n.Pending(t.Context(), nil, 10)
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
	if _, err := b.s.StartPoll(t.Context(), b.mandate("never"), 0); !errors.Is(err, mirror.ErrNotFound) {
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
		{mirror.StatusUnauthorized, "Ashby refuses the key.", true, true},
		{mirror.StatusDegraded, "Ashby is down.", true, true},
		{mirror.StatusActive, "", true, true},
	} {
		before := b.versions()
		event, err := b.setStatus("acme", step.status, step.reason)
		if wrote := b.writes(&before) > 0; err != nil || event != step.event || wrote != step.write {
			t.Errorf("%s %q: event %t, wrote %t, %v", step.status, step.reason, event, wrote, err)
		}
	}
	want := []string{
		"acme/ v1 connection.degraded", "acme/ v2 connection.degraded", "acme/ v3 connection.degraded",
		"acme/ v4 connection.recovered",
	}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	if _, err := b.setStatus("acme", mirror.StatusRemoved, ""); err == nil {
		t.Error("a synchronisation removed a connection")
	}
	if _, err := b.setStatus("never", mirror.StatusActive, ""); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	_, err := b.g.Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	if event, err := b.setStatus("acme", mirror.StatusDegraded, "x"); event || err != nil {
		t.Errorf("removed: %t, %v", event, err)
	}
}

// verbs are all that a synchronisation writes outside a unit of work, and Apply.
func (b *bundle) verbs(m mirror.Mandate) map[string]func() error {
	return map[string]func() error{
		"apply": func() error {
			u := b.unit(m.Connection)
			u.Lease, u.EndHold = m.Lease, mirror.HoldRecovered
			_, err := b.s.Apply(b.Context(), u)
			return err
		},
		"start": func() error {
			_, err := b.s.StartPoll(b.Context(), m, time.Minute)
			return err
		},
		"start records":  func() error { return b.s.StartRecords(b.Context(), m, time.Minute) },
		"finish records": func() error { return b.s.FinishRecords(b.Context(), m, time.Minute) },
		"module": func() error {
			return b.s.SetModule(b.Context(), m, mirror.ModuleState{Module: "jobs", State: mirror.ModulePaused})
		},
		"advance": func() error { return b.s.Advance(b.Context(), m, 1, 2, time.Minute) },
		"fail":    func() error { return b.s.FailPoll(b.Context(), m, "Ashby timed out.", time.Minute) },
		"finish": func() error {
			_, err := b.s.FinishPoll(b.Context(), m, mirror.CompletePoll{Started: time.Now(), Next: time.Hour})
			return err
		},
		"status": func() error {
			_, err := b.s.SetStatus(b.Context(), m, mirror.StatusChange{Status: mirror.StatusDegraded, Reason: "Ashby is slow."})
			return err
		},
	}
}

func TestNothingIsWrittenWithoutALease(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	held := b.mandate("acme")
	for name, m := range map[string]mirror.Mandate{
		"of an earlier epoch": {Connection: "acme", Lease: mirror.Lease{Part: held.Lease.Part, Owner: "a", Epoch: held.Lease.Epoch - 1}},
		"of another owner":    {Connection: "acme", Lease: mirror.Lease{Part: held.Lease.Part, Owner: "b", Epoch: held.Lease.Epoch}},
		"of another part":     {Connection: "acme", Lease: b.held[(held.Lease.Part+1)%mirror.Partitions]},
	} {
		for verb, write := range b.verbs(m) {
			before := b.versions()
			if err := write(); !errors.Is(err, mirror.ErrLeaseLost) || b.writes(&before) > 0 {
				t.Errorf("%s with a lease %s: %v", verb, name, err)
			}
		}
	}
	b.exec(`UPDATE partitions SET expires_at = now() - INTERVAL '1 second'`)
	for verb, write := range b.verbs(held) {
		before := b.versions()
		if err := write(); !errors.Is(err, mirror.ErrLeaseLost) || b.writes(&before) > 0 {
			t.Errorf("%s with a lease that ended: %v", verb, err)
		}
	}
}

func TestNothingIsWrittenForAPausedOrRemovedConnection(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	paused := true
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Paused: &paused}))
	_, err := b.g.Remove(t.Context(), "beta", mirror.KeepJobs)
	b.must(err)
	for connection, want := range map[string]error{"acme": mirror.ErrPaused, "beta": mirror.ErrRemoved} {
		for verb, write := range b.verbs(b.mandate(connection)) {
			before := b.versions()
			err := write()
			if verb == "status" && err != nil || verb != "status" && !errors.Is(err, want) {
				t.Errorf("%s for %s: %v", verb, connection, err)
			}
			if b.writes(&before) > 0 {
				t.Errorf("%s wrote for %s", verb, connection)
			}
		}
	}
}

func TestAStatusHasACode(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	change := mirror.StatusChange{Status: mirror.StatusDegraded, Code: "unreachable", Reason: "Ashby is down."}
	for _, step := range []struct {
		code  string
		event bool
		write bool
	}{{"unreachable", true, true}, {"unreachable", false, false}, {"slow", false, true}} {
		change.Code = step.code
		before := b.versions()
		event, err := b.s.SetStatus(t.Context(), b.mandate("acme"), change)
		if wrote := b.writes(&before) > 0; err != nil || event != step.event || wrote != step.write {
			t.Errorf("%s: event %t, wrote %t, %v", step.code, event, wrote, err)
		}
		view, err := b.g.View(t.Context(), "acme")
		b.must(err)
		c, _, err := b.s.Connection(t.Context(), "acme")
		b.must(err)
		if view.StatusCode != step.code || c.StatusCode != step.code {
			t.Errorf("the view says %q, the connection %q", view.StatusCode, c.StatusCode)
		}
	}
	yes := true
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Paused: &yes}))
	want := []string{"acme/ v1 connection.degraded", "acme/ v2 connection.degraded"}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	if view, err := b.g.View(t.Context(), "acme"); err != nil || view.StatusCode != "" {
		t.Errorf("paused with the code %q, %v", view.StatusCode, err)
	}
}

func TestAVerdictIsAboutOneKey(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.start("acme", time.Hour)
	refused := mirror.StatusChange{
		Status: mirror.StatusUnauthorized, Reason: "Ashby refuses the key.", Key: mirror.Sealed("sealed key acme"),
		PollWithin: time.Minute,
	}
	dueIn := func() time.Duration {
		t.Helper()
		s, err := b.s.SyncState(t.Context(), "acme")
		b.must(err)
		return time.Until(s.NextPollAt)
	}
	other := refused
	other.Key = mirror.Sealed("sealed key of before")
	before := b.versions()
	if event, err := b.s.SetStatus(t.Context(), b.mandate("acme"), other); event || err != nil || b.writes(&before) > 0 {
		t.Errorf("of another key: %t, %v", event, err)
	}
	if event, err := b.s.SetStatus(t.Context(), b.mandate("acme"), refused); !event || err != nil {
		t.Errorf("of the stored key: %t, %v", event, err)
	}
	if in := dueIn(); in > time.Minute+5*time.Second {
		t.Errorf("the next poll is due in %s", in)
	}
	b.start("acme", time.Hour)
	refused.Reason = "Ashby still refuses the key."
	if event, err := b.s.SetStatus(t.Context(), b.mandate("acme"), refused); event || err != nil || dueIn() < time.Minute*30 {
		t.Errorf("a second refusal: %t, %v, the next poll is due in %s", event, err, dueIn())
	}
}
