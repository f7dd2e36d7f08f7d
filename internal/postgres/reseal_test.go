package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// ciphertext is like something sealed with the key 1, 2 …: it names the key, then what stands for nonce and text.
func ciphertext(key byte, text string) []byte {
	return append([]byte{1, 0, 0, 0, key}, []byte(text+strings.Repeat(".", 20))...)
}

// sealedPlaces puts something sealed into each place and returns how to find it.
func (b *bundle) sealedPlaces() map[mirror.SealedPlace][]mirror.SealedKey {
	b.Helper()
	b.exec(`INSERT INTO connections (id, part, employer_ref, employer_name, status, modules, poll_interval_s, report, webhook_token)
		VALUES ('c', 0, 'c', 'c', 'active', '{jobs}', 3600, '{}', 'c')`)
	b.exec(`INSERT INTO secrets (connection_id, kind, sealed) VALUES ('c', 'api_key', $1), ('c', 'webhook_secret', $2)`,
		ciphertext(1, "key"), ciphertext(2, "secret"))
	b.exec(`INSERT INTO endpoints (id, url, secret, previous, status) VALUES ('e', '', $1, $2, 'active'), ('gone', '', '', NULL, 'deleted')`,
		ciphertext(1, "now"), ciphertext(1, "before"))
	b.exec(`INSERT INTO records (connection_id, kind, id, doc, sealed, hash, fetched_at)
		VALUES ('c', 'candidate', 'a', NULL, $1, '', now()), ('c', 'candidate', 'b', NULL, '', '', now()), ('c', 'job', 'j', '{}', NULL, '', now())`,
		ciphertext(1, "a"))
	return map[mirror.SealedPlace][]mirror.SealedKey{
		mirror.SealedSecrets:   {{"c", "api_key"}, {"c", "webhook_secret"}},
		mirror.SealedEndpoints: {{"e", "previous"}, {"e", "secret"}, {"gone", "previous"}, {"gone", "secret"}},
		mirror.SealedRecords:   {{"c", "candidate", "a"}, {"c", "candidate", "b"}, {"c", "job", "j"}},
	}
}

// pages reads a place two rows at a time.
func (b *bundle) pages(place mirror.SealedPlace, except []byte) []mirror.SealedRow {
	b.Helper()
	var all []mirror.SealedRow
	var after mirror.SealedKey
	for {
		rows, err := b.db.Keyset().SealedPage(b.Context(), place, after, except, 2)
		b.must(err)
		if len(rows) == 0 {
			return all
		}
		all, after = append(all, rows...), rows[len(rows)-1].Key
	}
}

func TestSealedPagesShowEachRowOnce(t *testing.T) {
	b := setup(t)
	for place, want := range b.sealedPlaces() {
		var got []mirror.SealedKey
		for _, r := range b.pages(place, []byte{1, 0, 0, 0, 2}) {
			got = append(got, r.Key)
			switch {
			case r.Key == mirror.SealedKey{"c", "webhook_secret"}:
				if len(r.Sealed) != 5 {
					t.Errorf("of what the key sealed, %d bytes came", len(r.Sealed))
				}
			case len(r.Sealed) > 0 && len(r.Sealed) < 20:
				t.Errorf("%v was cut to %d bytes", r.Key, len(r.Sealed))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", place, diff)
		}
	}
}

func TestResealReplacesOnlyWhatIsStillThere(t *testing.T) {
	b := setup(t)
	for place := range b.sealedPlaces() {
		var old []mirror.SealedRow
		var next []mirror.Sealed
		for _, r := range b.pages(place, []byte{1, 0, 0, 0, 9}) {
			if len(r.Sealed) > 0 {
				old, next = append(old, r), append(next, ciphertext(9, r.Key[1]))
			}
		}
		stale := append([]mirror.SealedRow{}, old...)
		stale[0].Sealed = ciphertext(1, "what it was an hour ago")
		n, err := b.db.Keyset().Reseal(t.Context(), place, stale, next)
		if err != nil || n != len(old)-1 {
			t.Errorf("%s: with one that was changed meanwhile, %d of %d were replaced: %v", place, n, len(old), err)
		}
		if now := b.pages(place, []byte{1, 0, 0, 0, 9}); string(now[0].Sealed) != string(old[0].Sealed) {
			t.Errorf("%s: what was changed meanwhile was overwritten", place)
		}
		if n, err = b.db.Keyset().Reseal(t.Context(), place, old[:1], next[:1]); err != nil || n != 1 {
			t.Errorf("%s: %d replaced: %v", place, n, err)
		}
	}
	for _, r := range b.pages(mirror.SealedEndpoints, []byte{1, 0, 0, 0, 8}) {
		if r.Key[0] == "e" && string(r.Sealed) != string(ciphertext(9, r.Key[1])) {
			t.Errorf("%v: holds %q", r.Key, r.Sealed)
		}
	}
}

func TestResealWaitsForNobody(t *testing.T) {
	b := setup(t)
	b.sealedPlaces()
	tx, err := b.raw.Beginx()
	b.must(err)
	_, err = tx.Exec(`SELECT FROM records WHERE id = 'a' FOR UPDATE`)
	b.must(err)
	old := []mirror.SealedRow{{Key: mirror.SealedKey{"c", "candidate", "a"}, Sealed: ciphertext(1, "a")}}
	if n, err := b.db.Keyset().Reseal(t.Context(), mirror.SealedRecords, old, []mirror.Sealed{ciphertext(2, "a")}); err != nil || n != 0 {
		t.Errorf("a locked row: %d replaced, %v", n, err)
	}
	b.must(tx.Rollback())
}

func TestProcessLearnsWhichKeyItMustHave(t *testing.T) {
	b := setup(t)
	k := b.db.Keyset()
	hold := func() uint32 {
		required, err := k.Hold(t.Context(), mirror.KeysetHolder{
			Owner: "o", Service: "gateway", Host: "h", Sealing: 4_000_000_000, Keys: []uint32{1, 4_000_000_000}, Fault: "f",
		})
		b.must(err)
		return required
	}
	if got := hold(); got != 0 {
		t.Errorf("without a rotation, %d is required", got)
	}
	b.must(k.Begin(t.Context(), 4_000_000_001))
	if got := hold(); got != 0 {
		t.Errorf("before it seals, %d is required", got)
	}
	b.must(k.Require(t.Context(), 4_000_000_001))
	if got := hold(); got != 4_000_000_001 {
		t.Errorf("%d is required", got)
	}
	if err := k.Abandon(t.Context(), 4_000_000_001); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("a rotation whose key may seal was abandoned: %v", err)
	}
	holders, err := k.Holders(t.Context())
	b.must(err)
	holders[0].Silent = 0
	want := []mirror.KeysetHolder{{
		Owner: "o", Service: "gateway", Host: "h", Sealing: 4_000_000_000, Keys: []uint32{1, 4_000_000_000}, Fault: "f",
	}}
	if diff := cmp.Diff(want, holders); diff != "" {
		t.Error(diff)
	}
	b.must(k.LetGo(t.Context(), "o"))
	if holders, err = k.Holders(t.Context()); err != nil || len(holders) != 0 {
		t.Errorf("left: %v, %v", holders, err)
	}
}
