package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/app"
	"github.com/bebitcoiner/ashbridge/internal/config"
	"github.com/bebitcoiner/ashbridge/internal/seal"
)

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
