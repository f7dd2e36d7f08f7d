package ashbytest

import (
	"maps"
	"slices"
)

// record is a job, location or department in the very shape in which Ashby shows it, so that imported rows keep fields
// that the simulator knows nothing of. Its body is replaced, never written to: answers are encoded outside the lock.
type record struct {
	id   string
	body map[string]any
	seq  int64 // place in the listing, which never changes
	rev  int64 // revision of the last change
}

func (r *record) text(field string) string {
	s, _ := r.body[field].(string)
	return s
}

func (r *record) flag(field string) bool {
	b, _ := r.body[field].(bool)
	return b
}

// set replaces fields.
func (r *record) set(rev int64, fields map[string]any) {
	body := maps.Clone(r.body)
	maps.Copy(body, fields)
	r.body, r.rev = body, rev
}

// table holds the records of one kind in the order in which they were made.
type table struct {
	rows []*record
	byID map[string]*record
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
	if t.byID == nil {
		t.byID = make(map[string]*record)
	}
	r := &record{id: id, body: body, seq: rev, rev: rev}
	t.rows = append(t.rows, r)
	t.byID[id] = r
	return r
}

// after gives the records behind a place in the listing.
func (t *table) after(seq int64) []*record {
	i, _ := slices.BinarySearchFunc(t.rows, seq+1, func(r *record, want int64) int { return int(r.seq - want) })
	return t.rows[i:]
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
