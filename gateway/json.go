package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// writeJSON answers with v. Markup stays readable: no answer of ours is ever placed into a page.
func writeJSON(c *fiber.Ctx, status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encoding answer: %w", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(status).Send(b.Bytes())
}

// readJSON decodes the request's body into the struct that into points to. It is strict: an unknown field, a wrong type
// and anything beside one object are faults, each named.
func readJSON(c *fiber.Ctx, into any) error {
	body := bytes.Clone(c.BodyRaw())
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return invalid("", "the body must be one JSON object")
	}
	known := jsonNames(into)
	var faults []fieldFault
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			faults = append(faults, fieldFault{clip(name), "there is no such field; there are " +
				strings.Join(known, ", ")})
		}
	}
	if err := invalidFields(faults); err != nil {
		return err
	}
	detailOf(c).Fields = slices.Sorted(maps.Keys(fields))
	err := json.Unmarshal(body, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid(wrong.Field, "it must not be a JSON "+wrong.Value)
	}
	if err != nil {
		return invalid("", "the body must be one JSON object")
	}
	return nil
}

// readOptionalJSON is readJSON for a body that may be left out.
func readOptionalJSON(c *fiber.Ctx, into any) error {
	if len(bytes.TrimSpace(c.BodyRaw())) == 0 {
		return nil
	}
	return readJSON(c, into)
}

// jsonNames lists the JSON names of a struct's fields.
func jsonNames(ptr any) []string {
	t := reflect.TypeOf(ptr).Elem()
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// clip keeps a name that a caller made up from filling an answer.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

func invalid(field, detail string) error { return invalidFields([]fieldFault{{field, detail}}) }

// invalidFields is nil where there are no faults.
func invalidFields(faults []fieldFault) error {
	if len(faults) == 0 {
		return nil
	}
	p := *errInvalid
	p.Errors = faults
	return &p
}
