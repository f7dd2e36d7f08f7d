// Package eventstest checks messages against the event contract, in tests.
package eventstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Validate fails the test if the message is not a valid event of its type.
func Validate(t testing.TB, message []byte) {
	t.Helper()
	if err := Check(message); err != nil {
		t.Errorf("message breaks the event contract: %v\n%s", err, message)
	}
}

// Check returns what is wrong with a message: nil if it is a valid event of the type that it names.
func Check(message []byte) error {
	compiled, err := compile()
	if err != nil {
		return err
	}
	var head struct {
		Type events.Type `json:"type"`
	}
	if err := json.Unmarshal(message, &head); err != nil {
		return fmt.Errorf("reading the type: %w", err)
	}
	schema, ok := compiled[head.Type]
	if !ok {
		return fmt.Errorf("unknown event type %q", head.Type)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(message))
	if err != nil {
		return fmt.Errorf("reading the message: %w", err)
	}
	return schema.Validate(value)
}

// compile compiles the schemas of all types, once, with formats asserted.
var compile = sync.OnceValues(func() (map[events.Type]*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	ids := map[string]string{}
	files, err := fs.Glob(events.Schemas(), "*.schema.json")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		id, err := add(c, name)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		ids[name] = id
	}
	compiled := map[events.Type]*jsonschema.Schema{}
	for _, typ := range events.Types() {
		schema, err := c.Compile(ids[string(typ)+".schema.json"])
		if err != nil {
			return nil, fmt.Errorf("compiling the schema of %s: %w", typ, err)
		}
		compiled[typ] = schema
	}
	return compiled, nil
})

func add(c *jsonschema.Compiler, name string) (string, error) {
	raw, err := fs.ReadFile(events.Schemas(), name)
	if err != nil {
		return "", err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	object, _ := doc.(map[string]any)
	id, _ := object["$id"].(string)
	if id == "" {
		return "", errors.New("no $id")
	}
	return id, c.AddResource(id, doc)
}
