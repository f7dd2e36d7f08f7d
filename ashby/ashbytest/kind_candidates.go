package ashbytest

import (
	"maps"
	"slices"
)

// candidateKinds are people who apply, and their applications.
func candidateKinds() []kind {
	return []kind{
		{
			name: "candidate", scope: scopeCandidates, list: "candidate.list", info: "candidate.info", idParam: "id|externalMappingId",
			paged: true, token: true, created: true, make: (*Organization).makeCandidate, seen: (*Organization).candidateVisible,
			search: search{method: "candidate.search", params: map[string]func(*record) []string{
				"name": textsAt("name"), "email": func(r *record) []string {
					primary, _ := r.fields()["primaryEmailAddress"].(map[string]any)
					text, _ := primary["value"].(string)
					return []string{text}
				},
			}},
			onDelete: []string{"candidateDelete"}, payload: "candidate",
		},
		{
			name: "application", scope: scopeCandidates, list: "application.list", info: "application.info",
			idParam: "applicationId|submittedFormInstanceId", paged: true, token: true, created: true,
			make: (*Organization).makeApplication, seen: (*Organization).applicationVisible, showInfo: (*Organization).wholeApplication,
			params: map[string]rule{
				"status": isWord("Hired", "Archived", "Active", "Lead"), "jobId": isID, "expand": isSubset("openings"),
			},
			infoParams: map[string]rule{"expand": isSubset("openings", "applicationFormSubmissions", "referrals")},
			fits: func(_ *Organization, r *record, p params) bool {
				job, status := p.text("jobId"), p.text("status")
				return (job == "" || r.of == job) && (status == "" || r.text("status") == status)
			},
			show:     (*Organization).listedApplication,
			onUpdate: []string{"applicationUpdate"}, payload: "application",
		},
		{
			name: "application_feedback", scope: scopeCandidates, list: "applicationFeedback.list", paged: true, token: true, created: true,
			params: map[string]rule{"applicationId": isID}, fits: belongsTo("applicationId"), make: (*Organization).makeFeedback,
			seen: (*Organization).applicationVisible,
		},
		{
			name: "survey_request", scope: scopeCandidates, list: "surveyRequest.list", paged: true, token: true, created: true,
			needs:  "surveyType",
			params: map[string]rule{"surveyType": isWord("CandidateExperience"), "applicationId": isID, "candidateId": isID},
			fits:   matches("applicationId", "candidateId"), make: (*Organization).makeSurveyRequest, seen: (*Organization).applicationVisible,
		},
		{
			name: "survey_submission", scope: scopeCandidates, list: "surveySubmission.list", paged: true, token: true, created: true,
			needs:  "surveyType",
			params: map[string]rule{"surveyType": isWord("CandidateExperience", "Questionnaire")},
			fits:   matches("surveyType"), make: (*Organization).makeSurveySubmission, seen: (*Organization).applicationVisible,
			onCreate: []string{"surveySubmit"}, payload: "surveySubmission",
		},
	}
}

// candidateParts are read per candidate or per application.
func candidateParts() []kind {
	perCandidate := func(k kind) kind {
		k.scope, k.parent, k.parentParam, k.paged = scopeCandidates, "candidate", "candidateId", true
		return k
	}
	perApplication := func(k kind) kind {
		k.scope, k.parent, k.parentParam, k.paged = scopeCandidates, "application", "applicationId", true
		return k
	}
	return []kind{
		perApplication(kind{name: "application_history", list: "application.listHistory", derive: (*Organization).historyOf}),
		perApplication(kind{
			name: "application_criteria_evaluation", list: "application.listCriteriaEvaluations", derive: (*Organization).evaluationsOf,
		}),
		perCandidate(kind{name: "candidate_note", list: "candidate.listNotes", token: true, derive: (*Organization).notesOf}),
		perCandidate(kind{name: "candidate_client_info", list: "candidate.listClientInfo", token: true, derive: (*Organization).clientsOf}),
		perCandidate(kind{name: "candidate_fraud_check", list: "candidate.listFraudChecks", derive: (*Organization).fraudChecksOf}),
		perCandidate(kind{name: "candidate_project", list: "candidate.listProjects", token: true, derive: (*Organization).projectsOf}),
	}
}

// belongsTo compares a parameter with what a record belongs to.
func belongsTo(param string) func(*Organization, *record, params) bool {
	return func(_ *Organization, r *record, p params) bool { return p.text(param) == "" || r.of == p.text(param) }
}

// applicationVisible says whether a key may see an application, or what belongs to one: those for confidential jobs are
// hidden with the job.
func (o *Organization) applicationVisible(r *record, key *apiKey) bool {
	if application, ok := o.table("application").get(r.of); ok {
		r = application
	}
	job, ok := o.jobs.get(r.of)
	return !ok || o.visible(job, key)
}

// candidateVisible hides who applied for confidential jobs alone.
func (o *Organization) candidateVisible(r *record, key *apiKey) bool {
	if key.confidential {
		return true
	}
	all := o.applicationsOf(r)
	return len(all) == 0 || slices.ContainsFunc(all, func(a *record) bool { return o.applicationVisible(a, key) })
}

func (o *Organization) listedApplication(r *record, p params) any {
	if !slices.Contains(p.texts("expand"), "openings") {
		return r.fields()
	}
	body := maps.Clone(r.fields())
	body["openings"] = o.openingsOf(r.of)
	return body
}
