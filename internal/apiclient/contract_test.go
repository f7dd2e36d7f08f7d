package apiclient_test

import (
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/bebitcoiner/ashbridge/internal/apiclient"
	"github.com/bebitcoiner/ashbridge/schema"
)

// TestWhatIsReadIsInTheContract fails where the client reads a field that schema/openapi.yaml does not have.
func TestWhatIsReadIsInTheContract(t *testing.T) {
	t.Parallel()
	var contract struct {
		Components struct {
			Schemas map[string]map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(schema.OpenAPI(), &contract); err != nil {
		t.Fatal(err)
	}
	schemas := contract.Components.Schemas
	resolve := func(s map[string]any) map[string]any {
		for range 3 {
			if one, ok := s["oneOf"].([]any); ok {
				s = one[0].(map[string]any)
			}
			if ref, ok := s["$ref"].(string); ok {
				s = schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
			}
			if all, ok := s["allOf"].([]any); ok {
				merged := map[string]any{}
				for _, part := range all {
					p := part.(map[string]any)
					if ref, ok := p["$ref"].(string); ok {
						p = schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
					}
					props, _ := p["properties"].(map[string]any)
					for k, v := range props {
						merged[k] = v
					}
				}
				s = map[string]any{"properties": merged}
			}
		}
		return s
	}
	var compare func(at string, typ reflect.Type, s map[string]any)
	compare = func(at string, typ reflect.Type, s map[string]any) {
		s = resolve(s)
		switch typ.Kind() {
		case reflect.Pointer:
			compare(at, typ.Elem(), s)
		case reflect.Slice:
			items, ok := s["items"].(map[string]any)
			if !ok {
				t.Errorf("%s is no list in the contract", at)
				return
			}
			compare(at+"[]", typ.Elem(), items)
		case reflect.Struct:
			if typ.PkgPath() == "time" {
				return
			}
			props, _ := s["properties"].(map[string]any)
			for _, f := range reflect.VisibleFields(typ) {
				name := f.Tag.Get("json")
				if name == "" || name == "-" {
					continue
				}
				p, ok := props[name].(map[string]any)
				if !ok {
					t.Errorf("the contract has no %s.%s", at, name)
					continue
				}
				compare(at+"."+name, f.Type, p)
			}
		}
	}
	for name, v := range map[string]any{
		"Connection": apiclient.Connection{}, "Hold": apiclient.Hold{}, "Subscriber": apiclient.Subscriber{}, "Endpoint": apiclient.Endpoint{},
		"SettledWebhook": apiclient.SettledWebhook{}, "Problem": apiclient.Problem{},
		"Token": apiclient.Token{}, "AuditEntry": apiclient.AuditEntry{},
	} {
		if schemas[name] == nil {
			t.Errorf("the contract has no %s", name)
			continue
		}
		compare(name, reflect.TypeOf(v), schemas[name])
	}
}
