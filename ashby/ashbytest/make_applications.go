package ashbytest

import "maps"

// stageOf is the stage that a generated application is in: most are under review or archived.
func (o *Organization) stageOf(application int) int {
	return []int{0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 6, 6, 6}[o.roll("stage", application).pick(0, 13)]
}

// planOf is the number of the plan of a job; the first where it has none of ours.
func (o *Organization) planOf(jobID string) int {
	job, ok := o.jobs.get(jobID)
	if !ok {
		return 0
	}
	for plan := range planCount {
		if job.text("defaultInterviewPlanId") == o.sid("interview_plan", plan) {
			return plan
		}
	}
	return 0
}

func (o *Organization) stageID(application *record, stage int) string {
	return o.sid("interview_stage", o.planOf(application.of)*len(stages)+stage)
}

// statusAt is the status of an application in a stage of that group.
func statusAt(group string) string {
	switch group {
	case "Lead", "Hired", "Archived":
		return group
	default:
		return "Active"
	}
}

// makeApplication makes an application for the job that the record belongs to.
func (o *Organization) makeApplication(r *record) map[string]any {
	dice, stage := o.roll("application", r.n), o.stageOf(r.n)
	body := map[string]any{
		"id": r.id, "createdAt": ago(10 + r.n/2), "updatedAt": ago(r.n / 2), "status": statusAt(stages[stage].group),
		"customFields": []map[string]any{}, "candidate": o.candidateSummary(r), "currentInterviewStage": o.stageSummary(o.stageID(r, stage)),
		"archiveReason": nil, "archivedAt": nil, "job": o.jobSummary(r.of), "creditedToUser": nil, "hiringTeam": o.hiringTeam(1),
		"submitterClientIp": nil, "submitterUserAgent": nil,
		"isInternal": false, // not documented
	}
	if stage == stageArchived {
		body["archivedAt"] = ago(r.n / 2)
		if reason, ok := o.shown("archive_reason", dice.pick(0, 5)).(map[string]any); ok {
			reason = maps.Clone(reason)
			reason["customFields"] = []map[string]any{}
			body["archiveReason"] = reason
		}
	}
	if source := o.shown("source", dice.pick(1, len(sources))); source != nil {
		body["source"] = source
	}
	if dice.pick(2, 2) == 0 {
		body["submitterClientIp"], body["submitterUserAgent"] = "203.0.113.7", "Mozilla/5.0 ("+PersonalMarker+")"
	}
	if via := o.byJob[r.of]; len(via) > 0 && dice.pick(3, 3) > 0 {
		body["appliedViaJobPostingId"] = via[0].id
	}
	return body
}

// candidateSummary is the candidate as an application shows it, with the name as it is now.
func (o *Organization) candidateSummary(application *record) map[string]any {
	n := application.n / 2
	out := map[string]any{"id": o.sid("candidate", n), "name": candidateName(n), "primaryEmailAddress": candidateEmail(n)}
	candidate, ok := o.candidateOf(application)
	if !ok {
		return out
	}
	body := candidate.fields()
	for _, name := range []string{"name", "primaryEmailAddress", "primaryPhoneNumber"} {
		if body[name] != nil {
			out[name] = body[name]
		}
	}
	return out
}

func (o *Organization) stageSummary(id string) map[string]any {
	if r, ok := o.table("interview_stage").get(id); ok {
		return r.fields()
	}
	return map[string]any{
		"id": id, "title": "Application review", "type": "PreInterviewScreen", "orderInInterviewPlan": 1, "interviewPlanId": o.sid("interview_plan", 0),
	}
}

func (o *Organization) jobSummary(id string) map[string]any {
	out := map[string]any{"id": id, "title": ""}
	if job, ok := o.jobs.get(id); ok {
		for _, name := range []string{"title", "locationId", "departmentId"} {
			if text := job.text(name); text != "" {
				out[name] = text
			}
		}
	}
	return out
}

// wholeApplication is an application as application.info shows it.
func (o *Organization) wholeApplication(r *record, p params) any {
	body := maps.Clone(r.fields())
	history := []any{}
	for _, h := range o.children(o.sim.catalogue.by["application_history"], r) {
		history = append(history, h.fields())
	}
	body["applicationHistory"] = history
	for _, part := range p.texts("expand") {
		switch part {
		case "openings":
			body["openings"] = o.openingsOf(r.of)
		case "applicationFormSubmissions":
			body["applicationFormSubmissions"] = []any{map[string]any{
				"id": stableID(o.sim.opts.Seed, r.id, "submission", 0), "formDefinition": smallForm(o.sim.opts.Seed, r.id, "Apply"),
				"submittedValues": formValues(r.n),
			}}
		case "referrals":
			body["referrals"] = []any{map[string]any{"user": o.someone(r.n), "referredAt": ago(20)}}
		}
	}
	return body
}
