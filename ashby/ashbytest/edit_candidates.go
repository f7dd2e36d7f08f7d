package ashbytest

import "maps"

// EditCandidate replaces members of a candidate. No webhook exists for that.
func (o *Organization) EditCandidate(id string, fields map[string]any) bool {
	return o.EditRecord("candidate", id, fields)
}

// DeleteCandidate removes a candidate with all applications, for ever.
func (o *Organization) DeleteCandidate(id string) bool { return o.DeleteRecord("candidate", id) }

// SubmitApplication has a new candidate apply for a job; both ids are empty when there is no such job.
func (o *Organization) SubmitApplication(jobID string) (candidate, application string) {
	o.commit(func(e *edit) bool {
		if _, ok := o.jobs.get(jobID); !ok {
			return false
		}
		o.furnishHiring()
		who := e.create("candidate", "", nil)
		k := &kindAt{o.sim.catalogue.by["application"], o.generateAs("application", jobID, 2*who.r.n)}
		stage := o.stageID(k.r, stageReview)
		e.fresh(k.r, map[string]any{"status": "Active", "currentInterviewStage": o.stageSummary(stage), "archivedAt": nil, "archiveReason": nil})
		history := o.table("application_history")
		if history.whole == nil {
			history.whole = make(map[string]bool)
		}
		history.whole[k.r.id] = true
		e.enter(k.r, stage, 0)
		e.announce(k, []string{"applicationSubmit"}, o.wholeBody(k.kind, k.r))
		who.r.set(who.r.rev, map[string]any{"applicationIds": o.applicationIDs(who.r)})
		candidate, application = who.r.id, k.r.id
		return true
	})
	return candidate, application
}

// MoveApplication moves an application to another stage of an interview plan, and writes that into its history. Into a
// stage of the type Hired it is a hire. It is false when there is no such application or stage.
func (o *Organization) MoveApplication(id, stageID string) bool {
	return o.commit(func(e *edit) bool {
		r, ok := o.table("application").get(id)
		stage, known := o.table("interview_stage").get(stageID)
		if !ok || !known {
			return false
		}
		history := o.sim.catalogue.by["application_history"]
		o.adopt(history, r)
		entries := o.table(history.name).byOf[id]
		if n := len(entries); n > 0 {
			entries[n-1].set(o.nextRev(), map[string]any{"leftStageAt": instant(e.at)})
		}
		e.enter(r, stageID, len(entries))
		fields := map[string]any{
			"currentInterviewStage": stage.fields(), "status": statusAt(stage.text("type")), "archivedAt": nil, "archiveReason": nil,
		}
		actions := []string{"candidateStageChange", "applicationUpdate"}
		switch stage.text("type") {
		case "Archived":
			fields["archivedAt"] = instant(e.at)
			if reason, ok := o.shown("archive_reason", 0).(map[string]any); ok {
				reason = maps.Clone(reason)
				reason["customFields"] = []map[string]any{}
				fields["archiveReason"] = reason
			}
		case "Hired":
			actions = append(actions, "candidateHire")
		}
		e.touchRecord(&kindAt{o.sim.catalogue.by["application"], r}, actions, fields)
		return true
	})
}

// enter writes into an application's history that it came into a stage.
func (e *edit) enter(application *record, stageID string, place int) {
	t := e.o.table("application_history")
	t.made++
	id := stableID(e.o.sim.opts.Seed, application.id, "entry", t.made)
	rev := e.o.nextRev()
	t.add(&record{
		id: id, of: application.id, seq: rev, rev: rev, body: e.o.historyEntry(application, id, stageID, instant(e.at), place),
	})
}

// AddNote writes a note about a candidate; the id is empty when there is none. No webhook exists for that.
func (o *Organization) AddNote(candidateID, content string) (id string) {
	o.commit(func(e *edit) bool {
		candidate, ok := o.table("candidate").get(candidateID)
		if !ok {
			return false
		}
		k := o.sim.catalogue.by["candidate_note"]
		o.adopt(k, candidate)
		t := o.table(k.name)
		t.made++
		id = stableID(o.sim.opts.Seed, candidateID, "added note", t.made)
		rev := o.nextRev()
		r := t.add(&record{id: id, of: candidateID, seq: rev, rev: rev, body: map[string]any{
			"id": id, "createdAt": instant(e.at), "isPrivate": false, "content": content, "author": o.byline(0),
		}})
		e.touchParent(&kindAt{k, r})
		return true
	})
	return id
}

// MergeCandidates merges a candidate into another one, which gets the e-mail addresses; the first is gone for ever, with
// its applications. It is false when one of them is not there.
func (o *Organization) MergeCandidates(gone, into string) bool {
	return o.commit(func(e *edit) bool {
		from, ok := o.table("candidate").get(gone)
		to, known := o.table("candidate").get(into)
		if !ok || !known || from == to {
			return false
		}
		emails := append(anyList(to.fields()["emailAddresses"]), anyList(from.fields()["emailAddresses"])...)
		for _, application := range o.applicationsOf(from) {
			e.forget("application", application)
		}
		e.forget("candidate", from)
		e.touchRecord(&kindAt{o.sim.catalogue.by["candidate"], to}, nil, map[string]any{"emailAddresses": emails})
		e.events = append(e.events, event{action: "candidateMerge", object: gone, data: map[string]any{
			"deletedCandidate": map[string]any{"id": gone}, "mergedCandidate": map[string]any{"id": into},
		}})
		return true
	})
}

// anyList reads a list of objects, which after Load is one of values of any type.
func anyList(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	objects, _ := value.([]map[string]any)
	out := make([]any, 0, len(objects))
	for _, one := range objects {
		out = append(out, one)
	}
	return out
}
