package rotation_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/rotation"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// holder is a process with a copy of the file.
func (w *world) holder(name, file string) (*app.Keyholder, *seal.Keyset) {
	w.Helper()
	k := w.load(file)
	h := app.NewKeyholder(app.Parts{DB: w.db, Keys: k, Owner: name, Log: slog.New(slog.DiscardHandler)}, name)
	h.Every = 20 * time.Millisecond
	return h, k
}

// copied is a copy of the file as it is now.
func (w *world) copied() string {
	w.Helper()
	path := filepath.Join(w.TempDir(), "keyset.json")
	copyFile(w.T, w.file, path)
	return path
}

// rotated rotates, and retires the old keys.
func (w *world) rotated() seal.KeyID {
	w.Helper()
	if _, err := w.rotator(nil).Rotate(w.Context()); err != nil {
		w.Fatal(err)
	}
	report, err := w.rotator(nil).Retire(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return report.Keys.Sealing
}

// TestProcessThatComesBackLate was paused for longer than a rotation waits: with a copy of the file it ends, with the file
// itself it takes the new keys.
func TestProcessThatComesBackLate(t *testing.T) {
	w := setup(t)
	apart := w.copied()
	cut, cutKeys := w.holder("cut off", apart)
	beside, besideKeys := w.holder("beside", w.file)
	key := w.rotated()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := cut.Run(ctx); !errors.Is(err, seal.ErrStale) || !strings.Contains(err.Error(), apart) {
		t.Errorf("a process that lacks the key that seals goes on: %v", err)
	}
	if _, err := cutKeys.Seal("x", "c1", seal.KindAPIKey); !errors.Is(err, seal.ErrStale) {
		t.Errorf("it seals with a key that was retired: %v", err)
	}
	running, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- beside.Run(running) }()
	waitFor(t, func() bool { return besideKeys.Keys().Sealing == key })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.checkOpens("with the file at hand", besideKeys)
}

// TestNoteThatHangsIsBrokenOff: the table is locked, as behind a server that fell silent.
func TestNoteThatHangsIsBrokenOff(t *testing.T) {
	w := setup(t)
	h, _ := w.holder("gateway", w.file)
	if h.Timeout <= 0 || h.Timeout > 5*time.Second {
		t.Errorf("a note may take %s", h.Timeout)
	}
	h.Timeout = 50 * time.Millisecond
	tx, err := w.raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`LOCK TABLE keyset_holders`); err != nil {
		t.Fatal(err)
	}
	if began, err := time.Now(), h.Enter(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

// TestProcessThatIsSilentIsWaitedForBeforeTheKeySeals: it may come back, and then it must open everything.
func TestProcessThatIsSilentIsWaitedForBeforeTheKeySeals(t *testing.T) {
	w := setup(t)
	first := w.load(w.file).Keys().Sealing
	w.exec(`INSERT INTO keyset_holders (owner, service, host, sealing, keys, seen_at)
		VALUES ('paused', 'gateway', 'far', $1, ARRAY[CAST($1 AS bigint)], now() - interval '1 minute')`, int64(first))
	impatient := func(o *rotation.Options) { o.Wait = time.Millisecond }
	_, err := w.rotator(impatient).Rotate(t.Context())
	if !errors.Is(err, rotation.ErrWaiting) || !strings.Contains(err.Error(), "gateway on far, silent for 1m0s") ||
		!strings.Contains(err.Error(), "after 10m") {
		t.Errorf("beside a process that is silent for a minute: %v", err)
	}
	if keys := w.load(w.file).Keys(); keys.Sealing != first || len(keys.All) != 2 {
		t.Errorf("keys %+v", keys)
	}
	w.exec(`UPDATE keyset_holders SET seen_at = now() - interval '11 minutes'`)
	if report, err := w.rotator(impatient).Rotate(t.Context()); err != nil || !report.Finished {
		t.Errorf("after it is forgotten: %v", err)
	}
}

// TestStaleCopyDoesNotRotate has two places with a file each: what one sealed, the other must not put out of reach.
func TestStaleCopyDoesNotRotate(t *testing.T) {
	for name, forgotten := range map[string]bool{"the rotation is known": false, "the rotation was forgotten": true} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			before := w.copied()
			if _, err := w.rotator(nil).Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if forgotten {
				w.exec(`DELETE FROM keyset_rotations`)
			}
			stale := w.load(before)
			there := func(o *rotation.Options) { o.Keys = stale }
			want := seal.ErrStale
			if forgotten {
				want = rotation.ErrKeyMissing
			}
			if report, err := w.rotator(there).Rotate(t.Context()); !errors.Is(err, want) || report.Finished {
				t.Errorf("finished %v: %v", report.Finished, err)
			}
			if plan, err := w.rotator(there).Plan(t.Context()); err != nil || !strings.Contains(plan.Next, "nothing is done") {
				t.Errorf("plan: %q, %v", plan.Next, err)
			}
			if n := len(w.load(before).Keys().All); n != 1 {
				t.Errorf("the stale copy has %d keys", n)
			}
			var rotations int
			if err := w.raw.Get(&rotations, `SELECT count(*) FROM keyset_rotations`); err != nil || forgotten != (rotations == 0) {
				t.Errorf("%d rotations, %v", rotations, err)
			}
			w.checkOpens("with the present file", w.load(w.file))
		})
	}
}

