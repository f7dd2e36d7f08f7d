// Package schema holds Ashbridge's contracts: the HTTP interface here, the events and the tables in the folders below.
package schema

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the gateway's HTTP contract, an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return slices.Clone(openAPI) }
