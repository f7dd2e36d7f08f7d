package rotation_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/rotation"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

func TestEverythingIsSealedAnewWhileServicesRun(t *testing.T) {
	w := setup(t)
	service, stop := w.service("gateway", w.file)
	fingerprint := service.Fingerprint("x")
	first := service.Keys().Sealing

	// The service opens everything again and again, and has new secrets.
	done := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			w.checkOpens("meanwhile", service)
			w.exec(`UPDATE secrets SET sealed = $1 WHERE connection_id = 'c1' AND kind = 'api_key'`,
				w.seal(service, "c1", seal.KindAPIKey, w.plain[key(mirror.SealedSecrets, "c1", "api_key", "")]))
		}
	})
	report, err := w.rotator(nil).Rotate(t.Context())
	close(done)
	working.Wait()
	if err != nil {
		t.Fatal(err)
	}
	next := report.Keys.Sealing
	if !report.Finished || next == first || !report.Keys.Has(first) || report.Older != 0 || len(report.Damaged) != 0 {
		t.Errorf("report %+v", report)
	}
	if report.Resealed[mirror.SealedEndpoints] != 2 || report.Resealed[mirror.SealedRecords] != 18 || report.Sealed != len(w.plain) {
		t.Errorf("sealed anew: %v, %d in all", report.Resealed, report.Sealed)
	}
	w.checkOpens("at the end", service)
	if string(service.Fingerprint("x")) != string(fingerprint) || string(w.load(w.file).Fingerprint("x")) != string(fingerprint) {
		t.Error("fingerprints changed")
	}

	report, err = w.rotator(nil).Retire(t.Context())
	if err != nil || len(report.Retired) != 1 || report.Retired[0] != first {
		t.Fatalf("retired %v: %v", report.Retired, err)
	}
	// What the service was about to commit at the end of the rotation is found before the old key goes.
	w.checkAllWith(next)
	stop()
	alone := w.load(w.file)
	if alone.Keys().Has(first) || len(alone.Keys().All) != 1 {
		t.Errorf("keys of the file: %v", alone.Keys())
	}
	w.checkOpens("without the old key", alone)
}

// TestRotationIsTakenUpWhereverItBrokeOff kills the command at each of its calls of the store, before it and after it.
func TestRotationIsTakenUpWhereverItBrokeOff(t *testing.T) {
	w := setup(t)
	service, _ := w.service("syncer", w.file)
	first := service.Keys().Sealing
	seen := map[seal.KeyID]bool{}
	kills := 0
	isFinished := func() bool { // a call that is killed after it noted the end has nothing left to do
		r, err := w.db.Keyset().Rotation(t.Context())
		return err == nil && r.Finished
	}
	for at := 1; !isFinished(); at++ {
		for after := 0; after < 2 && !isFinished(); after++ {
			_, err := w.rotator(func(o *rotation.Options) {
				o.Store = &mortal{Store: o.Store, at: at, after: after == 1}
			}).Rotate(t.Context())
			if !errors.Is(err, errKilled) {
				t.Fatalf("killed at call %d: %v", at, err)
			}
			kills++
			w.checkOpens("after a kill", service)
			w.checkOpens("after a kill, from the file", w.load(w.file))
			seen[w.load(w.file).Keys().Sealing] = true
		}
	}
	last := w.load(w.file).Keys()
	w.checkAllWith(last.Sealing)
	if n := len(last.All); n != 2 {
		t.Errorf("%d keys: a call began a rotation of its own", n)
	}
	if kills < 20 || !seen[first] || len(seen) != 2 {
		t.Errorf("%d kills, sealing keys %v: the test does not break off where it should", kills, seen)
	}
}

