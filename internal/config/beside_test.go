package config_test

import (
	"errors"
	"os"
	"path/filepath"
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
