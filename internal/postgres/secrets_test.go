package postgres_test

import (
	"errors"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestSealedKey(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	sealed, err := b.g.SealedKey(t.Context(), "acme")
	if err != nil || string(sealed) != "sealed key acme" {
		t.Errorf("%q, %v", sealed, err)
	}
	if _, err := b.g.SealedKey(t.Context(), "never"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	_, err = b.g.Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	if _, err := b.g.SealedKey(t.Context(), "acme"); !errors.Is(err, mirror.ErrRemoved) {
		t.Errorf("removed: %v", err)
	}
}

// A report comes alone after a fresh look at the present key, which stays.
func TestPatchOfTheReportAlone(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	report := mirror.Report{OK: true, KeyTitle: "Looked at anew"}
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Report: &report}))
	v, err := b.g.View(t.Context(), "acme")
	b.must(err)
	sealed, err := b.g.SealedKey(t.Context(), "acme")
	if err != nil || v.Report.KeyTitle != "Looked at anew" || v.KeyLast4 != "wxyz" || string(sealed) != "sealed key acme" {
		t.Errorf("%+v, key %q, %v", v.Connection, sealed, err)
	}
}
