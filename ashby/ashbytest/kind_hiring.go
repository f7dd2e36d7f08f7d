package ashbytest

// hiringKinds are what an administrator sets up once: reasons, sources, fields and forms. Most are read with the
// permission "Hiring Process".
func hiringKinds() []kind {
	return []kind{
		{name: "source", scope: scopeHiring, list: "source.list", total: true, archive: byArchived, count: 8, make: (*Organization).makeSource},
		{
			name: "source_tracking_link", scope: scopeHiring, list: "sourceTrackingLink.list", total: true, archive: byDisabled, count: 4,
			params: map[string]rule{"sourceId": isID}, fits: matches("sourceId"), make: (*Organization).makeTrackingLink,
		},
		{name: "archive_reason", scope: scopeHiring, list: "archiveReason.list", archive: byArchived, count: 6, make: (*Organization).makeArchiveReason},
		{
			name: "close_reason", scope: scopeHiring, list: "closeReason.list", total: true, archive: byArchived, count: 4,
			make: (*Organization).makeCloseReason,
		},
		{
			name: "custom_field", scope: scopeHiring, list: "customField.list", info: "customField.info", idParam: "customFieldId",
			paged: true, token: true, archive: byArchived, count: 11, make: (*Organization).makeCustomField,
		},
		{
			name: "communication_template", scope: scopeHiring, list: "communicationTemplate.list", count: 3,
			make: (*Organization).makeCommunicationTemplate,
		},
		{name: "referral_form", scope: scopeHiring, list: "referralForm.info", single: true, count: 1, make: (*Organization).makeReferralForm},
		{
			name: "feedback_form_definition", scope: scopeHiring, list: "feedbackFormDefinition.list", info: "feedbackFormDefinition.info",
			idParam: "feedbackFormDefinitionId", paged: true, token: true, archive: byArchived, count: 4,
			make: (*Organization).makeFeedbackForm,
		},
		{
			name: "survey_form_definition", scope: scopeHiring, list: "surveyFormDefinition.list", info: "surveyFormDefinition.info",
			idParam: "surveyFormDefinitionId", paged: true, token: true, count: len(surveyTypes), make: (*Organization).makeSurveyForm,
		},
		{name: "candidate_tag", scope: scopeHiring, list: "candidateTag.list", paged: true, token: true, archive: byArchived, count: 6, make: (*Organization).makeTag},
		{
			name: "project", scope: scopeCandidates, list: "project.list", info: "project.info", idParam: "projectId",
			paged: true, token: true, created: true, count: 4, make: (*Organization).makeProject,
			seen:   func(_ *Organization, r *record, key *apiKey) bool { return key.confidential || !r.flag("confidential") },
			search: search{method: "project.search", params: map[string]func(*record) []string{"title": textsAt("title")}},
		},
	}
}

// matches lets a record through whose fields equal the parameters of the same names, where those are given.
func matches(names ...string) func(*Organization, *record, params) bool {
	return func(_ *Organization, r *record, p params) bool {
		for _, name := range names {
			if want := p.text(name); want != "" && r.text(name) != want {
				return false
			}
		}
		return true
	}
}