func TestOtherHostsAreWaitedFor(t *testing.T) {
	w := setup(t)
	there := filepath.Join(t.TempDir(), "keyset.json")
	copyFile(t, w.file, there)
	far, stop := w.service("notifier", there)
	impatient := func(o *rotation.Options) { o.Wait = time.Millisecond }

	for round := range 3 {
		report, err := w.rotator(impatient).Rotate(t.Context())
		if round == 2 {
			if err != nil || !report.Finished {
				t.Fatalf("with the file at each place: %v", err)
			}
			break
		}
		if !errors.Is(err, rotation.ErrWaiting) || !strings.Contains(err.Error(), "notifier on ") || report.Finished {
			t.Fatalf("round %d: %v", round, err)
		}
		w.checkOpens("while the other host lacks the present file", far)
		copyFile(t, w.file, there)
		waitFor(t, func() bool { return hasNow(w, far) })
	}
	w.checkOpens("at the other host", far)
	stop()

	// A process with a copy from before does not start, one with the present file does.
	stale := filepath.Join(t.TempDir(), "keyset.json")
	old, err := seal.Create(stale)
	if err != nil {
		t.Fatal(err)
	}
	parts := app.Parts{DB: w.db, Keys: old, Owner: "late", Log: slog.New(slog.DiscardHandler)}
	if err := app.NewKeyholder(parts, "gateway").Enter(t.Context()); !errors.Is(err, seal.ErrStale) {
		t.Errorf("a process that lacks the key was let in: %v", err)
	}
	if holders, err := w.db.Keyset().Holders(t.Context()); err != nil || len(holders) != 0 {
		t.Errorf("left: %v, %v", holders, err)
	}
}

