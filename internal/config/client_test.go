package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

func loadClient(t *testing.T, environ map[string]string, args ...string) (config.Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("ashbridge", pflag.ContinueOnError)
	config.RegisterClientFlags(flags)
	// A command's own flags may be named as settings are that it does not read.
	flags.StringSlice("modules", nil, "")
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if _, ok := environ["ASHBRIDGE_DATA_DIR"]; !ok {
		environ["ASHBRIDGE_DATA_DIR"] = t.TempDir()
	}
	return config.Load(environ, flags, config.Client)
}

func TestWhereCommandsFindTheGateway(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		environ map[string]string
		args    []string
	}{
		"http://127.0.0.1:8080":        {},
		"http://127.0.0.1:8000":        {environ: map[string]string{"ASHBRIDGE_HTTP_ADDR": ":8000"}},
		"http://127.0.0.1:8001":        {environ: map[string]string{"ASHBRIDGE_HTTP_ADDR": "0.0.0.0:8001"}},
		"http://[::1]:8002":            {environ: map[string]string{"ASHBRIDGE_HTTP_ADDR": "[::1]:8002"}},
		"https://public.example/in":    {environ: map[string]string{"ASHBRIDGE_PUBLIC_URL": "https://public.example/in/"}},
		"http://gateway:8080":          {environ: map[string]string{"ASHBRIDGE_PUBLIC_URL": "https://p.example", "ASHBRIDGE_API_URL": "http://gateway:8080"}},
		"https://flag.example":         {environ: map[string]string{"ASHBRIDGE_API_URL": "http://gateway:8080"}, args: []string{"--api", "https://flag.example/"}},
		"https://flag-too.example":     {args: []string{"--api-url", "https://flag-too.example"}},
		"https://own-flags.example":    {args: []string{"--api", "https://own-flags.example", "--modules", "offers"}},
		"https://other-server.example": {environ: map[string]string{"ASHBRIDGE_SERVICE_HOST": "10.0.0.1"}, args: []string{"--public-url", "https://other-server.example"}},
	} {
		environ := map[string]string{"ASHBRIDGE_TOKEN": "0123456789abcdef"}
		for k, v := range c.environ {
			environ[k] = v
		}
		cfg, err := loadClient(t, environ, c.args...)
		if err != nil || cfg.Address() != want {
			t.Errorf("%q, %v; want %q", cfg.Address(), err, want)
		}
	}
}

func TestTheTokenOfCommands(t *testing.T) {
	t.Parallel()
	const own, admin = "0123456789abcdef-own", "0123456789abcdef-admin"
	for _, c := range []struct {
		environ map[string]string
		args    []string
		want    string
	}{
		{map[string]string{"ASHBRIDGE_TOKEN": own, "ASHBRIDGE_ADMIN_TOKEN": admin}, nil, own},
		{map[string]string{"ASHBRIDGE_ADMIN_TOKEN": admin}, nil, admin},
		{map[string]string{"ASHBRIDGE_ADMIN_TOKEN": admin}, []string{"--token-file", secretFile(t, own+"\n")}, own},
		{map[string]string{}, []string{"--admin-token-file", secretFile(t, admin)}, admin},
	} {
		if cfg, err := loadClient(t, c.environ, c.args...); err != nil || cfg.Bearer().Reveal() != c.want {
			t.Errorf("%q, %v; want %q", cfg.Bearer().Reveal(), err, c.want)
		}
	}
	dir := t.TempDir()
	kept := filepath.Join(dir, "demo", "admin-token")
	if err := errors.Join(os.Mkdir(filepath.Dir(kept), 0o700), os.WriteFile(kept, []byte(admin), 0o600)); err != nil {
		t.Fatal(err)
	}
	for environ, want := range map[string]string{
		"":                               "ASHBRIDGE_TOKEN is not set: set it, or ASHBRIDGE_TOKEN_FILE",
		"ASHBRIDGE_TOKEN=short":          "ASHBRIDGE_TOKEN has 5 characters",
		"ASHBRIDGE_TOKEN_FILE=/absent":   "stat /absent",
		"ASHBRIDGE_API_URL=gateway:8080": "such as https://host",
		"ASHBRIDGE_DATA_DIR=" + dir:      "is in " + kept,
	} {
		name, value, _ := strings.Cut(environ, "=")
		variables := map[string]string{name: value}
		if name == "ASHBRIDGE_API_URL" {
			variables["ASHBRIDGE_TOKEN"] = own
		}
		if _, err := loadClient(t, variables); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", environ, err, want)
		}
	}
}