// TestCopyFromTheMiddleOfARotationDoesNotRotate: it has the new key, but seals with the old one.
func TestCopyFromTheMiddleOfARotationDoesNotRotate(t *testing.T) {
	w := setup(t)
	if _, err := w.load(w.file).AddKey(); err != nil {
		t.Fatal(err)
	}
	middle := w.load(w.copied())
	w.rotated()
	for name, do := range map[string]func(*rotation.Rotator) (rotation.Report, error){
		"rotate": func(r *rotation.Rotator) (rotation.Report, error) { return r.Rotate(t.Context()) },
		"retire": func(r *rotation.Rotator) (rotation.Report, error) { return r.Retire(t.Context()) },
	} {
		if _, err := do(w.rotator(func(o *rotation.Options) { o.Keys = middle })); !errors.Is(err, seal.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.checkOpens("with the present file", w.load(w.file))
}

// TestRotationDoesNotEndOverWhatAMissingKeySealed puts a row in that another file's key sealed, at each point from which the
// rotation goes on.
func TestRotationDoesNotEndOverWhatAMissingKeySealed(t *testing.T) {
	w := setup(t)
	other, err := seal.Create(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	good := w.seal(w.load(w.file), "c1", seal.KindAPIKey, "api_keyc1")
	put := func(sealed []byte) {
		w.exec(`UPDATE secrets SET sealed = $1 WHERE connection_id = 'c1' AND kind = 'api_key'`, sealed)
	}
	bad := w.seal(other, "c1", seal.KindAPIKey, "api_keyc1")
	for at := 1; ; at++ { // broken off at each call in turn
		put(good)
		_, err := w.rotator(func(o *rotation.Options) { o.Store = &mortal{Store: o.Store, at: at} }).Rotate(t.Context())
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		put(bad)
		report, err := w.rotator(nil).Rotate(t.Context())
		if !errors.Is(err, rotation.ErrKeyMissing) || report.Finished || !strings.Contains(err.Error(), "connections rotate-key c1") {
			t.Fatalf("at %d: finished %v: %v", at, report.Finished, err)
		}
		if d := report.Damaged; len(d) != 1 || !strings.Contains(report.Advice(d[0]), "put the key back") {
			t.Fatalf("at %d: damaged %v", at, d)
		}
		if r, err := w.db.Keyset().Rotation(t.Context()); err == nil && (r.Finished || at == 1) {
			t.Fatalf("at %d: %+v", at, r)
		} else if err == nil && r.Required {
			break
		}
	}
	put(good)
	if report, err := w.rotator(nil).Rotate(t.Context()); err != nil || !report.Finished {
		t.Fatal(err)
	}
	put(bad)
	if report, err := w.rotator(nil).Retire(t.Context()); !errors.Is(err, rotation.ErrKeyMissing) || len(report.Retired) != 0 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
}

// TestRotationDoesNotEndWhereNothingOpens: each key's id is known, and yet nothing opens.
func TestRotationDoesNotEndWhereNothingOpens(t *testing.T) {
	w := setup(t)
	for _, r := range w.rows() {
		if r.Place != string(mirror.SealedSecrets) {
			continue
		}
		w.exec(`UPDATE secrets SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20)) WHERE connection_id = $1 AND kind = $2`, r.A, r.B)
	}
	w.exec(`DELETE FROM records`)
	w.exec(`UPDATE endpoints SET secret = set_byte(secret, 20, 255 - get_byte(secret, 20)), previous = NULL WHERE id = 'e1'`)
	if report, err := w.rotator(nil).Rotate(t.Context()); !errors.Is(err, rotation.ErrLeft) || report.Finished {
		t.Errorf("finished %v: %v", report.Finished, err)
	}
	if r, err := w.db.Keyset().Rotation(t.Context()); err == nil && r.Finished {
		t.Error("it is noted as finished")
	}
}

// TestDatabaseThatIsOlderThanTheFile was restored to the time between two rotations.
func TestDatabaseThatIsOlderThanTheFile(t *testing.T) {
	w := setup(t)
	if _, err := w.rotator(nil).Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := w.rotator(nil).Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`DELETE FROM keyset_rotations WHERE key = $1`, int64(report.Keys.Sealing))
	if report, err := w.rotator(nil).Retire(t.Context()); !errors.Is(err, rotation.ErrUnfinished) || len(report.Retired) != 0 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
	if report, err = w.rotator(nil).Rotate(t.Context()); err != nil || !report.Finished || len(report.Keys.All) != 4 {
		t.Errorf("rotated: %+v, %v", report, err)
	}
	if report, err = w.rotator(nil).Retire(t.Context()); err != nil || len(report.Retired) != 3 {
		t.Errorf("retired %v: %v", report.Retired, err)
	}
	w.checkOpens("at the end", w.load(w.file))
}
