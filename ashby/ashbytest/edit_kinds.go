package ashbytest

import (
	"maps"
	"slices"
)

// EditRecord replaces members of a record, those that stand for nothing too, and updatedAt with them where the kind has
// it. The webhook of the kind is sent, if there is one. A record that belongs to a parent changes the parent with it,
// unless Options.QuietChildren is set. It is false when there is no such record.
func (o *Organization) EditRecord(kind, id string, fields map[string]any) bool {
	if kind == "job" {
		return o.editJob(id, fields)
	}
	return o.editOne(kind, id, func(e *edit, k *kindAt) { e.touchRecord(k, k.onUpdate, fields) })
}

// DeleteRecord removes a record for ever: no list shows a trace of it. The webhook of the kind is sent, if there is one;
// for most there is none. With a candidate go the applications, and with an application all that belongs to it. It is
// false when there is no such record, and for a job that has postings.
func (o *Organization) DeleteRecord(kind, id string) bool {
	return o.editOne(kind, id, func(e *edit, k *kindAt) { e.deleteRecord(k) })
}

// ArchiveRecord archives a record or brings it back; users are deactivated, and tracking links disabled. It is false when
// there is no such record.
func (o *Organization) ArchiveRecord(kind, id string, archived bool) bool {
	k := o.sim.catalogue.by[kind]
	if k == nil {
		return false
	}
	field, value := "isArchived", archived
	if k.archive.field != "" {
		field, value = k.archive.field, archived == k.archive.value
	}
	return o.EditRecord(kind, id, map[string]any{field: value})
}

// kindAt is a record with its kind.
type kindAt struct {
	*kind
	r *record
}

// editOne runs an act on one record, which stands in its table then; false when there is none of that id, or when a job
// still has postings.
func (o *Organization) editOne(kind, id string, act func(*edit, *kindAt)) bool {
	return o.commit(func(e *edit) bool {
		k, r := o.find(kind, id)
		if r == nil || k.name == "candidate_project" || k.name == "job" && len(o.byJob[id]) > 0 {
			return false
		}
		if parent, ok := o.parentOf(k, r); ok {
			o.adopt(k, parent)
			r, _ = o.table(kind).get(id)
		}
		act(e, &kindAt{k, r})
		return true
	})
}

func (o *Organization) parentOf(k *kind, r *record) (*record, bool) {
	if k.parent == "" {
		return nil, false
	}
	return o.table(k.parent).get(r.of)
}

// touchRecord changes fields of a record and sends the actions.
func (e *edit) touchRecord(k *kindAt, actions []string, fields map[string]any) {
	changed := make(map[string]any, len(fields)+1)
	if _, has := k.r.fields()["updatedAt"]; has {
		changed["updatedAt"] = instant(e.at)
	}
	maps.Copy(changed, fields)
	k.r.set(e.o.nextRev(), changed)
	e.announce(k, actions, e.o.wholeBody(k.kind, k.r))
	e.touchParent(k)
}

// touchParent changes what a record belongs to, with its webhook. Whether Ashby does so is not documented; without it, no
// incremental list would lead to a new note.
func (e *edit) touchParent(k *kindAt) {
	parent, ok := e.o.parentOf(k.kind, k.r)
	if !ok || e.o.sim.opts.QuietChildren {
		return
	}
	of := e.o.sim.catalogue.by[k.parent]
	e.touchRecord(&kindAt{of, parent}, of.onUpdate, nil)
}

// announce sends the actions with a body.
func (e *edit) announce(k *kindAt, actions []string, body map[string]any) {
	for _, action := range actions {
		shown := body
		if action == "interviewScheduleUpdate" {
			shown = maps.Clone(body)
			if application, ok := e.o.table("application").get(k.r.of); ok {
				shown["candidateId"] = e.o.sid("candidate", application.n/2)
			}
		}
		e.events = append(e.events, event{action: action, object: k.r.id, data: map[string]any{k.payload: shown}})
	}
}

func (e *edit) deleteRecord(k *kindAt) {
	o := e.o
	gone := map[string]any{"id": k.r.id}
	if k.name == "offer" {
		gone["applicationId"] = k.r.of
	}
	if k.name == "candidate" {
		for _, application := range o.applicationsOf(k.r) {
			e.forget("application", application)
		}
	}
	e.forget(k.name, k.r)
	e.announce(k, k.onDelete, gone)
	e.touchParent(k)
}

// forget removes a record and all that belongs to it, without a webhook.
func (e *edit) forget(name string, r *record) {
	o := e.o
	o.table(name).remove(r.id)
	if name == "job" { // its applications stay, as nobody said otherwise
		return
	}
	for i := range o.sim.catalogue.kinds {
		k := &o.sim.catalogue.kinds[i]
		for _, part := range slices.Clone(o.table(k.name).byOf[r.id]) {
			e.forget(k.name, part)
		}
	}
}

// create adds the next record of a kind, as a person makes one: with its time, its fields and its webhooks.
func (e *edit) create(name, of string, fields map[string]any) *kindAt {
	o := e.o
	k := &kindAt{o.sim.catalogue.by[name], nil}
	k.r = o.generateOne(name, of)
	e.fresh(k.r, fields)
	e.announce(k, k.onCreate, o.wholeBody(k.kind, k.r))
	e.touchParent(k)
	return k
}

// fresh gives a record that was just generated the time of the edit, and fields.
func (e *edit) fresh(r *record, fields map[string]any) {
	changed := make(map[string]any, len(fields)+2)
	for _, name := range []string{"createdAt", "updatedAt", "submittedAt"} {
		if _, has := r.fields()[name]; has {
			changed[name] = instant(e.at)
		}
	}
	if latest, ok := r.fields()["latestVersion"].(map[string]any); ok {
		latest = maps.Clone(latest)
		latest["createdAt"] = instant(e.at)
		changed["latestVersion"] = latest
	}
	maps.Copy(changed, fields)
	r.set(r.rev, changed)
}
