package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

func (b *bundle) setModule(s mirror.ModuleState) mirror.ModuleState {
	b.Helper()
	b.must(b.s.SetModule(b.Context(), b.mandate("acme"), s))
	states, err := b.s.ModuleStates(b.Context(), "acme")
	b.must(err)
	return states[s.Module]
}

func TestSetModuleWritesDifferencesAlone(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Modules: []string{"jobs", "candidates"}}))
	active := mirror.ModuleState{Module: "candidates", State: mirror.ModuleActive}
	first := b.setModule(active)
	xmin := func() int { return b.count(`SELECT CAST(CAST(xmin AS text) AS bigint) FROM module_state`) }
	written := xmin()
	if again := b.setModule(active); !again.Since.Equal(first.Since) || xmin() != written {
		t.Errorf("the same state was written: %+v", again)
	}
	paused := mirror.ModuleState{Module: "candidates", State: mirror.ModulePaused, Reason: "The key may not read candidates."}
	second := b.setModule(paused)
	if !second.Since.After(first.Since) || second.Reason != paused.Reason {
		t.Errorf("paused: %+v", second)
	}
	paused.Reason = "The key may still not."
	if third := b.setModule(paused); !third.Since.Equal(second.Since) || third.Reason != paused.Reason {
		t.Errorf("another reason: %+v", third)
	}
	complete := time.Now().UTC().Truncate(time.Microsecond)
	active.CompleteAt = &complete
	b.setModule(active)
	active.CompleteAt = nil
	if got := b.setModule(active); got.CompleteAt == nil || !got.CompleteAt.Equal(complete) {
		t.Errorf("completed: %+v", got)
	}
	if got := b.setModule(mirror.ModuleState{Module: "offers", State: mirror.ModuleActive}); got.State != "" {
		t.Errorf("a module that the connection has not: %+v", got)
	}
	view, err := b.g.View(t.Context(), "acme")
	if err != nil || len(view.ModuleStates) != 1 || view.ModuleStates[0].Module != "candidates" {
		t.Errorf("view %+v, %v", view.ModuleStates, err)
	}
}

// everything fills all that is kept of two opt-in kinds, and one kind of the jobs.
func (b *bundle) everything(s postgres.Syncer) {
	b.Helper()
	for _, kind := range []string{"candidate", "offer", "job"} {
		u := b.unit("acme")
		for i := range 3 {
			r := sealed(kind, fmt.Sprint(kind, i), "x")
			if kind == "job" {
				r = record(kind, fmt.Sprint(kind, i), `{}`)
			}
			u.Upserts = append(u.Upserts, r)
		}
		u.Token = &mirror.Token{Kind: kind, ParamsHash: []byte("h"), Token: "t"}
		u.Pass = &mirror.PassStep{
			Pass: mirror.Pass{PassKey: mirror.PassKey{Kind: kind}, Pages: 1}, Seen: []string{"x"}, Swept: &mirror.Swept{Kind: kind},
		}
		u.StaleParents = []mirror.ParentKey{{Kind: kind, Parent: "x"}}
		u.Bad = []mirror.BadRow{{Kind: kind, ID: "bad", Reason: "bad"}}
		_, err := s.Apply(b.Context(), u)
		b.must(err)
	}
}

// kept counts the rows of each table that has a kind, by kind.
func (b *bundle) kept() map[string]int {
	b.Helper()
	counts := map[string]int{}
	for _, table := range []string{
		"records", "sync_tokens", "passes", "pass_pages", "sweeps", "stale_parents", "quarantine", "record_outbox",
		"record_purges",
	} {
		var rows []struct {
			Kind string `db:"kind"`
			N    int    `db:"n"`
		}
		b.must(b.raw.SelectContext(b.Context(), &rows, `
			SELECT kind, count(*) AS n FROM `+table+` WHERE connection_id = 'acme' GROUP BY kind`))
		for _, r := range rows {
			counts[table+" "+r.Kind] = r.N
		}
	}
	return counts
}

