package seal_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// load is the keyset in the memory of another process.
func load(t *testing.T, path string) *seal.Keyset {
	t.Helper()
	k, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keep copies a keyset's file.
func keep(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func opens(k *seal.Keyset, s []byte) bool {
	got, err := k.Open(s, "c1", seal.KindAPIKey)
	return err == nil && got == plain
}

func TestAddedKeySealsOnlyWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	first := k.Keys().Sealing
	added, err := k.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(seal.Keys{Sealing: first, All: []seal.KeyID{first, added}}, load(t, path).Keys()); diff != "" {
		t.Error(diff)
	}
	if with, ok := seal.SealedWith(sealed(t, k)); !ok || with != first {
		t.Errorf("sealed with %d, not with %d", with, first)
	}
	if err := k.SealWith(added); err != nil {
		t.Fatal(err)
	}
	if with, ok := seal.SealedWith(sealed(t, k)); !ok || with != added || k.Keys().Sealing != added {
		t.Errorf("sealed with %d, not with %d", with, added)
	}
	if err := k.SealWith(1); err == nil {
		t.Error("a key that is not there was chosen")
	}
}

func TestProcessInMidstOfWorkFollowsItsFile(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	other := load(t, path)
	if changed, err := other.Refresh(); changed || err != nil {
		t.Errorf("an unchanged file: changed %v, %v", changed, err)
	}
	id := rotate(t, k)
	s := sealed(t, k)
	if !opens(other, s) {
		t.Fatal("what the new key sealed does not open where the old keys were in memory")
	}
	if with, _ := seal.SealedWith(sealed(t, other)); with != id {
		t.Errorf("the other process seals with %d, not with %d", with, id)
	}
	old := k.Keys().All[0]
	removed, err := k.Retire(id)
	if err != nil || len(removed) != 1 || removed[0] != old {
		t.Errorf("retired %v: %v", removed, err)
	}
	if changed, err := other.Refresh(); !changed || err != nil || other.Keys().Has(old) {
		t.Errorf("after the old key was retired: changed %v, %v, keys %v", changed, err, other.Keys())
	}
	if _, err := k.Retire(old); err == nil {
		t.Error("a key that does not seal was kept in place of the one that does")
	}
}

func TestOlderCopyOfTheFileIsNotTaken(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	older, added := filepath.Join(t.TempDir(), "older"), filepath.Join(t.TempDir(), "added")
	keep(t, path, older)
	id, err := k.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	keep(t, path, added)
	beforeAll, beforeLast := load(t, older), load(t, added)
	if err := k.SealWith(id); err != nil {
		t.Fatal(err)
	}
	s := sealed(t, k)
	if _, err := k.Retire(id); err != nil {
		t.Fatal(err)
	}

	// A process that was paused throughout has a key that is no more. Where it had the new one too, it knows that the file is
	// newer. Else the files alone do not tell that: it seals nothing until the database has told it.
	for name, late := range map[string]struct {
		k     *seal.Keyset
		path  string
		knows bool
	}{"paused before the rotation": {beforeAll, older, false}, "paused in its middle": {beforeLast, added, true}} {
		keep(t, path, late.path)
		if !late.knows {
			if changed, err := late.k.Refresh(); changed || !errors.Is(err, seal.ErrStale) {
				t.Errorf("%s, before it is told the key: changed %v, %v", name, changed, err)
			}
			if _, err := late.k.Seal(plain, "c1", seal.KindAPIKey); !errors.Is(err, seal.ErrStale) {
				t.Errorf("%s: sealed with a key that is no more: %v", name, err)
			}
		}
		late.k.Require(id)
		if changed, err := late.k.Refresh(); !changed || err != nil || !opens(late.k, s) {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		if with, _ := seal.SealedWith(sealed(t, late.k)); with != id {
			t.Errorf("%s: seals with %d", name, with)
		}
	}

	present := load(t, path)
	for name, spoil := range map[string]func() string{
		"another installation": func() string { _, other := create(t); return other },
		"nothing":              func() string { return filepath.Join(t.TempDir(), "none") },
	} {
		spoiled := spoil()
		if _, err := os.Stat(spoiled); err == nil {
			keep(t, spoiled, path)
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if changed, err := present.Refresh(); changed || err == nil || !opens(present, s) {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
	}
}

// TestFileFromBeforeTheRotationIsRefusedAfterRetirement puts back the backup of before: no key of it is in memory any more.
func TestFileFromBeforeTheRotationIsRefusedAfterRetirement(t *testing.T) {
	t.Parallel()
	for name, required := range map[string]bool{"the database says nothing": false, "the database requires the key": true} {
		k, path := create(t)
		before := filepath.Join(t.TempDir(), "before")
		keep(t, path, before)
		id := rotate(t, k)
		s := sealed(t, k)
		running := load(t, path)
		if _, err := k.Retire(id); err != nil {
			t.Fatal(err)
		}
		if changed, err := running.Refresh(); !changed || err != nil {
			t.Fatal(changed, err)
		}
		if required {
			running.Require(id)
		}
		keep(t, before, path)
		for range 2 {
			if changed, err := running.Refresh(); changed || !errors.Is(err, seal.ErrStale) {
				t.Errorf("%s: changed %v, %v", name, changed, err)
			}
		}
		if !opens(running, s) || running.Keys().Sealing != id {
			t.Errorf("%s: the key that seals is gone from memory", name)
		}
		_, err := running.Seal(plain, "c1", seal.KindAPIKey)
		if required && err != nil || !required && !errors.Is(err, seal.ErrStale) {
			t.Errorf("%s: sealing: %v", name, err)
		}
		if _, err := running.AddKey(); !errors.Is(err, seal.ErrStale) {
			t.Errorf("%s: a key was added to the file of before: %v", name, err)
		}
	}
}

// TestRequiredKeyIsNeeded: of two keys in memory one seals, and the database requires the other already.
func TestRequiredKeyIsNeeded(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	before := filepath.Join(t.TempDir(), "before")
	keep(t, path, before)
	id, err := k.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	k.Require(id)
	keep(t, before, path)
	if changed, err := k.Refresh(); changed || !errors.Is(err, seal.ErrStale) {
		t.Errorf("a file without the key that the database requires: changed %v, %v", changed, err)
	}
	late := load(t, before)
	late.Require(id)
	if _, err := late.Seal(plain, "c1", seal.KindAPIKey); !errors.Is(err, seal.ErrStale) {
		t.Errorf("sealed without the key that the database requires: %v", err)
	}
	// The requirement that is known may be that of the rotation before: the key that seals here is newer.
	third, path := create(t)
	first := third.Keys().Sealing
	keep(t, path, before)
	third.Require(first)
	rotate(t, third)
	keep(t, before, path)
	if changed, err := third.Refresh(); changed || !errors.Is(err, seal.ErrStale) {
		t.Errorf("a file with the key that was required before: changed %v, %v", changed, err)
	}
}

// TestLostKeyIsPutInFrontOfThePresentOnes does what the runbook says of a key that was removed too early.
func TestLostKeyIsPutInFrontOfThePresentOnes(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	before := filepath.Join(t.TempDir(), "before")
	keep(t, path, before)
	old := sealed(t, k)
	id := rotate(t, k)
	if _, err := k.Retire(id); err != nil {
		t.Fatal(err)
	}
	parse := func(path string) (file map[string]any, keys []any) {
		raw, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(raw, &file)
		}
		if err != nil {
			t.Fatal(err)
		}
		return file, file["aead"].(map[string]any)["key"].([]any)
	}
	_, lost := parse(before)
	file, present := parse(path)
	file["aead"].(map[string]any)["key"] = append(lost, present...)
	raw, err := json.Marshal(file)
	if err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !opens(k, old) || !opens(k, sealed(t, k)) || k.Keys().Sealing != id || k.Keys().All[1] != id {
		t.Errorf("with the lost key put in front: %+v", k.Keys())
	}
}

func TestFileSetBackIsRefusedAndSaid(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	older := filepath.Join(t.TempDir(), "older")
	keep(t, path, older)
	rotate(t, k)
	s := sealed(t, k)
	running := load(t, path)
	keep(t, older, path)
	for range 2 { // the second look finds the same file and says the same
		if changed, err := running.Refresh(); changed || !errors.Is(err, seal.ErrStale) {
			t.Errorf("an older copy: changed %v, %v", changed, err)
		}
	}
	if !opens(running, s) {
		t.Error("with an older copy in place of the file, what the newer key sealed does not open any more")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := running.Refresh(); !errors.Is(err, seal.ErrInsecure) {
		t.Errorf("a file that others may read: %v", err)
	}
}

func TestFileIsWrittenInPlaceWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	mounted := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.Link(path, mounted); err != nil { // the same file under another name, as a mount is
		t.Fatal(err)
	}
	other := load(t, mounted)
	k.WriteInPlace()
	id := rotate(t, k)
	if s := sealed(t, k); !opens(other, s) || other.Keys().Sealing != id {
		t.Error("who has the file itself does not see the rotation")
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".next", whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(path); !errors.Is(err, seal.ErrMalformed) || !strings.Contains(err.Error(), "cp "+path+".next") {
		t.Errorf("half a file beside a whole one: %v", err)
	}
}
