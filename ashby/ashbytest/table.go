package ashbytest

import (
	"cmp"
	"maps"
	"slices"
)

// record is an object of any kind but postings, in the very shape in which Ashby shows it, so that imported rows keep
// fields that the simulator knows nothing of. Its body is replaced, never written to: answers are encoded outside the
// lock.
type record struct {
	id string
	of string // id of the object that it belongs to: an application's job, a note's candidate
	// body is nil in a generated record that nobody has changed; it is then made each time it is shown, so that 100,000
	// candidates cost little.
	body map[string]any
	n    int // number of a generated record in its kind
	home *table
	seq  int64 // place in the listing, which never changes
	rev  int64 // revision of the last change
}

// fields gives the body, which nobody may write to.
func (r *record) fields() map[string]any {
	if r.body == nil && r.home != nil && r.home.make != nil {
		return r.home.make(r)
	}
	return r.body
}

func (r *record) text(field string) string {
	s, _ := r.fields()[field].(string)
	return s
}

func (r *record) flag(field string) bool {
	b, _ := r.fields()[field].(bool)
	return b
}

// set replaces fields.
func (r *record) set(rev int64, fields map[string]any) {
	body := maps.Clone(r.fields())
	maps.Copy(body, fields)
	r.body, r.rev = body, rev
}

// table holds the records of one kind in the order of their places.
type table struct {
	rows []*record
	byID map[string]*record
	byOf map[string][]*record
	made int                          // records generated so far, which numbers the next
	make func(*record) map[string]any // nil for kinds whose bodies are all kept
	// whole has the parents whose derived records stand in the table, because one of them was changed.
	whole map[string]bool
}

func (t *table) get(id string) (*record, bool) {
	r, ok := t.byID[id]
	return r, ok
}

// put adds a record or replaces the one of the same id, which keeps its place.
func (t *table) put(rev int64, body map[string]any) *record {
	id, _ := body["id"].(string)
	if r, ok := t.byID[id]; ok {
		r.body, r.rev = body, rev
		return r
	}
	return t.add(&record{id: id, body: body, seq: rev, rev: rev})
}

// add puts a new record at its place.
func (t *table) add(r *record) *record {
	if t.byID == nil {
		t.byID, t.byOf = make(map[string]*record), make(map[string][]*record)
	}
	r.home = t
	t.byID[r.id] = r
	t.rows = placed(t.rows, r)
	if r.of != "" {
		t.byOf[r.of] = placed(t.byOf[r.of], r)
	}
	return r
}

// placed inserts a record by its place, which is the last one but for records that were derived before.
func placed(rows []*record, r *record) []*record {
	i := len(rows)
	if i > 0 && rows[i-1].seq > r.seq {
		i, _ = slices.BinarySearchFunc(rows, r.seq, func(at *record, seq int64) int { return cmp.Compare(at.seq, seq) })
	}
	return slices.Insert(rows, i, r)
}

// remove deletes a record for ever; false when there is none of that id.
func (t *table) remove(id string) bool {
	r, ok := t.byID[id]
	if !ok {
		return false
	}
	delete(t.byID, id)
	isIt := func(other *record) bool { return other == r }
	t.rows = slices.DeleteFunc(t.rows, isIt)
	if r.of != "" {
		t.byOf[r.of] = slices.DeleteFunc(t.byOf[r.of], isIt)
	}
	return true
}

// after gives the records behind a place in the listing.
func after(rows []*record, seq int64) []*record {
	i, _ := slices.BinarySearchFunc(rows, seq+1, func(r *record, want int64) int { return cmp.Compare(r.seq, want) })
	return rows[i:]
}

// byName finds the first record of a name.
func (t *table) byName(name string, fits func(*record) bool) (*record, bool) {
	for _, r := range t.rows {
		if r.text("name") == name && fits(r) {
			return r, true
		}
	}
	return nil, false
}
