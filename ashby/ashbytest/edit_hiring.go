package ashbytest

import (
	"maps"
	"slices"
)

// ScheduleInterview schedules an interview for an application; the id is empty when there is none.
func (o *Organization) ScheduleInterview(applicationID string) (schedule string) {
	return o.createFor(applicationID, "interview_schedule", map[string]any{"status": "Scheduled"})
}

// CreateOffer makes an offer for an application; the id is empty when there is none.
func (o *Organization) CreateOffer(applicationID string) (offer string) {
	return o.createFor(applicationID, "offer", map[string]any{
		"acceptanceStatus": "WaitingOnResponse", "offerStatus": "WaitingOnCandidateResponse", "decidedAt": nil,
	})
}

// UpdateOffer replaces members of an offer.
func (o *Organization) UpdateOffer(id string, fields map[string]any) bool {
	return o.EditRecord("offer", id, fields)
}

// DeleteOffer removes an offer for ever.
func (o *Organization) DeleteOffer(id string) bool { return o.DeleteRecord("offer", id) }

// SubmitSurvey has a candidate fill in a survey about an application; the id is empty when there is none.
func (o *Organization) SubmitSurvey(applicationID string) (submission string) {
	return o.createFor(applicationID, "survey_submission", nil)
}

// createFor makes a record that belongs to an application.
func (o *Organization) createFor(applicationID, kind string, fields map[string]any) (id string) {
	o.commit(func(e *edit) bool {
		if _, ok := o.table("application").get(applicationID); !ok {
			return false
		}
		o.furnishHiring()
		id = e.create(kind, applicationID, fields).r.id
		return true
	})
	return id
}

// CreateOpening makes an opening for jobs; the id is empty when none is given, or one is not there.
func (o *Organization) CreateOpening(jobIDs ...string) (id string) {
	o.commit(func(e *edit) bool {
		if len(jobIDs) == 0 {
			return false
		}
		for _, job := range jobIDs {
			if _, ok := o.jobs.get(job); !ok {
				return false
			}
		}
		k := &kindAt{kind: o.sim.catalogue.by["opening"]}
		k.r = o.generateOne("opening", jobIDs[0])
		latest, _ := k.r.fields()["latestVersion"].(map[string]any)
		latest = maps.Clone(latest)
		latest["jobIds"], latest["createdAt"] = slices.Clone(jobIDs), instant(e.at)
		e.fresh(k.r, map[string]any{"openingState": "Open", "openedAt": instant(e.at), "closedAt": nil, "latestVersion": latest})
		e.announce(k, k.onCreate, o.wholeBody(k.kind, k.r))
		id = k.r.id
		return true
	})
	return id
}

// DeleteJob removes a job without postings for ever, without a webhook: none exists. Its applications stay.
func (o *Organization) DeleteJob(id string) bool { return o.DeleteRecord("job", id) }

// DeleteLocation removes a location for ever, without a webhook: none exists. Postings go on naming its id.
func (o *Organization) DeleteLocation(id string) bool { return o.DeleteRecord("location", id) }

// TransitionPlan gives a job another interview plan; applications stay in their stages.
func (o *Organization) TransitionPlan(jobID, planID string) bool {
	return o.commit(func(e *edit) bool {
		job, ok := o.jobs.get(jobID)
		plan, known := o.table("interview_plan").get(planID)
		if !ok || !known {
			return false
		}
		summary := func(id string) map[string]any {
			if r, ok := o.table("interview_plan").get(id); ok {
				return map[string]any{"id": id, "title": r.text("title")}
			}
			return map[string]any{"id": id, "title": ""}
		}
		mappings := []any{}
		for i := range stages {
			mappings = append(mappings, map[string]any{
				"fromInterviewStageId": o.sid("interview_stage", o.planOf(jobID)*len(stages)+i),
				"toInterviewStageId":   o.sid("interview_stage", plan.n*len(stages)+i),
			})
		}
		data := map[string]any{
			"jobId": jobID, "fromInterviewPlan": summary(job.text("defaultInterviewPlanId")), "toInterviewPlan": summary(planID),
			"interviewStageMappings": mappings,
		}
		e.events = append(e.events, event{action: "interviewPlanTransition", object: jobID, data: data})
		e.touchJob(job, "jobUpdate", map[string]any{"defaultInterviewPlanId": planID, "interviewPlanIds": []string{planID}})
		return true
	})
}

// PushToHRIS tells of an application that it went to the employer's system of employees.
func (o *Organization) PushToHRIS(applicationID string) bool {
	return o.editOne("application", applicationID, func(e *edit, k *kindAt) {
		e.announce(k, []string{"pushToHRIS"}, o.wholeBody(k.kind, k.r))
	})
}

// SignatureRequest tells of an offer that its request for a signature was sent, cancelled, completed or deleted.
func (o *Organization) SignatureRequest(offerID, eventType string) bool {
	return o.editOne("offer", offerID, func(e *edit, k *kindAt) {
		latest, _ := k.r.fields()["latestVersion"].(map[string]any)
		e.events = append(e.events, event{action: "signatureRequestUpdate", object: offerID, data: map[string]any{
			"relatedEntityType": "offer", "eventType": eventType, "offerId": offerID, "offerVersionId": latest["id"],
		}})
	})
}
