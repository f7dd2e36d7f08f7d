package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

func TestCommandsFindWhatUpRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		config.KeysetName: "{}", config.DatabaseURLName: "postgres://u@/a?host=/tmp\n", config.NATSURLName: "nats://admin@here:4222\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := config.LoadBeside(map[string]string{"ASHBRIDGE_DATA_DIR": dir}, nil, config.KeysRotate)
	if err != nil || got.KeysetFile != filepath.Join(dir, config.KeysetName) ||
		got.DatabaseURL.Reveal() != "postgres://u@/a?host=/tmp" || got.NATSURL.Reveal() != "nats://admin@here:4222" {
		t.Errorf("beside up: %+v, %v", got, err)
	}
	// What is set is not looked for.
	got, err = config.LoadBeside(map[string]string{
		"ASHBRIDGE_DATA_DIR": dir, "ASHBRIDGE_KEYSET_FILE": "/k", "ASHBRIDGE_DATABASE_URL_FILE": secretFile(t, database),
	}, nil, config.KeysRotate)
	if err != nil || got.KeysetFile != "/k" || got.DatabaseURL.Reveal() != database {
		t.Errorf("with settings: %+v, %v", got, err)
	}
	if got, err = config.Load(map[string]string{"ASHBRIDGE_DATA_DIR": dir}, nil, config.Up); err != nil || got.DatabaseURL != "" {
		t.Errorf("up found the address of a former one: %v", err)
	}
	_, err = config.LoadBeside(map[string]string{"ASHBRIDGE_DATA_DIR": t.TempDir()}, nil, config.KeysRotate)
	if faults := config.Faults(nil); !errors.As(err, &faults) || len(faults) != 2 {
		t.Errorf("without up: %v", err)
	}
}

// TestCommandsFindTheDemoAndItsAshby: with its data folder named or not, and as long as it runs.
func TestCommandsFindTheDemoAndItsAshby(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := filepath.Join(base, config.DemoName)
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	demo := config.Config{AshbyURL: "http://127.0.0.1:8090", AllowPrivateAshby: true, HTTPAddr: "127.0.0.1:8099", RequestsPerMinute: 900, DatabaseMaxConns: 20, NATSReplicas: 1}
	left, err := json.Marshal(demo.Settings(""))
	if err != nil {
		t.Fatal(err)
	}
	write(config.KeysetName, "{}")
	write(config.DatabaseURLName, database)
	write(config.NATSURLName, "nats://admin@here:4222")
	write(config.SettingsName, string(left))
	for _, named := range []string{base, dir} {
		got, faults := config.Examine(map[string]string{"ASHBRIDGE_DATA_DIR": named}, nil, config.Doctor)
		if len(faults) > 0 || got.AshbyURL != demo.AshbyURL || !got.AllowPrivateAshby || got.HTTPAddr != demo.HTTPAddr || got.PublicURL != "" ||
			got.DataDir != dir || !got.UpHasNATS() || !got.UpHasDatabase() || got.NATSURL == "" || got.DatabaseURL == "" {
			t.Errorf("%s: %+v, %v", named, got, faults)
		}
	}
	got, faults := config.Examine(map[string]string{"ASHBRIDGE_DATA_DIR": base, "ASHBRIDGE_ASHBY_URL": "https://other.example"}, nil, config.Doctor)
	if len(faults) > 0 || got.AshbyURL != "https://other.example" {
		t.Errorf("what was set: %v, %v", got.AshbyURL, faults)
	}
	// Services apart from it have settings of their own.
	got, faults = config.Examine(map[string]string{
		"ASHBRIDGE_DATA_DIR": base, "ASHBRIDGE_DATABASE_URL": database, "ASHBRIDGE_NATS_URL": "nats://other:4222", "ASHBRIDGE_KEYSET_FILE": "/k",
	}, nil, config.Doctor)
	if len(faults) > 0 || got.AshbyURL != "https://api.ashbyhq.com" || got.DataDir != base {
		t.Errorf("beside services apart: %+v, %v", got, faults)
	}
	for _, name := range []string{config.DatabaseURLName, config.NATSURLName, config.SettingsName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = config.LoadBeside(map[string]string{"ASHBRIDGE_DATA_DIR": base}, nil, config.KeysRotate)
	if err == nil || !strings.Contains(err.Error(), "`ashbridge up` of "+dir+" is not running") {
		t.Errorf("after it was stopped: %v", err)
	}
}
