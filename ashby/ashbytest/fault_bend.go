package ashbytest

import (
	"encoding/json"
	"slices"
)

var (
	// decisive are the members by which readers decide what may be shown.
	decisive = []string{"status", "isListed", "confidential", "isArchived"}
	// harmless are members that decide nothing.
	harmless = []string{"employmentType", "workplaceType", "globalRole", "reasonType", "teamName", "externalName", "position"}
)

// bend changes an answer before it is encoded.
func (f *Fault) bend(c *call, r result) result {
	switch f.Kind {
	case FaultEmptyList:
		r.rows, r.next = []any{}, ""
		r.token = r.ends
	case FaultShrunkList:
		r.rows = r.rows[:int(float64(len(r.rows))*min(1, max(0, f.Keep)))]
	case FaultDuplicateRows:
		twice := make([]any, 0, 2*len(r.rows))
		for _, row := range r.rows {
			twice = append(twice, row, row)
		}
		r.rows = twice
	case FaultRepeatedRow:
		if r.before != nil {
			r.rows = slices.Insert(r.rows, 0, r.before)
		}
	case FaultMovedRow:
		r.rows = r.rows[min(1, len(r.rows)):]
	case FaultCursorLoop:
		if cursor := c.params.text("cursor"); cursor != "" && cursor != "start" {
			r.next = cursor
		} else if r.next == "" {
			r.next = r.here
		}
	case FaultCutListing:
		if r.next == "" {
			r.rows = r.rows[:len(r.rows)/2]
		}
		r.next, r.token = "", r.ends
	case FaultNoToken:
		r.token = ""
	case FaultBadRow, FaultRowWithoutID:
		if n := len(r.rows); n > 0 {
			r.rows[n-1] = f.bendRow(r.rows[n-1])
		} else if r.rows == nil {
			r.one = f.bendRow(r.one)
		}
	case FaultUnknownFields, FaultUnknownEnum, FaultNullFields:
		for i := range r.rows {
			r.rows[i] = f.bendRow(r.rows[i])
		}
		if r.rows == nil {
			r.one = f.bendRow(r.one)
		}
	}
	return r
}

// bendRow changes the members of one row. Rows that are no objects stay.
func (f *Fault) bendRow(row any) any {
	encoded, err := json.Marshal(row)
	if err != nil {
		return row
	}
	var body map[string]any
	if decodeExact(encoded, &body) != nil || body == nil {
		return row
	}
	switch f.Kind {
	case FaultRowWithoutID:
		delete(body, "id")
	case FaultUnknownFields:
		body["brandNewField"] = map[string]any{"nested": []any{1, nil, "x"}}
		body["anotherNewField"] = nil
	case FaultUnknownEnum:
		f.replace(body, harmless, "BrandNewValue")
	case FaultNullFields:
		f.replace(body, harmless, nil)
	case FaultBadRow:
		if f.replace(body, decisive, map[string]any{"unexpected": true}) == 0 {
			body["id"] = 17
		}
	}
	return body
}

// replace gives the member Field, or those of names that are there, another value, and says how many.
func (f *Fault) replace(body map[string]any, names []string, value any) int {
	if f.Field != "" {
		names = []string{f.Field}
	}
	changed := 0
	for _, name := range names {
		if _, has := body[name]; has {
			body[name] = value
			changed++
		}
	}
	return changed
}
