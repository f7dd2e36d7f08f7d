package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

// TestUpShowsItsTokenToPeopleAlone: what is written to a file or a pipe may be read by others.
func TestUpShowsItsTokenToPeopleAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	u := &upProcess{out: &out}
	u.showToken("canary", "/data/admin-token", true)
	if out.String() != "API token  in /data/admin-token\n" {
		t.Errorf("into a file: %q", out.String())
	}
	s := newScreen(t, 80)
	u.out = s.program
	u.showToken("canary", "/data/admin-token", true)
	s.shows("canary   (shown once; kept in /data/admin-token)")
}

// TestUpLeavesWhatCommandsNeed, as long as it runs.
func TestUpLeavesWhatCommandsNeed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, err := seal.Create(filepath.Join(dir, "elsewhere.json"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	cfg, err := config.Load(map[string]string{
		"ASHBRIDGE_DATA_DIR": dir, "ASHBRIDGE_ASHBY_URL": "http://127.0.0.1:8090", "ASHBRIDGE_ALLOW_PRIVATE_ASHBY": "true",
		"ASHBRIDGE_TRUSTED_PROXIES": "10.0.0.7,10.0.0.8", "ASHBRIDGE_RECORD_EVENTS": "true", "ASHBRIDGE_ADMIN_TOKEN": testToken,
	}, nil, config.Up)
	if err != nil {
		t.Fatal(err)
	}
	u := &upProcess{process: process{Parts: app.Parts{Config: cfg, Keys: keys}}, out: io.Discard, gate: ln}
	u.Config.PublicURL = "http://" + ln.Addr().String() // taken, not set
	if err := u.leaveSettings(context.Background()); err != nil {
		t.Fatal(err)
	}
	seen, _ := config.Examine(map[string]string{"ASHBRIDGE_DATA_DIR": dir}, nil, config.Doctor)
	if seen.AshbyURL != cfg.AshbyURL || !seen.AllowPrivateAshby || len(seen.TrustedProxies) != 2 || !seen.RecordEvents ||
		seen.HTTPAddr != ln.Addr().String() || seen.PublicURL != "" || seen.KeysetFile != keys.Path() {
		t.Errorf("commands see %+v", seen)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if seen, _ = config.Examine(map[string]string{"ASHBRIDGE_DATA_DIR": dir}, nil, config.Doctor); seen.AllowPrivateAshby {
		t.Error("it is not forgotten")
	}
}
