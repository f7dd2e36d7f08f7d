package config

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// The files in the data folder by which commands find what `ashbridge up` runs. All but the keyset are there while it runs.
const (
	KeysetName      = "keyset.json"
	DatabaseURLName = "database-url"
	NATSURLName     = "nats-url"
	// SettingsName has what Settings returns, as JSON.
	SettingsName = "up.json"
	// DemoName is the folder in the data folder that `up --demo` has for its own.
	DemoName = "demo"
)

// LoadBeside is Load for a command that works on the servers of the services, of `ashbridge up` too: what nobody set is
// taken from the files that `up` keeps in its data folder, where they are.
func LoadBeside(environ map[string]string, flags *pflag.FlagSet, needs Needs) (Config, error) {
	return besideInput(environ, flags).load(needs)
}

// Examine is LoadBeside for a command that looks what is wrong: it returns what could be read, and the faults.
func Examine(environ map[string]string, flags *pflag.FlagSet, needs Needs) (Config, Faults) {
	in := besideInput(environ, flags)
	cfg := in.parse(needs)
	return cfg, Faults(in.faults)
}

// UpHasNATS says whether the NATS that is used is that of `ashbridge up`.
func (c *Config) UpHasNATS() bool { return c.isLeft(NATSURLName, c.NATSURL) }

// UpHasDatabase says whether the database that is used is that of `ashbridge up`.
func (c *Config) UpHasDatabase() bool { return c.isLeft(DatabaseURLName, c.DatabaseURL) }

func (c *Config) isLeft(name string, address URL) bool {
	raw, err := os.ReadFile(filepath.Join(c.DataDir, name))
	return err == nil && strings.TrimSpace(string(raw)) == address.Reveal()
}

// Settings are those of a running `up` without which a command beside it would look at something else: at another Ashby
// or another keyset. No secret is among them. publicURL is what the operator set, not what `up` took in its place.
func (c *Config) Settings(publicURL string) map[string]string {
	return map[string]string{
		"HTTP_ADDR": c.HTTPAddr, "PUBLIC_URL": publicURL, "TRUSTED_PROXIES": strings.Join(c.TrustedProxies, ","),
		"KEYSET_FILE": c.KeysetFile, "DATABASE_MAX_CONNS": strconv.Itoa(c.DatabaseMaxConns), "NATS_REPLICAS": strconv.Itoa(c.NATSReplicas),
		"ASHBY_URL": c.AshbyURL, "ALLOW_PRIVATE_ASHBY": strconv.FormatBool(c.AllowPrivateAshby),
		"REQUESTS_PER_MINUTE": strconv.Itoa(c.RequestsPerMinute), "RECORD_EVENTS": strconv.FormatBool(c.RecordEvents),
	}
}

// besideInput takes what nobody set from the files of `up`, where they are: in the data folder, or in that of its demo.
func besideInput(environ map[string]string, flags *pflag.FlagSet) *input {
	in := newInput(environ, flags)
	base := cmp.Or(in.values[Prefix+"DATA_DIR"], in.defaultDataDir)
	dir := firstWith(base, SettingsName, DatabaseURLName, NATSURLName)
	if dir == "" {
		if dir = firstWith(base, KeysetName); dir == "" {
			return in
		}
		in.stopped = dir
	}
	// Whoever names both servers means services of his own, which have settings of their own.
	if !in.has("DATABASE_URL") || !in.has("NATS_URL") {
		in.values[Prefix+"DATA_DIR"] = dir
		in.takeSettings(filepath.Join(dir, SettingsName))
	}
	for _, f := range []struct{ plain, file, name string }{
		{"KEYSET_FILE", "KEYSET_FILE", KeysetName},
		{"DATABASE_URL", "DATABASE_URL_FILE", DatabaseURLName},
		{"NATS_URL", "NATS_URL_FILE", NATSURLName},
	} {
		path := filepath.Join(dir, f.name)
		if in.has(f.plain) {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			in.values[Prefix+f.file], in.names[Prefix+f.file] = path, Prefix+f.file
		}
	}
	return in
}

// firstWith is the first of the folders in which `up` may run that has one of the files; empty where none has.
func firstWith(base string, names ...string) string {
	for _, dir := range []string{base, filepath.Join(base, DemoName)} {
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return dir
			}
		}
	}
	return ""
}

// has says whether somebody set a setting or its file.
func (in *input) has(key string) bool {
	return in.values[Prefix+key] != "" || in.values[Prefix+key+"_FILE"] != ""
}

// takeSettings takes what nobody set from the settings that `up` left. A file that cannot be read is passed over: it is being
// written, or `up` ends.
func (in *input) takeSettings(path string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return
	}
	var left map[string]string
	if json.Unmarshal(raw, &left) != nil {
		return
	}
	for _, s := range settings() {
		if value := left[s.key]; value != "" && !in.has(s.key) {
			in.values[Prefix+s.key] = value
		}
	}
}
