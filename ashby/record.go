package ashby

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is one object as Ashby sent it, with employees' personal fields dropped.
type Record struct {
	Kind Kind
	// ID is Ashby's, or begins with "x-" where Ashby gives none or several rows have it; see identify.
	ID string
	// Parent is the id of the object that a kind with a Parent was read for.
	Parent string
	// UpdatedAt is nil for kinds without it.
	UpdatedAt *time.Time
	// Raw is the object, for the decoders and for storing: valid UTF-8 without NUL characters.
	Raw json.RawMessage
	// SentAt is when the request that read it was sent, by this machine's clock: the object is at least that new.
	SentAt time.Time
}

// BadRow is a row that could not be read; the rest of its page is good.
type BadRow struct {
	// ID is empty where not even that could be read, so that the row may be any object.
	ID  string
	Err error
	// Shape names the JSON type of each top-level member, and nothing of its value: "string", "number", "bool",
	// "object", "array" or "null". A row that is no object has its own type under the empty name.
	Shape map[string]string
}

// rows reads the rows of a listing; where a kind is Single, the one object is the row. Of rows with the same id it keeps
// the newest.
func rows(r Resource, a answer, parent string) ([]Record, []BadRow, error) {
	items := []json.RawMessage{a.results}
	if !r.Single {
		items = nil
		if err := json.Unmarshal(a.results, &items); err != nil {
			return nil, nil, &APIError{Method: r.List, Reason: ErrMalformed, Message: "the results are no array", Cause: err}
		}
	}
	records := make([]Record, 0, len(items))
	var bad []BadRow
	for _, item := range items {
		record, err := row(r, item, parent, a.sentAt)
		if err != nil {
			bad = append(bad, BadRow{ID: record.ID, Err: fmt.Errorf("ashby %s: %w", r.List, err), Shape: shape(item)})
			continue
		}
		records = append(records, record)
	}
	if len(records) == 0 && len(bad) > 0 {
		return nil, bad, fmt.Errorf("no row can be read, the first for: %w", bad[0].Err)
	}
	return unique(records), bad, nil
}

// row reads one object of a kind. With an error the Record has at most an id.
func row(r Resource, raw json.RawMessage, parent string, sentAt time.Time) (Record, error) {
	raw, err := cleaned(raw)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if r.Kind == KindHiringTeamRole {
		raw = roleObject(raw)
	}
	o, err := parseObject(raw)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %s: %w", ErrMalformed, r.Kind, err)
	}
	if raw, err = o.without(raw, r.Drop); err != nil {
		return Record{}, fmt.Errorf("%w: %s: %w", ErrMalformed, r.Kind, err)
	}
	id, err := identify(r, o, parent)
	if err == nil {
		err = check(r.Kind, o)
	}
	if err != nil {
		return Record{ID: id}, fmt.Errorf("%w: %s: %w", ErrMalformed, r.Kind, err)
	}
	return Record{Kind: r.Kind, ID: id, Parent: parent, UpdatedAt: o.instant("updatedAt"), Raw: raw, SentAt: sentAt}, nil
}

// check says whether the kind's decoder will take the object.
func check(kind Kind, o object) error {
	var err error
	switch kind {
	case KindPosting:
		_, err = postingFrom(o)
	case KindJob:
		_, err = jobFrom(o)
	case KindLocation:
		_, err = locationFrom(o)
	case KindDepartment:
		_, err = departmentFrom(o)
	}
	return err
}

// without drops members from the object and from raw. A dot in a name leads into an object.
func (o object) without(raw json.RawMessage, names []string) (json.RawMessage, error) {
	changed := false
	for _, name := range names {
		dropped, err := o.drop(name)
		if err != nil {
			return nil, err
		}
		changed = changed || dropped
	}
	if !changed {
		return raw, nil
	}
	return encode(o)
}

// drop removes a member and says whether it was there.
func (o object) drop(name string) (bool, error) {
	outer, rest, isDeep := strings.Cut(name, ".")
	if !isDeep {
		_, had := o[name]
		delete(o, name)
		return had, nil
	}
	inner := o.object(outer)
	dropped, err := inner.drop(rest)
	if err != nil || !dropped {
		return false, err
	}
	o[outer], err = encode(inner)
	return true, err
}

// encode writes JSON that keeps <, > and & as they were.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// unique keeps one record of each id: the newest, or of equals the last, in the place of the first.
func unique(records []Record) []Record {
	at := make(map[string]int, len(records))
	kept := records[:0]
	for _, r := range records {
		i, seen := at[r.ID]
		switch {
		case !seen:
			at[r.ID] = len(kept)
			kept = append(kept, r)
		case r.UpdatedAt == nil || kept[i].UpdatedAt == nil || !r.UpdatedAt.Before(*kept[i].UpdatedAt):
			kept[i] = r
		}
	}
	return kept
}

// cleaned removes what JSON allows and databases refuse: NUL characters, halves of surrogate pairs, broken UTF-8.
// One such character in one description must not keep the object from being stored.
func cleaned(raw json.RawMessage) (json.RawMessage, error) {
	if utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u0000`)) &&
		!bytes.Contains(raw, []byte(`\ud`)) && !bytes.Contains(raw, []byte(`\uD`)) {
		return raw, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return encode(withoutNUL(v))
}

func withoutNUL(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "")
	case []any:
		for i := range v {
			v[i] = withoutNUL(v[i])
		}
		return v
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, inner := range v {
			clean[strings.ReplaceAll(name, "\x00", "")] = withoutNUL(inner)
		}
		return clean
	}
	return v
}
