package ashby

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
)

// identify returns the id by which a row is stored. Mostly it is Ashby's own. Where Ashby gives none, or gives the same
// to several rows, it is made so that the next reading of the same thing makes the same:
//   - A Single object without an id has its parent's; without a parent there is but one, and the kind is its id.
//   - A row that links a parent to an object of another kind, such as a candidate's project, has a hash of both.
//   - A role that comes as a bare name has a hash of the name.
//
// Made ids begin with "x-", but for the parent's. Any other row without an id of its own is an error; the id is what
// could be read of it all the same.
func identify(r Resource, o object, parent string) (string, error) {
	id, err := o.id()
	lacksID := len(o["id"]) == 0 || isNull(o["id"])
	switch {
	case r.Single && r.Parent != "":
		if of := o.text(r.ParentParam); of != "" && of != parent {
			return "", errors.New("it belongs to another parent")
		}
		if lacksID {
			return parent, nil
		}
	case r.Single && lacksID:
		return madeID(string(r.Kind)), nil
	case r.Kind == KindHiringTeamRole && lacksID && len(o) == 1 && o.text("title") != "":
		return madeID(o.text("title")), nil
	case r.linked && err == nil:
		return madeID(parent + "\x00" + id), nil
	}
	return id, err
}

// madeID is an id that depends on the text alone.
func madeID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "x-" + hex.EncodeToString(sum[:16])
}

// roleObject turns a role that is a bare name into an object like those that roles are otherwise.
func roleObject(raw json.RawMessage) json.RawMessage {
	var name string
	if json.Unmarshal(raw, &name) != nil || isNull(raw) {
		return raw
	}
	made, err := encode(map[string]string{"title": name})
	if err != nil {
		return raw
	}
	return made
}

// mostMembers bounds a Shape, which is stored.
const mostMembers = 100

// shape returns the JSON types of a row's top-level members.
func shape(raw json.RawMessage) map[string]string {
	o, err := parseObject(raw)
	if err != nil {
		return map[string]string{"": typeName(raw)}
	}
	types := make(map[string]string, min(len(o), mostMembers))
	for name, value := range o {
		if name = excerpt(name); name != "" && len(types) < mostMembers {
			types[name] = typeName(value)
		}
	}
	return types
}

func typeName(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || raw[0] == 'n':
		return "null"
	case raw[0] == '{':
		return "object"
	case raw[0] == '[':
		return "array"
	case raw[0] == '"':
		return "string"
	case raw[0] == 't' || raw[0] == 'f':
		return "bool"
	default:
		return "number"
	}
}
