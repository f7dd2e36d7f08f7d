package ashby

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// object is a JSON object whose members are read one by one, so that one member of an unexpected type costs that member
// alone. The zero object has no members. Unlike struct tags it also compares names exactly.
type object map[string]json.RawMessage

// parseObject reads a JSON object; anything else is an error.
func parseObject(raw []byte) (object, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, fmt.Errorf("null where an object belongs")
	}
	return o, nil
}

// text returns a string member, empty if it is absent or something else.
func (o object) text(name string) string {
	s, _ := o.strictText(name)
	return s
}

// strictText returns a string member, empty if it is absent or null. Another type is an error.
func (o object) strictText(name string) (string, error) {
	raw, ok := o[name]
	if !ok || isNull(raw) {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%s is no string", name)
	}
	return s, nil
}

// strictFlag returns a boolean member, nil if it is absent or null. Another type is an error.
func (o object) strictFlag(name string) (*bool, error) {
	raw, ok := o[name]
	if !ok || isNull(raw) {
		return nil, nil
	}
	var b bool
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("%s is no boolean", name)
	}
	return &b, nil
}

// flag returns a boolean member, nil if it is absent or something else.
func (o object) flag(name string) *bool {
	b, _ := o.strictFlag(name)
	return b
}

// isTrue says whether a member is true.
func (o object) isTrue(name string) bool {
	b := o.flag(name)
	return b != nil && *b
}

// number returns a number as Ashby wrote it, digit for digit; a string that holds one will do.
func (o object) number(name string) *json.Number {
	raw, ok := o[name]
	if !ok || isNull(raw) {
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil || n == "" {
		return nil
	}
	return &n
}

// object returns a member that is an object, else the zero object.
func (o object) object(name string) object {
	var inner object
	if raw, ok := o[name]; ok {
		// What is no object leaves inner without members.
		_ = json.Unmarshal(raw, &inner)
	}
	return inner
}

// items returns the elements of an array member, nil if it is absent or something else.
func (o object) items(name string) []json.RawMessage {
	var items []json.RawMessage
	if raw, ok := o[name]; ok {
		// What is no array leaves items nil.
		_ = json.Unmarshal(raw, &items)
	}
	return items
}

// objects returns the elements of an array member that are objects.
func (o object) objects(name string) []object {
	var list []object
	for _, raw := range o.items(name) {
		if inner, err := parseObject(raw); err == nil {
			list = append(list, inner)
		}
	}
	return list
}

// texts returns the elements of an array member that are strings, empty ones left out.
func (o object) texts(name string) []string {
	var list []string
	for _, raw := range o.items(name) {
		var s string
		if json.Unmarshal(raw, &s) == nil && s != "" {
			list = append(list, s)
		}
	}
	return list
}

// instant returns a point in time in UTC, nil if it is absent, unreadable or beyond what a database or JSON can hold.
func (o object) instant(name string) *time.Time {
	s := o.text(name)
	if s == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1900 && t.Year() < 9999 {
			t = t.UTC()
			return &t
		}
	}
	return nil
}

// date returns a calendar date as YYYY-MM-DD, empty if there is none.
func (o object) date(name string) string {
	s := o.text(name)
	if len(s) > len(time.DateOnly) {
		s = s[:len(time.DateOnly)]
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return ""
	}
	return s
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(raw, []byte("null")) }