func TestAModuleThatIsTakenAwayLeavesNothing(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	db := b.telling()
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Modules: []string{"jobs", "candidates", "offers"}}))
	b.everything(db.Syncer())
	for _, module := range []string{"candidates", "offers"} {
		b.setModule(mirror.ModuleState{Module: module, State: mirror.ModuleActive})
	}
	want := b.kept()
	for what := range want {
		if strings.HasSuffix(what, " candidate") {
			delete(want, what)
		}
	}
	want["record_purges candidate"] = 1
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 hour', next_records_at = clock_timestamp() + INTERVAL '1 hour'`)
	inFlight := b.unit("acme")
	inFlight.Upserts = []mirror.Record{sealed("candidate", "c9", "late")}
	b.must(db.Gateway().Patch(t.Context(), "acme", mirror.ConnectionPatch{
		Modules: []string{"jobs", "offers"}, PurgeKinds: []string{"candidate"},
	}))
	if diff := cmp.Diff(want, b.kept()); diff != "" {
		t.Error(diff)
	}
	states, err := b.s.ModuleStates(t.Context(), "acme")
	if _, left := states["candidates"]; err != nil || left || len(states) != 1 {
		t.Errorf("module states %+v, %v", states, err)
	}
	if n := b.count(`SELECT count(*) FROM sync_state WHERE next_poll_at <= clock_timestamp() AND next_records_at <= clock_timestamp()`); n != 1 {
		t.Error("other modules made nothing due")
	}
	if c, _, err := b.s.Connection(t.Context(), "acme"); err != nil || !cmp.Equal(c.Modules, []string{"jobs", "offers"}) {
		t.Errorf("modules %v, %v", c.Modules, err)
	}
	if _, err := b.s.Apply(t.Context(), inFlight); !errors.Is(err, mirror.ErrLeaseLost) {
		t.Errorf("what was read before: %v", err)
	}
	b.held = b.renew("a")
	b.post("acme", "p1", "Engineer")
}

func TestRemoveLeavesNothingOfAPerson(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	db := b.telling()
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Modules: []string{"jobs", "candidates"}}))
	b.everything(db.Syncer())
	b.setModule(mirror.ModuleState{Module: "candidates", State: mirror.ModuleActive})
	_, err := db.Gateway().Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	if diff := cmp.Diff(map[string]int{"records job": 3, "record_purges ": 1}, b.kept()); diff != "" {
		t.Error(diff)
	}
	if n := b.count(`SELECT count(*) FROM module_state`); n != 0 {
		t.Errorf("%d module states are left", n)
	}
}

// More rows than one statement deletes.
func TestAPurgeGoesOnUntilNothingIsLeft(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.exec(`INSERT INTO records (connection_id, kind, id, sealed, hash, fetched_at)
		SELECT 'acme', kind, 'x' || n, 's', 'h', now() FROM generate_series(1, 10001) n, unnest(ARRAY['candidate', 'offer']) kind`)
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{PurgeKinds: []string{"candidate"}}))
	if diff := cmp.Diff(map[string]int{"records offer": 10001}, b.kept()); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsMadeThroughTheAPI(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	yes, checked := true, time.Now().UTC().Truncate(time.Microsecond)
	b.must(b.g.Seen(t.Context(), "acme", "jobUpdate", true))
	setting := mirror.WebhookSeen{Action: "jobUpdate", SettingID: "s1", Enabled: &yes, CheckedAt: &checked, Problem: "none"}
	b.must(b.g.PutSetting(t.Context(), "acme", setting))
	b.must(b.g.PutSetting(t.Context(), "acme", mirror.WebhookSeen{Action: "jobCreate", SettingID: "s2"}))
	got, err := b.g.SettingsOf(t.Context(), "acme")
	b.must(err)
	if len(got) != 2 || got[1].PingedAt == nil {
		t.Fatalf("settings %+v", got)
	}
	setting.PingedAt = got[1].PingedAt
	if diff := cmp.Diff([]mirror.WebhookSeen{{Action: "jobCreate", SettingID: "s2"}, setting}, got); diff != "" {
		t.Error(diff)
	}
	b.must(b.g.PutSetting(t.Context(), "acme", mirror.WebhookSeen{Action: "jobUpdate"}))
	view, err := b.g.View(t.Context(), "acme")
	b.must(err)
	if w := view.Webhooks[1]; w.SettingID != "" || w.Enabled != nil || w.Problem != "" || w.PingedAt == nil {
		t.Errorf("forgotten: %+v", w)
	}
	if err := b.g.PutSetting(t.Context(), "never", setting); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}
