// Package schema holds Ashbridge's contracts: the HTTP interface and the description of the event streams here, the events
// and the tables in the folders below.
package schema

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the gateway's HTTP contract, an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return slices.Clone(openAPI) }

//go:embed asyncapi.yaml
var asyncAPI []byte

// AsyncAPI returns what a job board receives and how, an AsyncAPI 3.0 document in YAML. Its schemas are those of package
// events, named relative to this folder.
func AsyncAPI() []byte { return slices.Clone(asyncAPI) }
