package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

// TestSecretsThatOthersCanReadAreTold, with what to do, and without the secret.
func TestSecretsThatOthersCanReadAreTold(t *testing.T) {
	t.Parallel()
	open := func(content string) string {
		path := secretFile(t, content)
		if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // it is what must be noticed
			t.Fatal(err)
		}
		return path
	}
	const url = "nats://gateway:canary-password@here:4222"
	token, address := open("canary-token-0123456789"), open(url)
	for name, c := range map[string]struct {
		environ map[string]string
		args    []string
		parts   []string
	}{
		"token":               {map[string]string{"ASHBRIDGE_TOKEN_FILE": token}, nil, []string{"ASHBRIDGE_TOKEN_FILE", "chmod 600 " + token}},
		"address":             {nil, []string{"--nats-url-file", address}, []string{"--nats-url-file", "chmod 600 " + address}},
		"credentials":         {map[string]string{"ASHBRIDGE_NATS_CREDS_FILE": token}, nil, []string{"ASHBRIDGE_NATS_CREDS_FILE", "chmod 600 " + token}},
		"several hosts":       {nil, []string{"--database-url", "postgres://ann@a:1,b:2/a?sslmode=verify-full"}, nil},
		"flag":                {nil, []string{"--nats-url", url}, []string{"--nats-url has a password", "--nats-url-file", "ASHBRIDGE_NATS_URL_FILE"}},
		"token in its place":  {nil, []string{"--nats-url", "nats://canary-token@here:4222"}, []string{"--nats-url has a password"}},
		"private file":        {map[string]string{"ASHBRIDGE_TOKEN_FILE": secretFile(t, "canary-token-0123456789")}, nil, nil},
		"variable":            {map[string]string{"ASHBRIDGE_NATS_URL": url}, nil, nil},
		"flag without secret": {nil, []string{"--nats-url", "nats://here:4222", "--database-url", "postgres://ann@/a?host=/run/postgresql"}, nil},
		"file without secret": {nil, []string{"--nats-url-file", open("nats://here:4222")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := load(t, c.environ, config.Up, c.args...)
			if err != nil || len(got.Warnings) != min(len(c.parts), 1) {
				t.Fatalf("%v, %v", got.Warnings, err)
			}
			for _, part := range c.parts {
				if !strings.Contains(got.Warnings[0].String(), part) {
					t.Errorf("%q is not in %q", part, got.Warnings[0])
				}
			}
			if len(got.Warnings) > 0 && strings.Contains(got.Warnings[0].String(), "canary") {
				t.Errorf("the secret is in %q", got.Warnings[0])
			}
		})
	}
}
