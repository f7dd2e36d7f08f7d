package ashbytest

import "maps"

// RecordIDs gives the ids of a kind's records in the order in which they are listed, archived ones included. Those that
// belong to a parent, such as a candidate's notes, come from all parents. It is empty for an unknown kind.
func (o *Organization) RecordIDs(kind string) []string {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	var out []string
	for _, r := range o.all(kind) {
		out = append(out, r.id)
	}
	return out
}

// RecordIDsOf is RecordIDs of one parent.
func (o *Organization) RecordIDsOf(kind, parent string) []string {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	var out []string
	if k := o.sim.catalogue.by[kind]; k != nil && k.parent != "" {
		if of, ok := o.table(k.parent).get(parent); ok {
			for _, r := range o.children(k, of) {
				out = append(out, r.id)
			}
		}
	}
	return out
}

// Record gives an object as its list shows it, the truth for tests to compare with; nobody may write to what is in it.
// It is false when there is none of that id.
func (o *Organization) Record(kind, id string) (map[string]any, bool) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	k, r := o.find(kind, id)
	if r == nil {
		return nil, false
	}
	return o.wholeBody(k, r), true
}

// wholeBody is a record in the shape of lists and webhooks.
func (o *Organization) wholeBody(k *kind, r *record) map[string]any {
	if body, ok := k.shape(o, r, nil).(map[string]any); ok {
		return maps.Clone(body)
	}
	return maps.Clone(r.fields()) // of hiring team roles, lists show the titles alone
}

// all gives the records of a kind, of all parents.
func (o *Organization) all(kind string) []*record {
	k := o.sim.catalogue.by[kind]
	if k == nil {
		return nil
	}
	if k.derive == nil {
		return o.table(kind).rows
	}
	var out []*record
	for _, parent := range o.table(k.parent).rows {
		out = append(out, o.children(k, parent)...)
	}
	return out
}

// find looks a record up, among the derived ones too.
func (o *Organization) find(kind, id string) (*kind, *record) {
	k := o.sim.catalogue.by[kind]
	if k == nil {
		return nil, nil
	}
	if r, ok := o.table(kind).get(id); ok {
		return k, r
	}
	if k.derive != nil {
		for _, r := range o.all(kind) {
			if r.id == id {
				return k, r
			}
		}
	}
	return k, nil
}
