package ashbytest

import "fmt"

// historyOf gives an application the stages that it went through, the last one without an end. An archived one went from
// review.
func (o *Organization) historyOf(application *record) []map[string]any {
	last := o.stageOf(application.n)
	passed := []int{stageReview, last}
	switch {
	case last <= stageReview:
		passed = []int{last}
	case last < stageArchived:
		passed = nil
		for stage := stageReview; stage <= last; stage++ {
			passed = append(passed, stage)
		}
	}
	out := make([]map[string]any, 0, len(passed))
	for i, stage := range passed {
		entered := 60*(len(passed)-i) + application.n/2
		entry := o.historyEntry(application, stableID(o.sim.opts.Seed, application.id, "history", i), o.stageID(application, stage), ago(entered), i)
		if i < len(passed)-1 {
			entry["leftStageAt"] = ago(entered - 60)
		}
		out = append(out, entry)
	}
	return out
}

func (o *Organization) historyEntry(application *record, id, stageID, entered string, i int) map[string]any {
	entry := map[string]any{
		"id": id, "stageId": stageID, "title": o.stageSummary(stageID)["title"], "enteredStageAt": entered, "leftStageAt": nil,
		"stageNumber": i, "allowedActions": []string{"none"},
	}
	if i > 0 { // nobody moved it into its first stage
		entry["actorId"] = o.sid("user", application.n%userCount)
	}
	return entry
}

// evaluationsOf gives every fifth application an evaluation by criteria, every tenth a second one that is not done.
func (o *Organization) evaluationsOf(application *record) []map[string]any {
	if application.n%5 != 0 {
		return nil
	}
	seed := o.sim.opts.Seed
	out := []map[string]any{{
		"id": stableID(seed, application.id, "evaluation", 0), "status": "Completed", "outcome": "Meets", "outcomeNumber": 0.75,
		"reasoning": PersonalMarker + " led a team of four.", "skipReason": nil, "evaluatedAt": ago(application.n / 2),
		"criterion": map[string]any{
			"id": stableID(seed, application.of, "criterion", 0), "title": "Leadership", "type": "ResumePrompt", "prompt": "Did they lead?",
			"applicationFormDefinitionId": nil, "applicationFormFieldPath": nil,
		},
	}}
	if application.n%10 == 0 {
		out = append(out, map[string]any{
			"id": stableID(seed, application.id, "evaluation", 1), "status": "Pending", "outcome": nil,
			"criterion": map[string]any{
				"id": stableID(seed, application.of, "criterion", 1), "title": "Answered", "type": "DidAnswerApplicationFormQuestion",
				"prompt": "", "applicationFormFieldPath": "_systemfield_name",
			},
		})
	}
	return out
}

// notesOf gives candidates no note, one, or two.
func (o *Organization) notesOf(candidate *record) []map[string]any {
	var out []map[string]any
	for i := range candidate.n % 3 {
		out = append(out, map[string]any{
			"id": stableID(o.sim.opts.Seed, candidate.id, "note", i), "createdAt": ago(30 + candidate.n - i), "isPrivate": i == 1,
			"content": fmt.Sprintf("Spoke with %s, who can start in %d weeks.", candidateName(candidate.n), 2+i), "author": o.byline(candidate.n),
		})
	}
	return out
}

// clientsOf gives each second candidate the machine from which the application came.
func (o *Organization) clientsOf(candidate *record) []map[string]any {
	if candidate.n%2 == 1 {
		return nil
	}
	body := map[string]any{
		"id": stableID(o.sim.opts.Seed, candidate.id, "client", 0), "ipAddress": "203.0.113.7", "relatedEntityType": "application",
		"relatedEntityId": o.sid("application", 2*candidate.n), "candidateId": candidate.id, "createdAt": ago(10 + candidate.n),
	}
	if candidate.n%4 == 0 {
		body["userAgent"] = "Mozilla/5.0 (" + PersonalMarker + ")"
	}
	return []map[string]any{body}
}

// fraudChecksOf gives every tenth candidate a check.
func (o *Organization) fraudChecksOf(candidate *record) []map[string]any {
	if candidate.n%10 != 0 {
		return nil
	}
	seed := o.sim.opts.Seed
	return []map[string]any{{
		"id": stableID(seed, candidate.id, "check", 0), "candidateId": candidate.id, "applicationId": o.sid("application", 2*candidate.n),
		"createdAt": ago(candidate.n), "fraudSignals": []map[string]any{{
			"id": stableID(seed, candidate.id, "signal", 0), "category": "Phone", "name": "Voice over IP", "description": "The number is not a line.",
			"value": PersonalMarker,
		}},
	}}
}
