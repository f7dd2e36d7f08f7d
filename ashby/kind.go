package ashby

// Kind names a kind of object. The words are stable: they are stored and occur in subjects.
type Kind string

// The kinds of the module jobs.
const (
	KindPosting     Kind = "posting"
	KindJob         Kind = "job"
	KindLocation    Kind = "location"
	KindDepartment  Kind = "department"
	KindOpening     Kind = "opening"
	KindBrand       Kind = "brand"
	KindBoard       Kind = "board"
	KindJobTemplate Kind = "job_template"
)

// The kinds of the module candidates.
const (
	KindCandidate                     Kind = "candidate"
	KindApplication                   Kind = "application"
	KindApplicationHistory            Kind = "application_history"
	KindApplicationCriteriaEvaluation Kind = "application_criteria_evaluation"
	KindApplicationFeedback           Kind = "application_feedback"
	KindApplicationHiringTeamRole     Kind = "application_hiring_team_role"
	KindCandidateNote                 Kind = "candidate_note"
	KindCandidateClientInfo           Kind = "candidate_client_info"
	KindCandidateFraudCheck           Kind = "candidate_fraud_check"
	KindCandidateProject              Kind = "candidate_project"
	KindCandidateTag                  Kind = "candidate_tag"
	KindProject                       Kind = "project"
	KindSurveyRequest                 Kind = "survey_request"
	KindSurveySubmission              Kind = "survey_submission"
)

// The kinds of the module interviews.
const (
	KindInterview           Kind = "interview"
	KindInterviewSchedule   Kind = "interview_schedule"
	KindInterviewEvent      Kind = "interview_event"
	KindInterviewPlan       Kind = "interview_plan"
	KindInterviewStage      Kind = "interview_stage"
	KindInterviewStageGroup Kind = "interview_stage_group"
	KindInterviewerPool     Kind = "interviewer_pool"
	KindJobInterviewPlan    Kind = "job_interview_plan"
)

// The kinds of the modules offers, hiring_process, organization and approvals.
const (
	KindOffer                  Kind = "offer"
	KindSource                 Kind = "source"
	KindSourceTrackingLink     Kind = "source_tracking_link"
	KindArchiveReason          Kind = "archive_reason"
	KindCloseReason            Kind = "close_reason"
	KindCustomField            Kind = "custom_field"
	KindCommunicationTemplate  Kind = "communication_template"
	KindReferralForm           Kind = "referral_form"
	KindFeedbackFormDefinition Kind = "feedback_form_definition"
	KindSurveyFormDefinition   Kind = "survey_form_definition"
	KindUser                   Kind = "user"
	KindInterviewerPause       Kind = "interviewer_pause"
	KindHiringTeamRole         Kind = "hiring_team_role"
	KindApproval               Kind = "approval"
)

// The words by which a connection asks for kinds.
const (
	moduleJobs          = "jobs"
	moduleCandidates    = "candidates"
	moduleInterviews    = "interviews"
	moduleOffers        = "offers"
	moduleHiringProcess = "hiring_process"
	moduleOrganization  = "organization"
	moduleApprovals     = "approvals"
)

// Modules returns the words by which a connection asks for kinds: jobs, which every connection has, and those that it
// may have besides. The caller owns the answer.
func Modules() []string {
	return []string{
		moduleJobs, moduleCandidates, moduleInterviews, moduleOffers, moduleHiringProcess, moduleOrganization, moduleApprovals,
	}
}
