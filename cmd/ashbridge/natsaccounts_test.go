package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/local"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// privately fails where others may read a file.
func privately(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %s", path, info.Mode())
	}
}

func TestNATSSecretsAreMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nats-accounts.json")
	made, err := loadOrMakeNATSSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	privately(t, path)
	again, err := loadOrMakeNATSSecrets(path)
	if err != nil || cmp.Diff(made, again) != "" {
		t.Errorf("read again: %v", err)
	}
	accounts, err := again.accounts("")
	if err != nil {
		t.Fatal(err)
	}
	server, err := local.StartNATS(local.NATSOptions{Dir: t.TempDir(), Accounts: accounts})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	seed, public, err := bus.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	if accounts, err = again.accounts(ashby.Secret(seed)); err != nil || accounts.BoardsIssuer != public || again.Issuer != seed {
		t.Errorf("with an issuer of the configuration: %v", err)
	}
	for _, odd := range []string{"", "{", `{"issuer":"x"}`} {
		if err := os.WriteFile(path, []byte(odd), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadOrMakeNATSSecrets(path); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%q: %v", odd, err)
		}
	}
}

func TestAdminVariablesAreForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nats-admin")
	if err := keepAdminVariables(path, "nats://h:1", "secret"); err != nil {
		t.Fatal(err)
	}
	privately(t, path)
	raw, err := os.ReadFile(path)
	if err != nil || string(raw) != "export NATS_URL='nats://h:1' NATS_USER='"+natsconf.UserAdmin+"' NATS_PASSWORD='secret'\n" {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestKeysIssuer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "issuer")
	run := func() (string, error) {
		var out bytes.Buffer
		root := newRoot(&out, &out)
		root.SetArgs([]string{"keys", "issuer", path})
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	made, err := run()
	if err != nil {
		t.Fatal(err)
	}
	privately(t, path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := strings.TrimSpace(string(raw))
	public, err := bus.IssuerKey(seed)
	if err != nil || !strings.Contains(made, "BOARDS_ISSUER="+public+"\n") || strings.Contains(made, seed) {
		t.Errorf("%s, %v", made, err)
	}
	found, err := run()
	if err != nil || !strings.Contains(found, "BOARDS_ISSUER="+public+"\n") {
		t.Errorf("the second time: %s, %v", found, err)
	}
	if err := os.WriteFile(path, []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err == nil {
		t.Errorf("another file was taken for a key: %s", out)
	}
}