// hasNow says whether the process at the other host has noted the keys of the file.
func hasNow(w *world, k *seal.Keyset) bool {
	want := w.load(w.file).Keys()
	holders, err := w.db.Keyset().Holders(w.Context())
	return err == nil && len(holders) == 1 && seal.KeyID(holders[0].Sealing) == want.Sealing && len(holders[0].Keys) == len(want.All) &&
		k.Keys().Sealing == want.Sealing
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatDoesNotOpenIsReportedAndLeft(t *testing.T) {
	w := setup(t)
	first := w.load(w.file).Keys().Sealing
	w.exec(`UPDATE records SET sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) WHERE connection_id = 'c1' AND id = 'r3'`)
	w.exec(`UPDATE endpoints SET previous = 'x' WHERE id = 'e1'`)
	before := w.rows()
	report, err := w.rotator(nil).Rotate(t.Context())
	if !errors.Is(err, rotation.ErrLeft) || !report.Finished || len(report.Damaged) != 2 || report.Older != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	damaged := map[string]rotation.Damaged{}
	for _, d := range report.Damaged {
		damaged[string(d.Place)+" "+d.Of+" "+d.What] = d
		if d.Advice() == "" {
			t.Errorf("no advice for %v", d)
		}
	}
	if damaged["records c1 candidate r3"].Key != first || damaged["endpoints e1 previous"].Place == "" {
		t.Errorf("damaged: %v", report.Damaged)
	}
	for _, was := range before {
		for _, is := range w.rows() {
			if is.Place == was.Place && is.A == was.A && is.B == was.B && is.C == was.C {
				isDamaged := was.C == "r3" && was.A == "c1" || was.B == "previous"
				if (string(is.Sealed) == string(was.Sealed)) != isDamaged {
					t.Errorf("%s %s %s %s: damaged %v, but the bytes say otherwise", is.Place, is.A, is.B, is.C, isDamaged)
				}
			}
		}
	}
	// What the old key sealed may yet be mended: it is not removed.
	if report, err = w.rotator(nil).Retire(t.Context()); !errors.Is(err, rotation.ErrLeft) || len(report.Retired) != 0 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
	w.exec(`DELETE FROM records WHERE connection_id = 'c1' AND id = 'r3'`)
	if report, err = w.rotator(nil).Retire(t.Context()); err != nil || len(report.Retired) != 1 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
}

func TestKeysAreNotRemovedUnderAProcessThatMayComeBack(t *testing.T) {
	w := setup(t)
	if _, err := w.rotator(nil).Retire(t.Context()); !errors.Is(err, rotation.ErrUnfinished) {
		t.Errorf("retired without a rotation: %v", err)
	}
	if report, err := w.rotator(nil).Rotate(t.Context()); err != nil || !report.Finished {
		t.Fatal(err)
	}
	// It was paused, and has not been heard of for a minute.
	w.exec(`INSERT INTO keyset_holders (owner, service, host, sealing, keys, seen_at)
		VALUES ('paused', 'gateway', 'h', 1, '{1}', now() - interval '1 minute')`)
	if report, err := w.rotator(nil).Retire(t.Context()); !errors.Is(err, rotation.ErrWaiting) || len(report.Retired) != 0 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
	w.exec(`UPDATE keyset_holders SET seen_at = now() - interval '11 minutes'`)
	if report, err := w.rotator(nil).Retire(t.Context()); err != nil || len(report.Retired) != 1 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
}

func TestOneRotatesAtATime(t *testing.T) {
	w := setup(t)
	if _, held, err := w.db.Notifier().Acquire(t.Context(), "keyset", "another", time.Minute); err != nil || !held {
		t.Fatal(held, err)
	}
	if _, err := w.rotator(nil).Rotate(t.Context()); !errors.Is(err, rotation.ErrBusy) {
		t.Errorf("beside another: %v", err)
	}
	if n := len(w.load(w.file).Keys().All); n != 1 {
		t.Errorf("the one that was kept out left %d keys", n)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	w := setup(t)
	w.service("gateway", w.file)
	before, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := w.rotator(nil).Plan(t.Context())
	if err != nil || plan.Sealed != len(w.plain) || plan.Older != 0 || len(plan.Holders) != 1 || plan.Next == "" {
		t.Errorf("%+v, %v", plan, err)
	}
	if after, err := os.ReadFile(w.file); err != nil || string(after) != string(before) {
		t.Error("the file changed")
	}
	// Broken off after the new key was chosen.
	for at := 1; w.load(w.file).Keys().Sealing == plan.Keys.Sealing; at++ {
		_, _ = w.rotator(func(o *rotation.Options) { o.Store = &mortal{Store: o.Store, at: at} }).Rotate(t.Context())
	}
	if plan, err = w.rotator(nil).Plan(t.Context()); err != nil || plan.Older == 0 || !strings.Contains(plan.Next, "goes on") {
		t.Errorf("%+v, %v", plan, err)
	}
}

// TestRotationWhoseFileIsGone: the key was added at a host that is no more, before anything was sealed with it.
func TestRotationWhoseFileIsGone(t *testing.T) {
	w := setup(t)
	if err := w.db.Keyset().Begin(t.Context(), 4711); err != nil {
		t.Fatal(err)
	}
	report, err := w.rotator(nil).Rotate(t.Context())
	if err != nil || !report.Finished {
		t.Fatal(err)
	}
	// After it sealed, the present file is needed.
	if err := w.db.Keyset().Begin(t.Context(), 4712); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Keyset().Require(t.Context(), 4712); err != nil {
		t.Fatal(err)
	}
	if _, err := w.rotator(nil).Rotate(t.Context()); !errors.Is(err, seal.ErrStale) {
		t.Errorf("without the key that seals: %v", err)
	}
}

// TestKeysAreRemovedSomeTimeAfterTheEnd: what was sealed with an older key may be in work at the end of a rotation.
func TestKeysAreRemovedSomeTimeAfterTheEnd(t *testing.T) {
	w := setup(t)
	if _, err := w.rotator(nil).Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var said []string
	long := func(o *rotation.Options) {
		o.RetireAfter = time.Hour
		o.Say = func(s string) { said = append(said, s) }
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if report, err := w.rotator(long).Retire(ctx); !errors.Is(err, context.DeadlineExceeded) || len(report.Retired) != 0 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "waiting for 1h0m0s") && !strings.Contains(said[0], "waiting for 59m59s") {
		t.Errorf("said %q", said)
	}
	w.exec(`UPDATE keyset_rotations SET finished_at = now() - interval '61 minutes'`)
	if report, err := w.rotator(long).Retire(t.Context()); err != nil || len(report.Retired) != 1 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
}

// TestRowThatStaysLockedIsLeftForTheNextCall: a rotation waits for no other writer.
func TestRowThatStaysLockedIsLeftForTheNextCall(t *testing.T) {
	w := setup(t)
	tx, err := w.raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`SELECT FROM records WHERE connection_id = 'c1' AND id = 'r2' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	report, err := w.rotator(nil).Rotate(t.Context())
	if !errors.Is(err, rotation.ErrLeft) || report.Finished || report.Older != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if report, err = w.rotator(nil).Rotate(t.Context()); err != nil || !report.Finished || len(report.Keys.All) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	w.checkAllWith(report.Keys.Sealing)
}
