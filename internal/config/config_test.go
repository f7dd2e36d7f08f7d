package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/bebitcoiner/ashbridge/internal/config"
)

const (
	canary = "canary-password-81f3"
	// Seeds that nothing was ever signed with.
	accountSeed = "SAAD3XCMNPFJ4HW7Q67CO6PQCWIEODFJIYWXZMHE2XFSSAKKYEASWJZ634"
	userSeed    = "SUALGPTUNKLC4IJUM5TVZKGXA5ONV275CHMSBHQ73QWXGQFK6YSQ4KJ6DM"
	database    = "postgres://ashbridge:" + canary + "@db.internal/ashbridge?sslmode=verify-full"
)

func load(t *testing.T, environ map[string]string, needs config.Needs, args ...string) (config.Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("ashbridge", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(environ, flags, needs)
}

func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsSufficeForUp(t *testing.T) {
	t.Parallel()
	got, err := config.Load(map[string]string{"HOME": "/home/ann", "PATH": "/bin"}, nil, config.Up)
	if err != nil {
		t.Fatal(err)
	}
	dir := "/home/ann/.local/share/ashbridge"
	if os.Getuid() == 0 {
		dir = "/var/lib/ashbridge"
	}
	want := config.Config{
		HTTPAddr: "127.0.0.1:8080", AdminAddr: "127.0.0.1:9090", DataDir: dir, DatabaseMaxConns: 20,
		NATSAddr: "127.0.0.1:4222", NATSReplicas: 1, JobsMaxGiB: 4, AshbyURL: "https://api.ashbyhq.com", PollInterval: time.Hour, RequestsPerMinute: 900,
		Modules: []string{"jobs"}, LeaseTTL: 15 * time.Second, MetricsConnections: 200, LogLevel: slog.LevelInfo, LogFormat: "text",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestFlagsWinOverVariables(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		args    []string
		read    func(config.Config) any
		want    any
	}{
		{
			"variable",
			map[string]string{"ASHBRIDGE_POLL_INTERVAL": "5m"},
			nil,
			func(c config.Config) any { return c.PollInterval }, 5 * time.Minute,
		},
		{
			"flag",
			map[string]string{"ASHBRIDGE_POLL_INTERVAL": "5m"},
			[]string{"--poll-interval=7m"},
			func(c config.Config) any { return c.PollInterval }, 7 * time.Minute,
		},
		{
			"empty variable is not set",
			map[string]string{"ASHBRIDGE_POLL_INTERVAL": ""},
			nil,
			func(c config.Config) any { return c.PollInterval }, time.Hour,
		},
		{
			"switch alone", nil,
			[]string{"--allow-private-ashby", "--ashby-url", "http://127.0.0.1:7000/"},
			func(c config.Config) any { return c.AshbyURL }, "http://127.0.0.1:7000",
		},
		{
			"file",
			map[string]string{"ASHBRIDGE_ADMIN_TOKEN_FILE": secretFile(t, "0123456789abcdef\n")},
			nil,
			func(c config.Config) any { return c.AdminToken.Reveal() }, "0123456789abcdef",
		},
		{
			"file by flag over variable",
			map[string]string{"ASHBRIDGE_DATABASE_URL": "postgres://other/db"},
			[]string{"--database-url-file", secretFile(t, database)},
			func(c config.Config) any { return c.DatabaseURL.Reveal() }, database,
		},
		{
			"flag over file",
			map[string]string{"ASHBRIDGE_DATABASE_URL_FILE": "/absent"},
			[]string{"--database-url", database},
			func(c config.Config) any { return c.DatabaseURL.Reveal() }, database,
		},
		{
			"modules",
			map[string]string{"ASHBRIDGE_MODULES": "jobs,candidates,hiring_process"},
			nil,
			func(c config.Config) any { return c.Modules },
			[]string{"jobs", "candidates", "hiring_process"},
		},
		{
			"record events", nil,
			[]string{"--record-events"},
			func(c config.Config) any { return c.RecordEvents }, true,
		},
		{
			"issuer of boards",
			map[string]string{"ASHBRIDGE_NATS_ISSUER_FILE": secretFile(t, accountSeed+"\n"), "ASHBRIDGE_NATS_PUBLIC_URL": "tls://n.example:4222"},
			nil,
			func(c config.Config) any { return c.NATSIssuer.Reveal() + c.NATSPublicURL },
			accountSeed + "tls://n.example:4222",
		},
		{
			"level",
			map[string]string{"ASHBRIDGE_LOG_LEVEL": "debug"},
			nil,
			func(c config.Config) any { return c.LogLevel }, slog.LevelDebug,
		},
		{
			"public address without its slash",
			map[string]string{"ASHBRIDGE_PUBLIC_URL": "https://a.example/base/"},
			nil,
			func(c config.Config) any { return c.PublicURL }, "https://a.example/base",
		},
		{
			"a database by its socket",
			map[string]string{"ASHBRIDGE_DATABASE_URL": "postgres:///db?host=/run/postgresql"},
			nil,
			func(c config.Config) any { return c.DatabaseURL.Reveal() }, "postgres:///db?host=/run/postgresql",
		},
		{
			"several hosts of a database",
			map[string]string{"ASHBRIDGE_DATABASE_URL": "postgres://u@a,b/db?target_session_attrs=read-write"},
			nil,
			func(c config.Config) any { return c.DatabaseURL.Reveal() }, "postgres://u@a,b/db?target_session_attrs=read-write",
		},
		{
			"several NATS servers",
			map[string]string{"ASHBRIDGE_NATS_URL": "nats://a:4222,tls://b:4222"},
			nil,
			func(c config.Config) any { return c.NATSURL.Reveal() }, "nats://a:4222,tls://b:4222",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environ := map[string]string{"HOME": "/home/ann"}
			for name, value := range tt.environ {
				environ[name] = value
			}
			cfg, err := load(t, environ, config.Up, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.read(cfg)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachFaultSaysWhatToSet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		args    []string
		want    string
	}{
		{"misspelt", map[string]string{"ASHBRIDGE_HTTP_ADR": ":80"}, nil, "ASHBRIDGE_HTTP_ADR is not known: did you mean ASHBRIDGE_HTTP_ADDR?"},
		{"unlike any", map[string]string{"ASHBRIDGE_COLOUR_SCHEME": "x"}, nil, "ASHBRIDGE_COLOUR_SCHEME is not known: remove it"},
		{"no file for this one", map[string]string{"ASHBRIDGE_HTTP_ADDR_FILE": "/x"}, nil, "ASHBRIDGE_HTTP_ADDR_FILE is not known"},
		{"duration", map[string]string{"ASHBRIDGE_POLL_INTERVAL": "hourly"}, nil, `ASHBRIDGE_POLL_INTERVAL is "hourly": set it to a time such as 1h`},
		{"by flag", nil, []string{"--poll-interval=30s"}, "--poll-interval is 30s: set it to at least 1m0s"},
		{"negative", map[string]string{"ASHBRIDGE_LEASE_TTL": "-15s"}, nil, "ASHBRIDGE_LEASE_TTL is -15s"},
		{"number", map[string]string{"ASHBRIDGE_DATABASE_MAX_CONNS": "many"}, nil, `ASHBRIDGE_DATABASE_MAX_CONNS is "many": set it to a whole number`},
		{"zero", map[string]string{"ASHBRIDGE_DATABASE_MAX_CONNS": "0"}, nil, "ASHBRIDGE_DATABASE_MAX_CONNS is 0: set it to at least 2"},
		{"no room", map[string]string{"ASHBRIDGE_JOBS_MAX_GIB": "0"}, nil, "ASHBRIDGE_JOBS_MAX_GIB is 0: set it to at least 1"},
		{"connections with metrics", map[string]string{"ASHBRIDGE_METRICS_CONNECTIONS": "-1"}, nil, "set it to at least 0"},
		{"even", map[string]string{"ASHBRIDGE_NATS_REPLICAS": "2"}, nil, "ASHBRIDGE_NATS_REPLICAS is 2: set it to 1 for a single server, or to 3 or 5"},
		{"above Ashby's limit", map[string]string{"ASHBRIDGE_REQUESTS_PER_MINUTE": "5000"}, nil, "Ashby allows 1000 a minute"},
		{"switch", map[string]string{"ASHBRIDGE_ALLOW_PRIVATE_ASHBY": "perhaps"}, nil, "true or false"},
		{"level", map[string]string{"ASHBRIDGE_LOG_LEVEL": "loud"}, nil, "debug, info, warn or error"},
		{"format", map[string]string{"ASHBRIDGE_LOG_FORMAT": "xml"}, nil, "text or json"},
		{"address", map[string]string{"ASHBRIDGE_HTTP_ADDR": "8080"}, nil, "host:port"},
		{"module", map[string]string{"ASHBRIDGE_MODULES": "jobs,candidate"}, nil, `names "candidate": there are jobs, candidates, `},
		{"proxy", map[string]string{"ASHBRIDGE_TRUSTED_PROXIES": "10.0.0.0/8,proxy.example.com"}, nil, `names "proxy.example.com": set it to addresses or networks`},
		{"no jobs", map[string]string{"ASHBRIDGE_MODULES": "candidates,offers"}, nil, "lacks jobs"},
		{"record events", map[string]string{"ASHBRIDGE_RECORD_EVENTS": "some"}, nil, "true or false"},
		{"plain Ashby", map[string]string{"ASHBRIDGE_ASHBY_URL": "http://api.ashbyhq.com"}, nil, "ASHBRIDGE_ALLOW_PRIVATE_ASHBY"},
		{"public address", map[string]string{"ASHBRIDGE_PUBLIC_URL": "ashbridge.example.com"}, nil, "such as https://host"},
		{"public address with query", map[string]string{"ASHBRIDGE_PUBLIC_URL": "https://a.example/?x=1"}, nil, "without them"},
		{"database of another kind", map[string]string{"ASHBRIDGE_DATABASE_URL": "mysql://u:" + canary + "@h/d"}, nil, "begins with postgres://"},
		{"database in words", map[string]string{"ASHBRIDGE_DATABASE_URL": "host=h password=" + canary}, nil, "begins with postgres://"},
		{"NATS", map[string]string{"ASHBRIDGE_NATS_URL": "host:4222"}, nil, "begins with nats://"},
		{"issuer", map[string]string{"ASHBRIDGE_NATS_ISSUER": canary}, nil, "ASHBRIDGE_NATS_ISSUER is not the seed of a NATS account"},
		{
			"issuer of another kind",
			map[string]string{"ASHBRIDGE_NATS_ISSUER_FILE": secretFile(t, userSeed)},
			nil,
			"ashbridge keys issuer",
		},
		{"public NATS", map[string]string{"ASHBRIDGE_NATS_PUBLIC_URL": "nats.example.com"}, nil, "begins with nats://"},
		{"public NATS with a user", map[string]string{"ASHBRIDGE_NATS_PUBLIC_URL": "tls://u:" + canary + "@n"}, nil, "every board is told it"},
		{"short token", map[string]string{"ASHBRIDGE_ADMIN_TOKEN": "secret"}, nil, "openssl rand -hex 32"},
		{
			"token twice",
			map[string]string{"ASHBRIDGE_ADMIN_TOKEN": "0123456789abcdef", "ASHBRIDGE_ADMIN_TOKEN_FILE": "/x"},
			nil,
			"ASHBRIDGE_ADMIN_TOKEN and ASHBRIDGE_ADMIN_TOKEN_FILE are both set: remove one of them",
		},
		{"absent file", map[string]string{"ASHBRIDGE_ADMIN_TOKEN_FILE": "/absent/token"}, nil, "ASHBRIDGE_ADMIN_TOKEN_FILE: stat /absent/token"},
		{"empty file", map[string]string{"ASHBRIDGE_ADMIN_TOKEN_FILE": secretFile(t, "\n")}, nil, "is empty"},
		{"a folder for a file", map[string]string{"ASHBRIDGE_ADMIN_TOKEN_FILE": t.TempDir()}, nil, "is not a file"},
		{"relative folder", map[string]string{"ASHBRIDGE_DATA_DIR": "data"}, nil, "absolute path"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environ := map[string]string{"HOME": "/home/ann"}
			for name, value := range tt.environ {
				environ[name] = value
			}
			_, err := load(t, environ, config.Up, tt.args...)
			var faults config.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error %v, want faults", err)
			}
			if len(faults) != 1 || !strings.Contains(faults[0], tt.want) {
				t.Errorf("faults %q, want one with %q", faults, tt.want)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestVariablesThatKubernetesAddsAreNoFault(t *testing.T) {
	t.Parallel()
	environ := map[string]string{"HOME": "/home/ann"}
	for _, name := range []string{
		"ASHBRIDGE_SERVICE_HOST", "ASHBRIDGE_SERVICE_PORT", "ASHBRIDGE_SERVICE_PORT_HTTP", "ASHBRIDGE_PORT",
		"ASHBRIDGE_PORT_8080_TCP", "ASHBRIDGE_PORT_8080_TCP_ADDR", "ASHBRIDGE_GATEWAY_SERVICE_HOST", "ASHBRIDGE_GATEWAY_PORT",
	} {
		environ[name] = "x"
	}
	if _, err := config.Load(environ, nil, config.Up); err != nil {
		t.Error(err)
	}
}

func TestAllFaultsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := load(t, map[string]string{
		"HOME": "/home/ann", "ASHBRIDGE_POLL": "1h", "ASHBRIDGE_LOG_LEVEL": "loud", "ASHBRIDGE_DATABASE_URL_FILE": "/absent",
	}, config.Gateway, "--http-addr", "x", "--poll-interval", "1s")
	var faults config.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error %v, want faults", err)
	}
	for _, name := range []string{
		"ASHBRIDGE_POLL ", "ASHBRIDGE_LOG_LEVEL ", "ASHBRIDGE_DATABASE_URL_FILE:", "--http-addr ", "--poll-interval ",
		"ASHBRIDGE_NATS_URL is not set", "ASHBRIDGE_KEYSET_FILE is not set", "ASHBRIDGE_ADMIN_TOKEN is not set", "ASHBRIDGE_PUBLIC_URL is not set",
	} {
		if !strings.Contains(err.Error(), "\n  - "+name) {
			t.Errorf("no line begins with %q in:\n%v", name, err)
		}
	}
	if len(faults) != 9 {
		t.Errorf("%d faults, want 9:\n%v", len(faults), err)
	}
}

func TestEachCommandSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"DATABASE_URL": database, "NATS_URL": "nats://n:4222", "KEYSET_FILE": "/k", "ADMIN_TOKEN": "0123456789abcdef",
		"PUBLIC_URL": "https://a.example",
	}
	for name, tt := range map[string]struct {
		needs config.Needs
		keys  []string
	}{
		"up":       {config.Up, nil},
		"migrate":  {config.Migrate, []string{"DATABASE_URL"}},
		"notifier": {config.Notifier, []string{"DATABASE_URL", "NATS_URL", "KEYSET_FILE"}},
		"syncer":   {config.Syncer, []string{"DATABASE_URL", "NATS_URL", "KEYSET_FILE"}},
		"gateway":  {config.Gateway, []string{"DATABASE_URL", "NATS_URL", "KEYSET_FILE", "ADMIN_TOKEN", "PUBLIC_URL"}},
	} {
		environ := map[string]string{"HOME": "/home/ann"}
		_, err := config.Load(environ, nil, tt.needs)
		var faults config.Faults
		if errors.As(err, &faults); len(faults) != len(tt.keys) {
			t.Errorf("%s with nothing set: %v", name, err)
		}
		for _, key := range tt.keys {
			if !strings.Contains(err.Error(), config.Prefix+key+" is not set") {
				t.Errorf("%s does not ask for %s: %v", name, key, err)
			}
			environ[config.Prefix+key] = all[key]
		}
		if _, err := config.Load(environ, nil, tt.needs); err != nil {
			t.Errorf("%s with what it needs: %v", name, err)
		}
	}
}

func TestPrintedConfigShowsNoSecret(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, map[string]string{
		"HOME": "/home/ann", "ASHBRIDGE_ADMIN_TOKEN": canary, "ASHBRIDGE_DATABASE_URL": database, "ASHBRIDGE_NATS_ISSUER": accountSeed,
		"ASHBRIDGE_NATS_URL": "nats://" + canary + "@n1:4222,nats://user:" + canary + "@n2:4222",
	}, config.Up)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logs strings.Builder
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("configuration", "config", cfg, "database", cfg.DatabaseURL)
	slog.New(slog.NewTextHandler(&logs, nil)).Info("configuration", "config", cfg, "database", cfg.DatabaseURL)
	printed := []string{string(asJSON), logs.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		printed = append(printed, fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, &cfg))
	}
	for _, text := range printed {
		if strings.Contains(text, canary) || strings.Contains(text, accountSeed) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	if got, want := cfg.DatabaseURL.String(), strings.Replace(database, canary, "redacted", 1); got != want {
		t.Errorf("the database prints as %s, want %s", got, want)
	}
}

func TestURLHidesPasswordsWhereverTheyAre(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                                     "",
		"postgres://ann@db/x":                  "postgres://ann@db/x",
		"postgres://db/x?password=" + canary:   "postgres://db/x?password=redacted",
		"postgres://ann:" + canary + "@db:a/x": "[redacted]",
		"host=db password=" + canary:           "[redacted]",
		"nats://" + canary + "@n:4222":         "nats://redacted@n:4222",
	} {
		if got := config.URL(raw).String(); got != want {
			t.Errorf("%q prints as %q, want %q", raw, got, want)
		}
		if got := fmt.Sprintf("%x%d%#v", config.URL(raw), config.URL(raw), config.URL(raw)); strings.Contains(got, canary) {
			t.Errorf("%q prints as %q", raw, got)
		}
	}
}

func TestFlagsAreComplete(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("ashbridge", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	for _, name := range []string{"http-addr", "database-url", "database-url-file", "nats-url-file", "admin-token-file", "pg-bin", "log-level"} {
		if f := flags.Lookup(name); f == nil || f.Usage == "" {
			t.Errorf("flag %s is missing or has no help", name)
		}
	}
	if flags.Lookup("admin-token") != nil {
		t.Error("a token can be given on the command line, where every user of the machine reads it")
	}
	if usage := flags.Lookup("poll-interval").Usage; !strings.Contains(usage, "default 1h") || !strings.Contains(usage, "$ASHBRIDGE_POLL_INTERVAL") {
		t.Errorf("help %q lacks the default or the variable", usage)
	}
}

func TestEnviron(t *testing.T) {
	t.Setenv("ASHBRIDGE_LOG_FORMAT", "json")
	cfg, err := config.Load(config.Environ(), nil, config.Up)
	if err != nil || cfg.LogFormat != "json" {
		t.Errorf("log format %q, %v", cfg.LogFormat, err)
	}
}

func TestProxiesAreAddressesAndNetworks(t *testing.T) {
	t.Parallel()
	c := config.Config{TrustedProxies: []string{"10.0.0.7", "10.1.2.3/16", "2001:db8::1"}}
	got, err := c.Proxies()
	if err != nil || fmt.Sprint(got) != "[10.0.0.7/32 10.1.0.0/16 2001:db8::1/128]" {
		t.Errorf("%v, %v", got, err)
	}
}
