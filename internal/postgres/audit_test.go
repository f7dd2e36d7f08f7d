package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func act(action, connection string) mirror.Act {
	return mirror.Act{
		Actor: mirror.Actor{Kind: mirror.ActorToken, ID: "tok_1", Name: "deploy"}, Role: mirror.RoleOperator,
		Action: action, Target: "t-" + connection, Connection: connection, RequestID: "r1", Remote: "192.0.2.1",
		Detail: map[string]any{"fields": []any{"paused"}},
	}
}

func (b *bundle) audit(q mirror.AuditQuery) []mirror.AuditEntry {
	b.Helper()
	if q.Limit == 0 {
		q.Limit = 200
	}
	entries, err := b.g.AuditLog(b.Context(), q)
	b.must(err)
	return entries
}

func actions(entries []mirror.AuditEntry) []string {
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Action)
	}
	return names
}

func TestActsAreWrittenDownBeforeAndAfter(t *testing.T) {
	b := setup(t)
	id, err := b.g.BeginAct(t.Context(), act("connection.update", "acme"))
	b.must(err)
	want := mirror.AuditEntry{Act: act("connection.update", "acme"), ID: id, Outcome: mirror.ActStarted}
	got := b.audit(mirror.AuditQuery{})
	if len(got) != 1 || time.Since(got[0].At).Abs() > time.Minute {
		t.Fatalf("entries %+v", got)
	}
	want.At = got[0].At
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}

	b.must(b.g.FinishAct(t.Context(), id, mirror.ActEnd{
		Outcome: mirror.ActDone, Status: 200, Target: "other", Detail: map[string]any{"n": 3.0},
	}))
	status := 200
	want.Outcome, want.Status, want.Target = mirror.ActDone, &status, "other"
	want.Detail = map[string]any{"fields": []any{"paused"}, "n": 3.0}
	got = b.audit(mirror.AuditQuery{})
	want.FinishedAt = got[0].FinishedAt
	if diff := cmp.Diff(want, got[0]); diff != "" || want.FinishedAt == nil {
		t.Error(diff)
	}
	// What was written down as done stays so.
	if err := b.g.FinishAct(t.Context(), id, mirror.ActEnd{Outcome: mirror.ActFailed}); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("finished twice: %v", err)
	}
}

func TestCommandsAreWrittenDownToo(t *testing.T) {
	b := setup(t)
	boom := errors.New("boom")
	a := mirror.Act{Actor: mirror.Actor{Name: "root"}, Action: "keyset.rotate"}
	ctx, cancel := context.WithCancel(t.Context())
	b.must(b.db.Audit().Command(ctx, a, func(context.Context) (map[string]any, error) {
		if e := b.audit(mirror.AuditQuery{}); len(e) != 1 || e[0].Outcome != mirror.ActStarted || e[0].Actor.Kind != mirror.ActorCommand {
			t.Errorf("while it was done: %+v", e)
		}
		cancel() // the end is written down all the same
		return map[string]any{"sealed": 2}, nil
	}))
	if err := b.db.Audit().Command(t.Context(), a, func(context.Context) (map[string]any, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
	e := b.audit(mirror.AuditQuery{})
	if len(e) != 2 || e[0].Outcome != mirror.ActFailed || e[1].Outcome != mirror.ActDone || e[1].Detail["sealed"] != 2.0 || e[1].Status != nil {
		t.Errorf("entries %+v", e)
	}
	// What cannot be written down is not done.
	err := b.db.Audit().Command(ctx, a, func(context.Context) (map[string]any, error) {
		t.Error("done without a trace")
		return nil, nil
	})
	if err == nil {
		t.Error("no error")
	}
}

func TestAuditLogIsFilteredAndPaged(t *testing.T) {
	b := setup(t)
	other := act("token.create", "")
	other.Actor = mirror.Actor{Kind: mirror.ActorEnvironment, ID: "environment", Name: "environment"}
	for _, a := range []mirror.Act{act("connection.create", "acme"), act("connection.sync", "bolt"), other, act("connections.odd", "acme")} {
		_, err := b.g.BeginAct(t.Context(), a)
		b.must(err)
	}
	b.exec(`UPDATE audit_log SET at = '2026-01-01 00:00:00+00'::timestamptz + id * interval '1 day' - (id % 2) * interval '1 day'`)
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		q    mirror.AuditQuery
		want []string
	}{
		"all":        {mirror.AuditQuery{}, []string{"connections.odd", "token.create", "connection.sync", "connection.create"}},
		"by id":      {mirror.AuditQuery{Actor: "environment"}, []string{"token.create"}},
		"by name":    {mirror.AuditQuery{Actor: "deploy"}, []string{"connections.odd", "connection.sync", "connection.create"}},
		"one action": {mirror.AuditQuery{Action: "connection.sync"}, []string{"connection.sync"}},
		"a thing":    {mirror.AuditQuery{Action: "connection"}, []string{"connection.sync", "connection.create"}},
		"no pattern": {mirror.AuditQuery{Action: "%"}, []string{}},
		"connection": {mirror.AuditQuery{Connection: "acme"}, []string{"connections.odd", "connection.create"}},
		"since":      {mirror.AuditQuery{Since: at(3)}, []string{"connections.odd", "token.create", "connection.sync"}},
		"until":      {mirror.AuditQuery{Until: at(3)}, []string{"connection.create"}},
		"within":     {mirror.AuditQuery{Since: at(3), Until: at(5)}, []string{"token.create", "connection.sync"}},
	} {
		if diff := cmp.Diff(c.want, actions(b.audit(c.q))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// The second and the third are of the same moment.
	var paged []string
	var before mirror.AuditCursor
	for {
		page := b.audit(mirror.AuditQuery{Before: before, Limit: 1})
		if len(page) == 0 {
			break
		}
		paged = append(paged, actions(page)...)
		before = mirror.AuditCursor{At: page[0].At, ID: page[0].ID}
	}
	if diff := cmp.Diff(actions(b.audit(mirror.AuditQuery{})), paged); diff != "" {
		t.Error(diff)
	}
	if _, err := b.g.AuditLog(t.Context(), mirror.AuditQuery{Limit: 201}); err == nil {
		t.Error("a limit above 200 was accepted")
	}
}

func TestMaintainKeepsTheAuditLogForMoreThanAYear(t *testing.T) {
	b := setup(t)
	for _, a := range []string{"x.old", "x.kept"} {
		_, err := b.g.BeginAct(t.Context(), act(a, ""))
		b.must(err)
	}
	b.exec(`UPDATE audit_log SET at = now() - CASE action WHEN 'x.old' THEN interval '401 days' ELSE interval '399 days' END`)
	b.must(b.db.Maintain(t.Context()))
	if diff := cmp.Diff([]string{"x.kept"}, actions(b.audit(mirror.AuditQuery{}))); diff != "" {
		t.Error(diff)
	}
}
