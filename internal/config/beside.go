package config

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// The files in the data folder by which commands find what `ashbridge up` runs. The addresses are there while it runs.
const (
	KeysetName      = "keyset.json"
	DatabaseURLName = "database-url"
	NATSURLName     = "nats-url"
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

// IsBeside says whether the NATS that is used is that of `ashbridge up`.
func (c *Config) IsBeside() bool {
	raw, err := os.ReadFile(filepath.Join(c.DataDir, NATSURLName))
	return err == nil && strings.TrimSpace(string(raw)) == c.NATSURL.Reveal()
}

// besideInput takes what nobody set from the files of `up`, where they are.
func besideInput(environ map[string]string, flags *pflag.FlagSet) *input {
	in := newInput(environ, flags)
	dir := cmp.Or(in.values[Prefix+"DATA_DIR"], in.defaultDataDir)
	for _, f := range []struct{ plain, file, name string }{
		{"KEYSET_FILE", "KEYSET_FILE", KeysetName},
		{"DATABASE_URL", "DATABASE_URL_FILE", DatabaseURLName},
		{"NATS_URL", "NATS_URL_FILE", NATSURLName},
	} {
		path := filepath.Join(dir, f.name)
		if in.values[Prefix+f.plain] != "" || in.values[Prefix+f.file] != "" {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			in.values[Prefix+f.file], in.names[Prefix+f.file] = path, Prefix+f.file
		}
	}
	return in
}
