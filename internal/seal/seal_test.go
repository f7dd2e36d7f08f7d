package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

const plain = ashby.Secret("canary-7c1f0f3ad2")

func create(t *testing.T) (*seal.Keyset, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func sealed(t *testing.T, k *seal.Keyset) mirror.Sealed {
	t.Helper()
	s, err := k.Seal(plain, "c1", seal.KindAPIKey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rotate has a fresh key seal from now on.
func rotate(t *testing.T, k *seal.Keyset) seal.KeyID {
	t.Helper()
	id, err := k.AddKey()
	if err == nil {
		err = k.SealWith(id)
	}
	if err != nil {
		t.Error(err)
	}
	return id
}

func TestSealedOpensOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	k, _ := create(t)
	other, _ := create(t)
	s := sealed(t, k)
	changed := append(mirror.Sealed{}, s...)
	changed[len(changed)-1] ^= 1
	tests := []struct {
		name             string
		keyset           *seal.Keyset
		sealed           mirror.Sealed
		connection, kind string
		opens            bool
	}{
		{"its place", k, s, "c1", seal.KindAPIKey, true},
		{"another connection", k, s, "c2", seal.KindAPIKey, false},
		{"another kind", k, s, "c1", seal.KindWebhookSecret, false},
		{"another keyset", other, s, "c1", seal.KindAPIKey, false},
		{"one bit changed", k, changed, "c1", seal.KindAPIKey, false},
		{"cut short", k, s[:3], "c1", seal.KindAPIKey, false},
		{"nothing", k, nil, "c1", seal.KindAPIKey, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.keyset.Open(tt.sealed, tt.connection, tt.kind)
			if tt.opens && (err != nil || got.Reveal() != plain.Reveal()) {
				t.Errorf("Open: %v", err)
			}
			if !tt.opens && (!errors.Is(err, seal.ErrRefused) || got != "") {
				t.Errorf("Open = %v, want ErrRefused", err)
			}
		})
	}
}

func TestSealDiffersEachTimeAndHidesTheSecret(t *testing.T) {
	t.Parallel()
	k, _ := create(t)
	first, second := sealed(t, k), sealed(t, k)
	if bytes.Equal(first, second) {
		t.Error("two seals of one secret are equal")
	}
	if bytes.Contains(first, []byte(plain.Reveal())) {
		t.Error("the secret stands in its ciphertext")
	}
}

func TestSealRefusesAPlaceThatCouldBeTwo(t *testing.T) {
	t.Parallel()
	k, _ := create(t)
	for _, place := range [][2]string{{"", "api_key"}, {"c1", ""}, {"c1/api", "key"}, {"c1", "api/key"}} {
		if _, err := k.Seal(plain, place[0], place[1]); err == nil {
			t.Errorf("sealed for %q", place)
		}
		if _, err := k.Open(nil, place[0], place[1]); err == nil || errors.Is(err, seal.ErrRefused) {
			t.Errorf("opening for %q = %v, want a fault of the caller", place, err)
		}
	}
}

func TestFingerprintsTellSecretsApart(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	other, _ := create(t)
	one := k.Fingerprint(plain)
	if len(one) != 32 || bytes.Equal(one, make([]byte, 32)) {
		t.Fatalf("fingerprint %x", one)
	}
	if bytes.Equal(one, k.Fingerprint("something else")) {
		t.Error("two secrets have one fingerprint")
	}
	if bytes.Equal(one, other.Fingerprint(plain)) {
		t.Error("two keysets make one fingerprint: it does not depend on the key")
	}
	rotate(t, k)
	again, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, again.Fingerprint(plain)) {
		t.Error("the fingerprint changed with a rotation")
	}
}

func TestRotatedKeysetOpensWhatWasSealedBefore(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	before, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	olds := []mirror.Sealed{sealed(t, k)}
	for range 3 {
		rotate(t, k)
		olds = append(olds, sealed(t, k))
	}
	after, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range olds {
		for name, keyset := range map[string]*seal.Keyset{"the rotated": k, "the loaded": after} {
			if got, err := keyset.Open(s, "c1", seal.KindAPIKey); err != nil || got != plain {
				t.Errorf("%s keyset on the secret of rotation %d: %v", name, i, err)
			}
			if _, err := keyset.Open(s, "c2", seal.KindAPIKey); !errors.Is(err, seal.ErrRefused) {
				t.Errorf("%s keyset opened the secret of rotation %d for another connection: %v", name, i, err)
			}
		}
	}
	// A process that still holds the old keys and rotates must not lose the newer ones.
	rotate(t, before)
	if got, err := before.Open(olds[3], "c1", seal.KindAPIKey); err != nil || got != plain {
		t.Errorf("a rotation by a process with old keys lost a newer key: %v", err)
	}
}

func TestKeysetIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	k, _ := create(t)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 20 {
				s, err := k.Seal(plain, "c1", seal.KindAPIKey)
				if err != nil {
					t.Error(err)
				} else if _, err := k.Open(s, "c1", seal.KindAPIKey); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		workers.Go(func() { rotate(t, k) })
	}
	workers.Wait()
}

func TestLoadRefusesAFileOpenToOthers(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o620, 0o601, 0o777} {
		_, path := create(t)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := seal.Load(path)
		if !errors.Is(err, seal.ErrInsecure) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v, want ErrInsecure with what to do", mode, err)
		}
	}
	_, path := create(t)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(path); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}

func TestLoadRefusesWhatIsNoKeyset(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, whole := create(t)
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":         "",
		"text":          "sk_live_canary",
		"half":          string(good[:len(good)/2]),
		"other version": strings.Replace(string(good), `"version": 1`, `"version": 2`, 1),
		"no keys":       `{"version":1,"created_at":"2026-01-01T00:00:00Z","aead":{},"fingerprint":{}}`,
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := seal.Load(path)
		if !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
	if _, err := seal.Load(dir); !errors.Is(err, seal.ErrMalformed) && !errors.Is(err, seal.ErrInsecure) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := seal.Load(filepath.Join(dir, "absent")); !errors.Is(err, seal.ErrNoKeyset) {
		t.Errorf("absent: %v, want ErrNoKeyset", err)
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	t.Parallel()
	k, path := create(t)
	s := sealed(t, k)
	if _, err := seal.Create(path); !errors.Is(err, seal.ErrExists) {
		t.Errorf("Create = %v, want ErrExists", err)
	}
	again, err := seal.LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Open(s, "c1", seal.KindAPIKey); err != nil {
		t.Errorf("LoadOrCreate replaced the keys: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("temporary files are left: %v %v", entries, err)
	}
}

func TestLoadOrCreateByManyAtOnceMakesOneKeyset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	prints := make([][]byte, 8)
	var workers sync.WaitGroup
	for i := range prints {
		workers.Go(func() {
			k, err := seal.LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = k.Fingerprint(plain)
		})
	}
	workers.Wait()
	for _, p := range prints {
		if !bytes.Equal(p, prints[0]) {
			t.Fatal("two starts at once have different keys")
		}
	}
}

func TestKeysetPrintsNoKey(t *testing.T) {
	t.Parallel()
	k, _ := create(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "[keyset]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
