package ashbytest

import (
	"maps"
	"slices"
)

// interviewKinds are plans, their stages, and what is scheduled along them.
func interviewKinds() []kind {
	return []kind{
		{
			name: "interview_plan", scope: scopeInterviews, list: "interviewPlan.list", paged: true, token: true, archive: byArchived,
			count: planCount, make: (*Organization).makePlan,
		},
		{name: "interview_stage_group", scope: scopeInterviews, list: "interviewStageGroup.list", count: len(stages), make: (*Organization).makeStageGroup},
		{
			name: "interview_stage", scope: scopeInterviews, list: "interviewStage.list", info: "interviewStage.info",
			idParam: "interviewStageId", total: true, parent: "interview_plan", parentParam: "interviewPlanId",
			count: planCount * len(stages), make: (*Organization).makeStage,
			belongs: func(o *Organization, n int) string { return o.sid("interview_plan", n/len(stages)) },
		},
		{
			name: "interview", scope: scopeInterviews, list: "interview.list", info: "interview.info", idParam: "id",
			paged: true, token: true, archive: byArchived, count: 8, make: (*Organization).makeInterview,
			params: map[string]rule{"includeNonSharedInterviews": isFlag, "excludeArchivedScheduleTemplateInterviews": isFlag},
			fits: func(_ *Organization, r *record, p params) bool {
				return p.flag("includeNonSharedInterviews") || r.text("jobId") == ""
			},
		},
		{
			name: "interviewer_pool", scope: scopeHiring, list: "interviewerPool.list", info: "interviewerPool.info",
			idParam: "interviewerPoolId", paged: true, token: true, archive: archive{"includeArchivedPools", "isArchived", true}, count: 3,
			params: map[string]rule{"includeArchivedTrainingStages": isFlag}, make: (*Organization).makePool,
			showInfo: (*Organization).poolWithMembers,
		},
		{
			name: "interview_schedule", scope: scopeInterviews, list: "interviewSchedule.list", paged: true, token: true, created: true,
			params: map[string]rule{"applicationId": isID, "interviewStageId": isID}, fits: matches("applicationId", "interviewStageId"),
			seen: (*Organization).applicationVisible, make: (*Organization).makeSchedule, show: (*Organization).scheduleWithEvents,
			onCreate: []string{"interviewScheduleCreate", "interviewScheduleUpdate"}, onUpdate: []string{"interviewScheduleUpdate"},
			payload: "interviewSchedule",
		},
		{
			name: "interview_event", scope: scopeInterviews, list: "interviewEvent.list", paged: true, token: true, created: true,
			parent: "interview_schedule", parentParam: "interviewScheduleId", params: map[string]rule{"expand": isSubset("interview")},
			derive: (*Organization).eventsOf,
			show: func(o *Organization, r *record, p params) any {
				body := maps.Clone(r.fields())
				id, _ := body["interviewId"].(string)
				if of, ok := o.table("interview").get(id); ok && slices.Contains(p.texts("expand"), "interview") {
					body["interview"] = of.fields()
				}
				return body
			},
		},
	}
}

// scheduleWithEvents is a schedule as lists and webhooks show it.
func (o *Organization) scheduleWithEvents(r *record, _ params) any {
	body := maps.Clone(r.fields())
	events := []any{}
	for _, e := range o.children(o.sim.catalogue.by["interview_event"], r) {
		events = append(events, e.fields())
	}
	body["interviewEvents"] = events
	return body
}
