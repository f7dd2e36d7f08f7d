package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func (b *bundle) stale(kinds ...string) []mirror.StaleParent {
	b.Helper()
	stale, err := b.s.StaleParents(b.Context(), "acme", kinds, 10)
	b.must(err)
	return stale
}

func parents(stale []mirror.StaleParent) []string {
	names := []string{}
	for _, s := range stale {
		names = append(names, s.Kind+"/"+s.Parent)
	}
	return names
}

func TestAParentThatChangesWhileItIsReadStaysStale(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	mark := func(keys ...mirror.ParentKey) {
		t.Helper()
		u := b.unit("acme")
		u.StaleParents = keys
		b.apply(u)
	}
	mark(mirror.ParentKey{Kind: "note", Parent: "c1"}, mirror.ParentKey{Kind: "note", Parent: "c2"},
		mirror.ParentKey{Kind: "note", Parent: "c1"})
	mark(mirror.ParentKey{Kind: "tag", Parent: "c1"})
	if diff := cmp.Diff([]string{"note/c1", "note/c2", "tag/c1"}, parents(b.stale("note", "tag"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"tag/c1"}, parents(b.stale("tag"))); diff != "" {
		t.Error(diff)
	}
	read := b.stale("note")
	mark(mirror.ParentKey{Kind: "note", Parent: "c1"}) // while the children are read
	u := b.unit("acme")
	u.ReadParents = read
	b.apply(u)
	if diff := cmp.Diff([]string{"tag/c1", "note/c1"}, parents(b.stale("note", "tag"))); diff != "" {
		t.Error(diff)
	}
	u.ReadParents = b.stale("note")
	u.StaleParents = []mirror.ParentKey{{Kind: "note", Parent: "c1"}}
	b.apply(u)
	if got := parents(b.stale("note")); len(got) != 1 {
		t.Errorf("read and stale in one unit: %v", got)
	}
	u.ReadParents, u.StaleParents = b.stale("note"), nil
	b.apply(u)
	if got := parents(b.stale("note")); len(got) != 0 {
		t.Errorf("after an undisturbed read: %v", got)
	}
}
