package events

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
)

//go:embed *.schema.json
var schemas embed.FS

// Types returns every type of this contract.
func Types() []Type {
	return []Type{
		JobPublished, JobUpdated, JobClosed,
		ConnectionSynced, ConnectionDegraded, ConnectionRecovered, ConnectionRemoved,
		RecordChanged, RecordGone,
	}
}

// Schema returns the JSON Schema (draft 2020-12) of a type's messages. It refers to others of Schemas by relative $ref.
func Schema(t Type) ([]byte, error) {
	if !slices.Contains(Types(), t) {
		return nil, fmt.Errorf("no schema of event type %q", t)
	}
	return schemas.ReadFile(string(t) + ".schema.json")
}

// Schemas holds every schema document of the contract, named as their $ref name them.
func Schemas() fs.FS { return schemas }
