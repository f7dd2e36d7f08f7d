package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestCreateRefusesDuplicates(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	other := connection("beta")
	other.KeyFingerprint = connection("acme").KeyFingerprint
	if err := b.g.Create(t.Context(), other); !errors.Is(err, mirror.ErrDuplicateKey) {
		t.Errorf("same key: %v", err)
	}
	other = connection("beta")
	other.EmployerRef = "ref-acme"
	if err := b.g.Create(t.Context(), other); !errors.Is(err, mirror.ErrDuplicateEmployer) {
		t.Errorf("same employer: %v", err)
	}
	if n := b.count(`SELECT count(*) FROM secrets`); n != 2 {
		t.Errorf("refused connections left secrets: %d", n)
	}
	id, err := b.g.KeyInUse(t.Context(), connection("acme").KeyFingerprint)
	if err != nil || id != "acme" {
		t.Errorf("key in use by %q, %v", id, err)
	}
	_, err = b.g.Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	if _, err := b.g.KeyInUse(t.Context(), connection("acme").KeyFingerprint); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("key of a removed connection: %v", err)
	}
	again := connection("acme2")
	again.EmployerRef, again.KeyFingerprint = "ref-acme", connection("acme").KeyFingerprint
	b.must(b.g.Create(t.Context(), again))
}

func TestConnectionAndViewsTellWhatWasStored(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta", "gone")
	_, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs)
	b.must(err)
	c, key, err := b.s.Connection(t.Context(), "acme")
	b.must(err)
	want := connection("acme").Connection
	want.Part, want.Status, want.StatusSince, want.CreatedAt = mirror.Part("acme"), mirror.StatusActive, c.StatusSince, c.CreatedAt
	if diff := cmp.Diff(want, c); diff != "" || string(key) != "sealed key acme" {
		t.Errorf("key %q, %s", key, diff)
	}
	if _, _, err := b.s.Connection(t.Context(), "gone"); !errors.Is(err, mirror.ErrRemoved) {
		t.Errorf("removed: %v", err)
	}
	if _, _, err := b.s.Connection(t.Context(), "never"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}

	u := b.unit("acme")
	u.Upserts = []mirror.Record{record("posting", "p1", `{}`), record("posting", "p2", `{}`), record("job", "j1", `{}`)}
	u.Listings = []mirror.Desired{wantOpen("acme", "p1", "One"), wantOpen("acme", "p2", "Two")}
	u.SetHold = &mirror.Hold{Postings: []string{"p2"}, PublicCount: 2, Reason: "vanished"}
	b.apply(u)
	u = b.unit("acme")
	u.Gone, u.Listings = []mirror.RecordKey{{Kind: "posting", ID: "p2"}}, []mirror.Desired{wantClosed("p2")}
	b.apply(u)
	_, err = b.s.FinishPoll(t.Context(), b.mandate("acme"), mirror.CompletePoll{
		Started: time.Now(), AtAshby: 7, Next: time.Hour,
	})
	b.must(err)
	views, err := b.g.Views(t.Context(), "", 10)
	b.must(err)
	if len(views) != 2 || views[0].ID != "acme" || views[1].ID != "beta" {
		t.Fatalf("views %+v", views)
	}
	if diff := cmp.Diff(mirror.Counts{AtAshby: 7, Mirrored: 1, Public: 1, Held: 1}, views[0].Counts); diff != "" {
		t.Error(diff)
	}
	if views[0].Report.KeyTitle != "Key of acme" || views[0].Sync.FirstSyncedAt == nil {
		t.Errorf("view %+v", views[0])
	}
	if views, err := b.g.Views(t.Context(), "acme", 10); err != nil || len(views) != 1 {
		t.Errorf("after acme: %+v, %v", views, err)
	}
	if views, err := b.g.Views(t.Context(), "", 1); err != nil || len(views) != 1 {
		t.Errorf("limit 1: %+v, %v", views, err)
	}
	if view, err := b.g.View(t.Context(), "gone"); err != nil || view.Status != mirror.StatusRemoved {
		t.Errorf("removed: %+v, %v", view, err)
	}
	if _, err := b.g.View(t.Context(), "never"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	mirrored, known, err := b.g.KnownPostings(t.Context(), "acme", []string{"p1", "p2", "p3"})
	if err != nil || mirrored != 1 || known != 1 {
		t.Errorf("mirrored %d, known %d, %v", mirrored, known, err)
	}
}

func TestCreateKeepsItsTimes(t *testing.T) {
	b := setup(t)
	made := time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)
	c := connection("acme")
	c.CreatedAt, c.StatusSince = made, made.Add(time.Microsecond)
	b.must(b.g.Create(t.Context(), c))
	view, err := b.g.View(t.Context(), "acme")
	b.must(err)
	if !view.CreatedAt.Equal(c.CreatedAt) || !view.StatusSince.Equal(c.StatusSince) {
		t.Errorf("made at %s and active since %s", view.CreatedAt, view.StatusSince)
	}
	b.connect("beta")
	if view, err := b.g.View(t.Context(), "beta"); err != nil || time.Since(view.CreatedAt).Abs() > time.Minute {
		t.Errorf("without a time made at %s, %v", view.CreatedAt, err)
	}
}

