package ashby

// ofCandidates are the kinds of the module candidates: people who apply, and what is noted of them.
func ofCandidates() []Resource {
	rows := []Resource{
		{
			Kind: KindCandidate,
			List: "candidate.list", Info: "candidate.info", IDParam: "id", Paged: true, SyncToken: true,
			Actions: []string{"candidateDelete", "candidateMerge"},
		},
		{
			Kind: KindApplication,
			List: "application.list", Info: "application.info", IDParam: "applicationId", Paged: true, SyncToken: true,
			// Which openings an application counts for is told in no other way. What info could add besides is left out, as
			// the list does not have it.
			ListParams: map[string]any{"expand": []string{"openings"}},
			InfoParams: map[string]any{"expand": []string{"openings"}},
			InfoAlone:  []string{"applicationHistory"}, // it is a kind of its own
			Expand:     []string{"openings", "applicationFormSubmissions", "referrals"},
			Actions: []string{
				"applicationSubmit", "applicationUpdate", "candidateStageChange", "candidateHire", "pushToHRIS", "signatureRequestUpdate",
			},
		},
		{
			Kind: KindApplicationFeedback,
			List: "applicationFeedback.list", Paged: true, SyncToken: true,
		},
		{Kind: KindApplicationHiringTeamRole, List: "applicationHiringTeamRole.list"},
		{
			Kind: KindCandidateTag, Scope: hiringRead, UIModule: hiringBox,
			List: "candidateTag.list", Paged: true, SyncToken: true, ListParams: archivedToo(),
		},
		{
			// The document of May 2026 wants jobs:read for project.info; later ones agree with the list.
			Kind: KindProject,
			List: "project.list", Info: "project.info", IDParam: "projectId", Paged: true, SyncToken: true,
		},
		{
			Kind: KindSurveyRequest,
			List: "surveyRequest.list", Paged: true, SyncToken: true, Variants: surveyTypes("CandidateExperience"),
		},
		{
			Kind: KindSurveySubmission,
			List: "surveySubmission.list", Paged: true, SyncToken: true,
			// Answers about diversity and equal opportunity are given out by no method.
			Variants: surveyTypes("CandidateExperience", "Questionnaire"),
			Actions:  []string{"surveySubmit"},
		},
		{
			Kind: KindApplicationHistory, Parent: KindApplication, ParentParam: "applicationId",
			List: "application.listHistory", Paged: true,
		},
		{
			Kind: KindApplicationCriteriaEvaluation, Parent: KindApplication, ParentParam: "applicationId",
			List: "application.listCriteriaEvaluations", Paged: true,
		},
		{
			Kind: KindCandidateNote, Parent: KindCandidate, ParentParam: "candidateId",
			List: "candidate.listNotes", Paged: true, SyncToken: true,
		},
		{
			Kind: KindCandidateClientInfo, Parent: KindCandidate, ParentParam: "candidateId",
			List: "candidate.listClientInfo", Paged: true, SyncToken: true,
		},
		{
			Kind: KindCandidateFraudCheck, Parent: KindCandidate, ParentParam: "candidateId",
			List: "candidate.listFraudChecks", Paged: true,
		},
		{
			Kind: KindCandidateProject, Parent: KindCandidate, ParentParam: "candidateId", linked: true,
			List: "candidate.listProjects", Paged: true, SyncToken: true,
		},
	}
	return optIn(rows, moduleCandidates, candidatesRead, candidatesBox)
}

// optIn fills in what the kinds of a module that must be asked for have in common. A row that names another scope keeps
// it.
func optIn(rows []Resource, module, scope, box string) []Resource {
	for i := range rows {
		rows[i].Modules, rows[i].Personal = []string{module}, true
		if rows[i].Scope == "" {
			rows[i].Scope, rows[i].UIModule = scope, box
		}
	}
	return rows
}

// surveyTypes are the variants of a list that must be told one type.
func surveyTypes(types ...string) []Variant {
	names := map[string]string{"CandidateExperience": "candidate_experience", "Questionnaire": "questionnaire"}
	variants := make([]Variant, len(types))
	for i, t := range types {
		variants[i] = Variant{Name: names[t], Params: map[string]any{"surveyType": t}}
	}
	return variants
}
