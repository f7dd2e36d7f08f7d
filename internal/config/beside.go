package config

import (
	"cmp"
	"os"
	"path/filepath"

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
	return in.load(needs)
}
