package ashby

// ofOffers are the kinds of the module offers.
func ofOffers() []Resource {
	rows := []Resource{{
		Kind: KindOffer,
		List: "offer.list", Info: "offer.info", IDParam: "offerId", Paged: true, SyncToken: true,
		InfoParams: map[string]any{"excludeFormDefinition": true}, InfoAlone: []string{"formDefinition"},
		Actions: []string{"offerCreate", "offerUpdate", "offerDelete", "signatureRequestUpdate"},
	}}
	return optIn(rows, moduleOffers, offersRead, offersBox)
}

// ofHiringProcess are the kinds of the module hiring_process: the words and forms that an organisation hires with.
func ofHiringProcess() []Resource {
	rows := []Resource{
		{Kind: KindSource, List: "source.list", ListParams: archivedToo()},
		{
			Kind: KindSourceTrackingLink, List: "sourceTrackingLink.list",
			ListParams: map[string]any{"includeDisabled": true},
		},
		{Kind: KindArchiveReason, List: "archiveReason.list", ListParams: archivedToo()},
		{Kind: KindCloseReason, List: "closeReason.list", ListParams: archivedToo()},
		{
			Kind: KindCustomField,
			List: "customField.list", Info: "customField.info", IDParam: "customFieldId", Paged: true, SyncToken: true,
			ListParams: archivedToo(),
		},
		{Kind: KindCommunicationTemplate, List: "communicationTemplate.list"},
		{
			Kind: KindFeedbackFormDefinition,
			List: "feedbackFormDefinition.list", Info: "feedbackFormDefinition.info", IDParam: "feedbackFormDefinitionId",
			Paged: true, SyncToken: true, ListParams: archivedToo(),
		},
		{
			Kind: KindSurveyFormDefinition,
			List: "surveyFormDefinition.list", Info: "surveyFormDefinition.info", IDParam: "surveyFormDefinitionId",
			Paged: true, SyncToken: true,
		},
		{
			// The default form. Ashby makes one where there is none: the only read with an effect, which adds an empty form.
			Kind: KindReferralForm, List: "referralForm.info", Single: true,
		},
	}
	return optIn(rows, moduleHiringProcess, hiringRead, hiringBox)
}

// ofOrganization are the kinds that the module organization has for itself: the people who hire.
func ofOrganization() []Resource {
	rows := []Resource{
		{
			Kind: KindUser,
			List: "user.list", Info: "user.info", IDParam: "userId", Paged: true, SyncToken: true,
			ListParams: map[string]any{"includeDeactivated": true},
		},
		{
			// With the names alone, which is the default, a renamed role would be another one.
			Kind: KindHiringTeamRole, List: "hiringTeamRole.list", ListParams: map[string]any{"namesOnly": false},
		},
		{
			Kind: KindInterviewerPause, Parent: KindUser, ParentParam: "userId",
			List: "user.listInterviewerPauses",
		},
	}
	return optIn(rows, moduleOrganization, organizationRead, organizationBox)
}

// ofApprovals are the kinds of the module approvals.
func ofApprovals() []Resource {
	rows := []Resource{{Kind: KindApproval, List: "approval.list", Paged: true, SyncToken: true}}
	return optIn(rows, moduleApprovals, approvalsRead, approvalsBox)
}
