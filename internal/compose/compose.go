// Package compose reads docker-compose.yml with the library that Docker Compose itself reads it with, for the tests that
// hold the file against the program and that run what it describes without containers.
package compose

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// The files, from the root of the repository.
const (
	File    = "docker-compose.yml"
	DemoEnv = "ops/demo.env"
	// SmokeEnv is what `make smoke` has in place of some of them.
	SmokeEnv = "ops/smoke.env"
)

// SecretsMount is where containers find their secrets.
const SecretsMount = "/run/secrets"

// Load reads content as the compose file of the repository at root, with all profiles and with environ for what it asks of
// the environment, nothing of this process's own. The file must be what the specification allows, to the last name.
func Load(ctx context.Context, root string, content []byte, environ map[string]string) (*types.Project, error) {
	project, err := loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, File), Content: content}},
		Environment: environ,
	}, func(o *loader.Options) { o.Profiles = []string{"*"} }, func(o *loader.Options) { o.SetProjectName("ashbridge", false) })
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", File, err)
	}
	return project, nil
}

// Environ are the settings in files of the repository at root, such as DemoEnv, as Compose reads them; a later file wins.
func Environ(root string, files ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, name := range files {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("reading settings: %w", err)
		}
		environ, err := dotenv.UnmarshalBytesWithLookup(raw, nil)
		if err != nil {
			return nil, fmt.Errorf("reading the settings of %s: %w", name, err)
		}
		maps.Copy(all, environ)
	}
	return all, nil
}

// Environment are a service's variables; one without a value is empty.
func Environment(s types.ServiceConfig) map[string]string {
	out := make(map[string]string, len(s.Environment))
	for name, value := range s.Environment {
		out[name] = ""
		if value != nil {
			out[name] = *value
		}
	}
	return out
}
