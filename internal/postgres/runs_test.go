package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func run(connection, task, outcome string, at time.Time) mirror.Run {
	return mirror.Run{
		Connection: connection, Trigger: mirror.TriggerSchedule, Task: task, Outcome: outcome,
		StartedAt: at.Add(-time.Second), FinishedAt: at,
	}
}

func TestRuns(t *testing.T) {
	b := setup(t)
	b.connect("acme", "gone")
	_, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs)
	b.must(err)
	at := time.Now().UTC().Truncate(time.Microsecond)
	full := run("acme", "posting", "failed", at)
	full.Trigger, full.Object, full.Reason = mirror.TriggerWebhook, "p1", `Ashby said "no", {twice}.`
	full.Requests, full.Rows, full.Changed, full.Events = 4, 3, 2, 1
	full.RequestIDs = []string{"r1", `r"2,{}`}
	b.must(b.s.NoteRuns(t.Context(), nil))
	b.must(b.s.NoteRuns(t.Context(), []mirror.Run{
		run("acme", "poll", "ok", at), run("gone", "poll", "ok", at), run("never", "poll", "ok", at), full, run("acme", "poll", "ok", at),
	}))
	runs, err := b.g.Runs(t.Context(), mirror.RunQuery{Connection: "acme", Limit: 200})
	b.must(err)
	if len(runs) != 3 || runs[0].ID <= runs[1].ID || runs[1].ID <= runs[2].ID {
		t.Fatalf("runs %+v", runs)
	}
	full.ID = runs[1].ID
	if diff := cmp.Diff(full, runs[1]); diff != "" {
		t.Error(diff)
	}
	page, err := b.g.Runs(t.Context(), mirror.RunQuery{Connection: "acme", Before: full.ID, Limit: 1})
	if err != nil || len(page) != 1 || page[0].ID != runs[2].ID {
		t.Errorf("second page %+v, %v", page, err)
	}
	one, err := b.g.Runs(t.Context(), mirror.RunQuery{Connection: "acme", Task: "posting", Limit: 200})
	if err != nil || len(one) != 1 || one[0].ID != full.ID {
		t.Errorf("of one task %+v, %v", one, err)
	}
	if _, err := b.g.Runs(t.Context(), mirror.RunQuery{Connection: "acme", Limit: 201}); err == nil {
		t.Error("a limit above 200 was accepted")
	}
}

func TestMaintainDeletesWhatHasOutlivedItsUse(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	day := 24 * time.Hour
	changed := run("acme", "changed", "ok", time.Now().Add(-4*day))
	changed.Changed = 1
	told := run("acme", "told", "ok", time.Now().Add(-29*day))
	told.Events = 1
	b.must(b.s.NoteRuns(t.Context(), []mirror.Run{
		run("acme", "new", "ok", time.Now().Add(-2*day)), run("acme", "old", "ok", time.Now().Add(-4*day)), changed, told,
		run("acme", "failed", "failed", time.Now().Add(-4*day)), run("acme", "forgotten", "failed", time.Now().Add(-31*day)),
	}))
	b.post("acme", "p1", "One")
	b.post("acme", "p1", "Two")
	b.exec(`UPDATE job_history SET recorded_at = now() - INTERVAL '401 days' WHERE version = 1`)
	b.exec(`INSERT INTO holds (id, connection_id, posting_ids, public_count, reason, state, opened_at, ended_at) VALUES
		('old', 'acme', '{}', 1, 'x', 'ended', now() - INTERVAL '92 days', now() - INTERVAL '91 days'),
		('late', 'acme', '{}', 1, 'x', 'ended', now() - INTERVAL '92 days', now() - INTERVAL '1 day'),
		('open', 'acme', '{}', 1, 'x', 'open', now() - INTERVAL '92 days', NULL)`)
	b.exec(`INSERT INTO quarantine (connection_id, kind, id, reason, shape, last_seen_at) VALUES
		('acme', 'source', 'row-gone', 'x', '{}', now() - INTERVAL '4 days'),
		('acme', 'source', 'row-seen', 'x', '{}', now() - INTERVAL '2 days')`)
	b.must(b.db.Maintain(t.Context()))
	var left []string
	b.must(b.raw.SelectContext(t.Context(), &left, `
		SELECT task FROM runs UNION ALL SELECT id FROM quarantine UNION ALL SELECT id FROM holds UNION ALL SELECT CAST(version AS text) FROM job_history ORDER BY 1`))
	if diff := cmp.Diff([]string{"2", "changed", "failed", "late", "new", "open", "row-seen", "told"}, left); diff != "" {
		t.Error(diff)
	}
}