func TestPatchMovesTheNextPoll(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	name, minute, day := "Acme AG", time.Minute, 24*time.Hour
	for _, c := range []struct {
		what        string
		patch       mirror.ConnectionPatch
		least, most time.Duration // until the next poll, which was to come in an hour
	}{
		{"nothing", mirror.ConnectionPatch{}, 59 * time.Minute, time.Hour},
		{"a shorter interval", mirror.ConnectionPatch{PollInterval: &minute}, time.Second, time.Minute},
		{"a longer interval", mirror.ConnectionPatch{PollInterval: &day}, 59 * time.Minute, time.Hour},
		{"a name", mirror.ConnectionPatch{EmployerName: &name}, -time.Minute, 0},
		{"a name and an interval", mirror.ConnectionPatch{EmployerName: &name, PollInterval: &minute}, -time.Minute, 0},
	} {
		b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 hour'`)
		b.must(b.g.Patch(t.Context(), "acme", c.patch))
		var seconds float64
		b.must(b.raw.GetContext(t.Context(), &seconds, `
			SELECT CAST(extract(epoch FROM next_poll_at - clock_timestamp()) AS float8) FROM sync_state`))
		if left := time.Duration(seconds * float64(time.Second)); left < c.least || left > c.most {
			t.Errorf("%s: the next poll comes in %s", c.what, left)
		}
	}
}

func TestPatch(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 hour'`)
	due := func() bool {
		t.Helper()
		return b.count(`SELECT count(*) FROM sync_state WHERE connection_id = 'acme' AND next_poll_at <= clock_timestamp()`) == 1
	}
	name, interval, yes, no := "Acme AG", 90*time.Second, true, false
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{EmployerName: &name, PollInterval: &interval}))
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Paused: &yes}))
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Paused: &yes}))
	c, _, err := b.s.Connection(t.Context(), "acme")
	b.must(err)
	if c.EmployerName != name || c.PollInterval != interval || c.Status != mirror.StatusPaused {
		t.Errorf("patched to %+v", c)
	}
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 hour'`)
	if changed, err := b.setStatus("acme", mirror.StatusDegraded, "x"); changed || err != nil {
		t.Errorf("a paused connection changed: %t, %v", changed, err)
	}
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Paused: &no}))
	if !due() {
		t.Error("resuming made no poll due")
	}
	_, err = b.setStatus("acme", mirror.StatusUnauthorized, "Ashby refuses the key.")
	b.must(err)
	b.exec(`UPDATE sync_state SET next_poll_at = clock_timestamp() + INTERVAL '1 hour'`)
	key := mirror.KeyPatch{Sealed: []byte("new key"), Fingerprint: []byte("new print"), Last4: "9999"}
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Key: &key}))
	c, sealed, err := b.s.Connection(t.Context(), "acme")
	b.must(err)
	if c.Status != mirror.StatusActive || c.StatusReason != "" || c.KeyLast4 != "9999" || string(sealed) != "new key" || !due() {
		t.Errorf("new key: %+v, key %q, due %t", c, sealed, due())
	}
	key.Fingerprint = connection("beta").KeyFingerprint
	if err := b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Key: &key}); !errors.Is(err, mirror.ErrDuplicateKey) {
		t.Errorf("key of another: %v", err)
	}
	want := []string{
		"acme/ v1 connection.degraded", "acme/ v2 connection.recovered", "acme/ v3 connection.degraded",
		"acme/ v4 connection.recovered",
	}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	if err := b.g.Patch(t.Context(), "never", mirror.ConnectionPatch{}); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestRemove(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.post("acme", "p1", "One")
	b.post("acme", "p2", "Two")
	b.post("beta", "p1", "Other")
	u := b.unit("acme")
	u.Listings = []mirror.Desired{wantClosed("p2")}
	b.apply(u)
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{delivery("acme", "1", "posting", "p1")}))
	b.publishAll()

	n, err := b.g.Remove(t.Context(), "acme", mirror.CloseJobs)
	if err != nil || n != 2 {
		t.Errorf("removal committed %d events, %v", n, err)
	}
	want := []string{"acme/p1 v2 job.closed", "acme/ v1 connection.removed"}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	if by := b.count(`
		SELECT count(*) FROM events e JOIN listings l ON l.event_id = e.id
		WHERE e.data ->> 'verified_by' = 'operator' AND l.verified_by = 'operator' AND l.verified_at = l.observed_at
			AND CAST(e.data ->> 'verified_at' AS timestamptz) = l.verified_at`); by != 1 {
		t.Errorf("%d closed by a person, want 1", by)
	}
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE processed_at IS NULL`); n != 0 {
		t.Errorf("%d inbox rows are open", n)
	}
	if _, err := b.g.Remove(t.Context(), "acme", mirror.CloseJobs); !errors.Is(err, mirror.ErrRemoved) {
		t.Errorf("again: %v", err)
	}
	if err := b.g.MakeDue(t.Context(), "acme"); !errors.Is(err, mirror.ErrRemoved) {
		t.Errorf("due: %v", err)
	}
	if _, err := b.g.Remove(t.Context(), "never", mirror.CloseJobs); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	u = b.unit("acme")
	u.Listings = []mirror.Desired{wantOpen("acme", "p1", "Back")}
	if _, err := b.s.Apply(t.Context(), u); !errors.Is(err, mirror.ErrRemoved) {
		t.Errorf("apply: %v", err)
	}
	n, err = b.g.Remove(t.Context(), "beta", mirror.KeepJobs)
	if err != nil || n != 1 {
		t.Errorf("keeping removal committed %d events, %v", n, err)
	}
	jobs, err := b.g.Jobs(t.Context(), mirror.JobQuery{State: "open", Limit: 10})
	if err != nil || len(jobs) != 1 {
		t.Errorf("open jobs %+v, %v", jobs, err)
	}
}
