package events_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
)

type object = map[string]any

// documents are the schemas of one version of the contract, by file name.
type documents map[string]object

func readSchemas(files fs.FS) (documents, error) {
	names, err := fs.Glob(files, "*.schema.json")
	if err != nil {
		return nil, err
	}
	docs := documents{}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var doc object
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		docs[name] = doc
	}
	return docs, nil
}

// resolve follows a $ref of a file, and says in which file its target lies.
func (d documents) resolve(file, ref string) (target any, in string) {
	name, pointer, _ := strings.Cut(ref, "#")
	if name == "" {
		name = file
	}
	doc, known := d[name]
	if !known {
		return nil, ""
	}
	var node any = doc
	for _, step := range strings.Split(strings.Trim(pointer, "/"), "/") {
		if step != "" {
			o, _ := node.(object)
			node = o[step]
		}
	}
	return node, name
}

// drift is what a contract changed against another one.
//
// Two readers rely on a schema. One of the older contract reads what is sent now: whatever that may hold must have been
// possible before. One of the newer contract also reads what was sent before, since the stream keeps the last messages of a
// job for as long as it is public: whatever these hold must be possible still. What a schema says of a field is therefore
// neither loosened nor tightened. What is free to come is what neither reader misses: new fields, whose absence in older
// messages readers take as empty; a promise that a field is always sent from now on; new types; values of a set that the
// older contract called open; and words for people.
type drift struct {
	old, now documents
	// breaks say what a reader may stumble on, additions what is new and harmless.
	breaks, additions []string
}

func compare(old, now documents) *drift {
	d := &drift{old: old, now: now}
	for _, file := range slices.Sorted(maps.Keys(old)) {
		if now[file] == nil {
			d.broken(file, "the schema is gone")
			continue
		}
		d.node(file, spot{file, file}, old[file], now[file])
	}
	for _, file := range slices.Sorted(maps.Keys(now)) {
		if old[file] == nil {
			d.added(file, "a new schema")
		}
	}
	return d
}

func (d *drift) broken(path, format string, args ...any) {
	d.breaks = append(d.breaks, path+": "+fmt.Sprintf(format, args...))
}

func (d *drift) added(path, format string, args ...any) {
	d.additions = append(d.additions, path+": "+fmt.Sprintf(format, args...))
}

// spot is where two schemas that are compared lie.
type spot struct{ old, now string }

// node compares two schemas.
func (d *drift) node(path string, at spot, old, now any) {
	o, isOld := old.(object)
	n, isNow := now.(object)
	if !isOld || !isNow {
		if !reflect.DeepEqual(old, now) {
			d.broken(path, "from %v to %v", old, now)
		}
		return
	}
	keywords := maps.Clone(o)
	maps.Copy(keywords, n)
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		d.keyword(path, at, keyword, o, n)
	}
}

func (d *drift) keyword(path string, at spot, keyword string, old, now object) {
	before, had := old[keyword]
	after, has := now[keyword]
	below := path + "/" + keyword
	switch keyword {
	case "title", "description", "examples", "$comment", "deprecated":
		return // for people
	case "$defs":
		return // what lies there is compared where it is referred to
	case "properties":
		d.properties(below, at, before, after)
		return
	case "required":
		d.required(below, before, after)
		return
	}
	switch {
	case !had:
		d.broken(below, "is new: messages of before may not keep to it")
	case !has:
		d.broken(below, "is gone: readers rely on it")
	case keyword == "enum":
		d.enum(below, old["x-open"] == true, before, after)
	case keyword == "$ref":
		target, file := d.old.resolve(at.old, before.(string))
		other, otherFile := d.now.resolve(at.now, after.(string))
		if target == nil || other == nil {
			d.broken(below, "leads nowhere")
			return
		}
		d.node(below, spot{file, otherFile}, target, other)
	case keyword == "items", keyword == "then", keyword == "else":
		d.node(below, at, before, after)
	case keyword == "anyOf", keyword == "oneOf", keyword == "allOf":
		d.branches(below, at, before, after)
	case !reflect.DeepEqual(before, after): // type, const, format, pattern, bounds, if, not, and whatever is not known here
		d.broken(below, "from %v to %v", before, after)
	}
}

func (d *drift) properties(path string, at spot, before, after any) {
	old, _ := before.(object)
	now, _ := after.(object)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if property, kept := now[name]; kept {
			d.node(path+"/"+name, at, old[name], property)
		} else {
			d.broken(path+"/"+name, "the field is gone")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, had := old[name]; !had {
			d.added(path+"/"+name, "a new field")
		}
	}
}

// required compares what is always sent. More may be promised; less may not.
func (d *drift) required(path string, before, after any) {
	old, _ := before.([]any)
	now, _ := after.([]any)
	for _, name := range old {
		if !slices.Contains(now, name) {
			d.broken(path, "%v may be missing now", name)
		}
	}
	for _, name := range now {
		if !slices.Contains(old, name) {
			d.added(path, "%v is always sent now", name)
		}
	}
}

func (d *drift) enum(path string, isOpen bool, before, after any) {
	old, _ := before.([]any)
	now, _ := after.([]any)
	for _, value := range old {
		if !slices.Contains(now, value) {
			d.broken(path, "%v is gone, and stands in messages of before", value)
		}
	}
	for _, value := range now {
		switch {
		case slices.Contains(old, value):
		case isOpen:
			d.added(path, "a new value %v", value)
		default:
			d.broken(path, "a new value %v of a closed set", value)
		}
	}
}

// branches compares alternatives or parts one by one: another number of them, or another order, is not looked into.
func (d *drift) branches(path string, at spot, before, after any) {
	old, _ := before.([]any)
	now, _ := after.([]any)
	if len(old) != len(now) {
		d.broken(path, "%d schemas instead of %d", len(now), len(old))
		return
	}
	for i := range old {
		d.node(fmt.Sprintf("%s/%d", path, i), at, old[i], now[i])
	}
}
