package ashby

// ofInterviews are the kinds of the module interviews: how applications are talked over, and when.
func ofInterviews() []Resource {
	rows := []Resource{
		{
			Kind: KindInterview,
			List: "interview.list", Info: "interview.info", IDParam: "id", Paged: true, SyncToken: true,
			// Without the second one, the interviews made for one job stay out.
			ListParams: map[string]any{"includeArchived": true, "includeNonSharedInterviews": true},
		},
		{
			Kind: KindInterviewPlan,
			List: "interviewPlan.list", Paged: true, SyncToken: true, ListParams: archivedToo(),
		},
		{
			// The groups of the whole organisation. The document of May 2026 says "of an interview plan" and takes no
			// parameter for one; later ones say "in the organization".
			Kind: KindInterviewStageGroup, List: "interviewStageGroup.list",
		},
		{
			Kind: KindInterviewerPool, Scope: hiringRead, UIModule: hiringBox,
			List: "interviewerPool.list", Info: "interviewerPool.info", IDParam: "interviewerPoolId", Paged: true, SyncToken: true,
			ListParams: map[string]any{"includeArchivedPools": true, "includeArchivedTrainingStages": true},
			InfoAlone:  []string{"qualifiedMembers", "trainees"},
		},
		{
			Kind: KindInterviewSchedule,
			List: "interviewSchedule.list", Paged: true, SyncToken: true,
			Actions: []string{"interviewScheduleCreate", "interviewScheduleUpdate"},
		},
		{
			Kind: KindInterviewStage, Parent: KindInterviewPlan, ParentParam: "interviewPlanId",
			List: "interviewStage.list", Info: "interviewStage.info", IDParam: "interviewStageId",
		},
		{
			Kind: KindInterviewEvent, Parent: KindInterviewSchedule, ParentParam: "interviewScheduleId",
			List: "interviewEvent.list", Paged: true, SyncToken: true,
			Expand: []string{"interview"},
		},
		{
			// The answer has no id of its own: a job has one plan, so the job's will do.
			Kind: KindJobInterviewPlan, Scope: jobsRead, UIModule: jobsBox, Parent: KindJob, ParentParam: "jobId",
			List: "jobInterviewPlan.info", Single: true,
			Actions: []string{"interviewPlanTransition"},
		},
	}
	return optIn(rows, moduleInterviews, interviewsRead, interviewsBox)
}
