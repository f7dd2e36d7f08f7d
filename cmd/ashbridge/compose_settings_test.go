package main

import (
	"cmp"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/spf13/pflag"

	"github.com/bebitcoiner/ashbridge/internal/compose"
	"github.com/bebitcoiner/ashbridge/internal/config"
)

// given are the settings that belong to the containers and not to who runs them, those in files of secrets apart.
var given = []string{"HTTP_ADDR", "ADMIN_ADDR", "API_URL", "DATA_DIR", "PG_BIN", "KEYSET_FILE", "NATS_ADDR", "NATS_CREDS_FILE"}

// settable are the variables that everybody may set, each with a value that is not its default.
var settable = map[string]string{
	"ASHBRIDGE_ALLOW_PRIVATE_ASHBY": "true", "ASHBRIDGE_ALLOW_PRIVATE_ENDPOINTS": "true", "ASHBRIDGE_ASHBY_URL": "https://ashby.example.com",
	"ASHBRIDGE_DATABASE_MAX_CONNS": "7", "ASHBRIDGE_JOBS_MAX_GIB": "6", "ASHBRIDGE_LEASE_TTL": "21s", "ASHBRIDGE_LOG_FORMAT": "text",
	"ASHBRIDGE_LOG_LEVEL": "debug", "ASHBRIDGE_METRICS_CONNECTIONS": "11", "ASHBRIDGE_MODULES": "jobs,candidates",
	"ASHBRIDGE_NATS_PUBLIC_URL": "tls://nats.example.com:4222", "ASHBRIDGE_NATS_REPLICAS": "3", "ASHBRIDGE_POLL_INTERVAL": "13m",
	"ASHBRIDGE_PUBLIC_URL": "https://ashbridge.example.com", "ASHBRIDGE_RECORD_EVENTS": "true", "ASHBRIDGE_REQUESTS_PER_MINUTE": "600",
	"ASHBRIDGE_TRUSTED_PROXIES": "172.30.80.1,10.0.0.0/8",
}

// TestEverySettingOfTheFileReachesEveryService sets all that can be set in a file as an operator writes it.
func TestEverySettingOfTheFileReachesEveryService(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	var want []string
	flags.VisitAll(func(f *pflag.Flag) {
		name := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		isInFile := strings.HasSuffix(f.Name, "-file") || flags.Lookup(f.Name+"-file") != nil
		if !isInFile && !slices.Contains(given, name) {
			want = append(want, config.Prefix+name)
		}
	})
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(settable)); !slices.Equal(got, want) {
		t.Fatalf("the settings are %v, and this test sets %v", want, got)
	}
	content, dockerfile, secrets := sources(t)
	dir, text := t.TempDir(), ""
	for name, value := range settable {
		text += name + "=\"" + value + "\"  # a reason\n"
	}
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ, err := compose.Environ(dir, ".env")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faultsOf(t.Context(), content, dockerfile, secrets, environ) {
		t.Error(fault)
	}
	project, err := compose.Load(t.Context(), repository, []byte(content), environ)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gateway", "syncer", "notifier", "migrate", "cli", "connect"} {
		has := compose.Environment(project.Services[name])
		for variable, value := range settable {
			if has[variable] != value {
				t.Errorf("%s has %s=%q, not %q of .env", name, variable, has[variable], value)
			}
		}
	}
}

// TestTheDemosHaveEverythingOfTheirOwn wants the real deployment, the demo and smoke to share no name, port or network.
func TestTheDemosHaveEverythingOfTheirOwn(t *testing.T) {
	t.Parallel()
	content, _, _ := sources(t)
	demo, demoErr := compose.Environ(repository, compose.DemoEnv)
	smoke, smokeErr := compose.Environ(repository, compose.DemoEnv, compose.SmokeEnv)
	if err := cmp.Or(demoErr, smokeErr); err != nil {
		t.Fatal(err)
	}
	for name := range smoke {
		if name != "COMPOSE_PROJECT_NAME" && !strings.Contains(content, "${"+name+":-") {
			t.Errorf("%s is set, and the compose file does not ask for it", name)
		}
	}
	own := []string{"COMPOSE_PROJECT_NAME", "FRONT_SUBNET"}
	for name := range listening {
		if strings.Contains(content, "${"+strings.ToUpper(name)+"_LISTEN") {
			own = append(own, strings.ToUpper(name)+"_LISTEN")
		}
	}
	if len(own) != 8 {
		t.Fatalf("the names are %v", own)
	}
	for _, name := range own {
		if demo[name] == "" || demo[name] == smoke[name] || strings.Contains(content, "${"+name+":-"+demo[name]) || strings.Contains(content, "${"+name+":-"+smoke[name]) {
			t.Errorf("%s is %q in the demo and %q in smoke, or as in the real deployment", name, demo[name], smoke[name])
		}
	}
	if demo["SECRETS_DIR"] == "" || demo["ASHBRIDGE_ASHBY_URL"] == "" {
		t.Error("the demo has the secrets or the Ashby of others: their employers' keys would get to the simulator")
	}
}

// checkSettings wants a service to be given all that may be set, and from one place.
func (d *deployment) checkSettings(s types.ServiceConfig) {
	if len(s.EnvFiles) > 0 {
		d.fault("%s has a file of settings of its own, which what is said elsewhere would beat", s.Name)
	}
	has := compose.Environment(s)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(has)), func(name string) bool { return strings.HasPrefix(name, config.Prefix) }) {
		return // it reads no configuration
	}
	for name := range settable {
		if _, ok := has[name]; !ok {
			d.fault("%s is not given %s", s.Name, name)
		}
	}
}

// checkOperator wants the service cli to have what doctor and all other commands want, and to see what the gateway sees.
func (d *deployment) checkOperator(s types.ServiceConfig) {
	environ := d.environ(s)
	cfg, err := config.Load(environ, nil, config.Doctor|config.KeysRotate|config.EventsVerify|config.Client)
	if err != nil {
		d.fault("cli: %v", err)
		return
	}
	if user, _, _ := strings.Cut(strings.TrimPrefix(cfg.NATSURL.Reveal(), "nats://"), ":"); user != "admin" {
		d.fault("cli logs in at NATS as %s, who does not see the streams", user)
	}
	if cfg.NATSIssuer.Reveal() == "" {
		d.fault("cli lacks the issuer, which doctor compares with that of NATS")
	}
	if cfg.Address() != "http://gateway:8080" {
		d.fault("cli asks %s, not the gateway", cfg.Address())
	}
	for _, name := range []string{"gateway", "nats", "postgres"} {
		if len(d.shared("cli", name)) == 0 {
			d.fault("cli has no network in common with %s", name)
		}
	}
	others := compose.Environment(d.Services["gateway"])
	for name := range settable {
		if value := environ[name]; value != others[name] && name != "ASHBRIDGE_LOG_FORMAT" && (name != "ASHBRIDGE_PUBLIC_URL" || value != "") {
			d.fault("cli has %s=%s, and the gateway %s", name, value, others[name])
		}
	}
	addresses := d.Networks["front"].Ipam.Config
	if len(addresses) != 1 || addresses[0].Subnet == "" {
		d.fault("the network front has no fixed addresses: nobody could say which proxy is to be trusted")
	} else if _, err := netip.ParsePrefix(addresses[0].Subnet); err != nil {
		d.fault("the network front: %v", err)
	}
}
