package ashbytest

// kind is a row of the table of what the simulator holds and shows beside postings: everything that tells one sort of
// object from another. The names are those of package ashby's catalogue.
type kind struct {
	name, scope string
	// list and info are the methods that read all and one. single says that list answers one object instead of a list.
	list, info string
	single     bool
	// idParam is the parameter of info; words after a bar are other parameters that Ashby takes in its place, which find
	// nothing here.
	idParam string
	// missing is the code for an unknown id; the name and "_not_found" when empty.
	missing string
	// paged, token and created say that list takes cursor and limit, syncToken, and createdAfter. total says that its
	// answer has moreDataAvailable without any of them, as the May document shows some.
	paged, token, created, total bool
	// parent is the kind whose id list demands, as parentParam.
	parent, parentParam string
	archive             archive
	// params and infoParams are what list and info take besides; needs is one of params that list demands.
	params, infoParams map[string]rule
	needs              string
	// seen says whether the key may see a record, fits whether the other parameters let it through; nil is yes.
	seen func(*Organization, *record, *apiKey) bool
	fits func(*Organization, *record, params) bool
	// show and showInfo give a record the shape of list and info; nil shows it as it is, or as list does.
	show, showInfo func(*Organization, *record, params) any
	// search is the endpoint that finds objects by text, where there is one.
	search search

	// count is how many GenerateHiring makes. make gives the body of a generated record, and belongs the id of what the
	// n-th belongs to.
	count   int
	make    func(*Organization, *record) map[string]any
	belongs func(*Organization, int) string
	// derive gives the records that a parent has from the beginning, which take no storage until one is changed.
	derive func(*Organization, *record) []map[string]any

	// onCreate, onUpdate and onDelete are the webhooks of edits, payload the member of their data that has the object.
	onCreate, onUpdate, onDelete []string
	payload                      string
}

// archive is the parameter without which archived objects stay away, and the flag by which they are known.
type archive struct {
	param, field string
	value        bool
}

var (
	byArchived = archive{"includeArchived", "isArchived", true}
	byEnabled  = archive{"includeDeactivated", "isEnabled", false}
	byDisabled = archive{"includeDisabled", "enabled", false}
)

// search is a method that finds objects by the text of a field, whole and without regard to case.
type search struct {
	method string
	params map[string]func(*record) []string // parameter to the texts that it is compared with
}

// catalogue is the table of all kinds. It belongs to a simulator, as its functions look things up in it.
type catalogue struct {
	kinds []kind
	by    map[string]*kind
}

func newCatalogue() catalogue {
	c := catalogue{kinds: allKinds(), by: make(map[string]*kind)}
	for i := range c.kinds {
		c.by[c.kinds[i].name] = &c.kinds[i]
	}
	return c
}

func allKinds() []kind {
	var out []kind
	for _, module := range [][]kind{
		jobKinds(), hiringKinds(), peopleKinds(), interviewKinds(), candidateKinds(), candidateParts(), offerKinds(),
	} {
		out = append(out, module...)
	}
	return out
}

// Kinds gives the names of all kinds of records, in the order in which GenerateHiring makes them. Postings and job boards
// are not among them: they have methods of their own.
func Kinds() []string {
	var out []string
	for _, k := range allKinds() {
		out = append(out, k.name)
	}
	return out
}

// table gives the records of a kind.
func (o *Organization) table(name string) *table {
	switch name {
	case "job":
		return &o.jobs
	case "location":
		return &o.locations
	case "department":
		return &o.departments
	}
	t, ok := o.tables[name]
	if !ok {
		t = &table{}
		if k := o.sim.catalogue.by[name]; k != nil && k.make != nil {
			t.make = func(r *record) map[string]any { return k.make(o, r) }
		}
		o.tables[name] = t
	}
	return t
}

// reserve is how many revisions lie between a generated record and the next: room for the places of the records that
// are derived from it.
const reserve = 32

// generateOne adds the next generated record of a kind.
func (o *Organization) generateOne(name, of string) *record {
	t := o.table(name)
	n := t.made
	t.made++
	return o.generateAs(name, of, n)
}

// generateAs adds the generated record of a number.
func (o *Organization) generateAs(name, of string, n int) *record {
	rev := o.nextRev()
	o.rev += reserve
	return o.table(name).add(&record{id: o.sid(name, n), of: of, n: n, seq: rev, rev: rev})
}

// sid is the id of the n-th generated record of a kind.
func (o *Organization) sid(name string, n int) string {
	return stableID(o.sim.opts.Seed, o.slug, name, n)
}

// children gives the records of a kind that belong to a parent.
func (o *Organization) children(k *kind, parent *record) []*record {
	t := o.table(k.name)
	if k.derive == nil || t.whole[parent.id] {
		return t.byOf[parent.id]
	}
	bodies := k.derive(o, parent)
	out := make([]*record, 0, len(bodies))
	for i, body := range bodies {
		id, _ := body["id"].(string)
		seq := parent.seq + 1 + int64(i)
		out = append(out, &record{id: id, of: parent.id, body: body, seq: seq, rev: seq})
	}
	return out
}

// adopt puts the derived records of a parent into the table, before one of them is changed or another one is added.
func (o *Organization) adopt(k *kind, parent *record) {
	t := o.table(k.name)
	if k.derive == nil || t.whole[parent.id] {
		return
	}
	for _, r := range o.children(k, parent) {
		t.add(r)
	}
	if t.whole == nil {
		t.whole = make(map[string]bool)
	}
	t.whole[parent.id] = true
}
