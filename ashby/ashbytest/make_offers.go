package ashbytest

import "fmt"

var (
	offerStatuses = []string{
		"CandidateAccepted", "WaitingOnCandidateResponse", "WaitingOnApprovalStart", "WaitingOnOfferApproval", "CandidateRejected",
		"OfferCancelled", "WaitingOnApprovalDefinition",
	}
	acceptanceStatuses = []string{"Accepted", "WaitingOnResponse", "Created", "Pending", "Declined", "Cancelled"}
)

// makeOffer makes an offer for an application.
func (o *Organization) makeOffer(r *record) map[string]any {
	at := r.n % len(acceptanceStatuses)
	latest := map[string]any{
		"id": stableID(o.sim.opts.Seed, r.id, "version", 1), "createdAt": ago(500 + r.n), "startDate": "2026-09-01T00:00:00.000Z",
		"salary": map[string]any{"currencyCode": "EUR", "value": 60_000 + 500*(r.n%50)}, "customFields": []map[string]any{},
		"fileHandles": []map[string]any{{
			"id": stableID(o.sim.opts.Seed, r.id, "file", 0), "name": fmt.Sprintf("Offer %s.pdf", PersonalMarker), "handle": "handle-" + r.id,
		}},
		"author": o.someone(r.n), "approvalStatus": "Approved",
	}
	if r.n%3 == 0 {
		latest["openingId"] = o.sid("opening", 0)
	}
	if at == 2 {
		latest["approvalStatus"] = nil
	}
	body := map[string]any{
		"id": r.id, "decidedAt": nil, "applicationId": r.of, "acceptanceStatus": acceptanceStatuses[at], "offerStatus": offerStatuses[at],
		"latestVersion": latest,
	}
	if at == 0 {
		body["decidedAt"] = ago(100 + r.n)
	}
	return body
}

// makeApproval makes approvals of jobs, openings and offers, done and waiting.
func (o *Organization) makeApproval(r *record) map[string]any {
	seed := o.sim.opts.Seed
	approver := map[string]any{
		"id": stableID(seed, r.id, "approver", 0), "userId": o.sid("user", r.n), "decision": "pending", "requestedAt": ago(80),
	}
	step := map[string]any{"id": stableID(seed, r.id, "step", 0), "approvalsRequired": 1, "approvers": []any{approver}}
	body := map[string]any{
		"id": r.id, "approvalDefinitionId": stableID(seed, o.slug, "approval definition", r.n), "createdAt": ago(90 + r.n),
		"submittedAt": ago(85), "completedAt": nil, "steps": []any{step},
	}
	entities := []string{"job", "opening", "offer"}
	body["entityType"] = entities[r.n%3]
	body["entityId"] = o.sid(entities[r.n%3], r.n/3)
	if r.n%2 == 0 {
		approver["decision"], approver["decidedAt"] = "approve", ago(70)
		step["completedAt"], body["completedAt"] = ago(70), ago(70)
	}
	return body
}

// makeFeedback makes what an interviewer wrote about an application.
func (o *Organization) makeFeedback(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "submittedByUser": o.someone(r.n), "feedbackFormDefinitionId": o.sid("feedback_form_definition", r.n%3),
		"applicationId": r.of, "formDefinition": smallForm(o.sim.opts.Seed, r.id, "Feedback"), "submittedValues": formValues(r.n),
		"interviewId": o.sid("interview", r.n%4),
	}
	if r.n%4 != 3 { // a draft has not been submitted
		body["submittedAt"] = ago(40 + r.n)
	}
	return body
}

func (o *Organization) makeSurveyRequest(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "applicationId": r.of, "candidateId": nil, "surveyFormDefinitionId": o.sid("survey_form_definition", 1),
		"surveyUrl": "https://you.ashbyhq.com/" + o.slug + "/survey/" + r.id,
	}
	if application, ok := o.table("application").get(r.of); ok {
		body["candidateId"] = o.sid("candidate", application.n/2)
	}
	return body
}

func (o *Organization) makeSurveySubmission(r *record) map[string]any {
	at := []int{1, 4}[r.n%2] // CandidateExperience and Questionnaire
	body := map[string]any{
		"id": r.id, "surveyFormDefinitionId": o.sid("survey_form_definition", at), "submittedAt": ago(15 + r.n), "candidateId": nil,
		"applicationId": r.of, "surveyType": surveyTypes[at], "formDefinition": smallForm(o.sim.opts.Seed, r.id, "Survey"),
		"submittedValues": formValues(r.n),
	}
	if application, ok := o.table("application").get(r.of); ok {
		body["candidateId"] = o.sid("candidate", application.n/2)
	}
	return body
}
