package seal_test

import (
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

	// Processes that were paused throughout seal with a key that is no more, until they take the file.
	for name, late := range map[string]struct {
		k    *seal.Keyset
		path string
	}{"paused before the rotation": {beforeAll, older}, "paused in its middle": {beforeLast, added}} {
		keep(t, path, late.path)
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
