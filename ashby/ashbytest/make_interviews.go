package ashbytest

import "time"

const planCount = 3

// stages are those of each plan, with the type of the group of each.
var stages = []struct{ title, group string }{
	{"New lead", "Lead"},
	{"Application review", "PreInterviewScreen"},
	{"Screen", "Active"},
	{"On site", "Active"},
	{"Offer", "Offer"},
	{"Hired", "Hired"},
	{"Archived", "Archived"},
}

// The places of some stages.
const (
	stageReview   = 1
	stageOffer    = 4
	stageHired    = 5
	stageArchived = 6
)

func (*Organization) makePlan(r *record) map[string]any {
	return map[string]any{
		"id": r.id, "title": []string{"Engineering", "Commercial", "Everyone else"}[r.n], "isArchived": false,
		"createdAt": ago(90_000), "updatedAt": ago(1000 * r.n),
	}
}

func (*Organization) makeStageGroup(r *record) map[string]any {
	return map[string]any{"id": r.id, "title": stages[r.n].title, "order": r.n, "stageType": stages[r.n].group}
}

func (o *Organization) makeStage(r *record) map[string]any {
	plan, order := r.n/len(stages), r.n%len(stages)
	return map[string]any{
		"id": r.id, "title": stages[order].title, "type": stages[order].group, "orderInInterviewPlan": order,
		"interviewStageGroupId": o.sid("interview_stage_group", order), "interviewPlanId": o.sid("interview_plan", plan),
	}
}

// makeInterview makes shared interviews, one of a job alone, and an archived one.
func (o *Organization) makeInterview(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "title": []string{
			"Recruiter screen", "System design", "Pairing", "Values", "Debrief", "Take-home review", "Case study", "Old screen",
		}[r.n],
		"externalTitle": nil, "isArchived": r.n == 7, "isDebrief": r.n == 4, "isFeedbackRequired": r.n != 4, "isFeedbackRequested": true,
		"instructionsHtml": "<p>Listen first.</p>", "instructionsPlain": "Listen first.", "jobId": nil,
		"feedbackFormDefinitionId": o.sid("feedback_form_definition", r.n%3),
	}
	if r.n == 6 && len(o.jobs.rows) > 0 {
		body["jobId"] = o.jobs.rows[0].id
	}
	if r.n%2 == 0 {
		body["externalTitle"] = "A talk with our team"
	}
	return body
}

// makePool makes a pool of interviewers: with a training path, without, and archived.
func (o *Organization) makePool(r *record) map[string]any {
	body := map[string]any{"id": r.id, "title": []string{"Backend", "Values", "Old pool"}[r.n], "isArchived": r.n == 2}
	if r.n == 0 {
		body["trainingPath"] = map[string]any{
			"id": stableID(o.sim.opts.Seed, r.id, "path", 0), "enabled": true, "trainingStages": []map[string]any{{
				"id": stableID(o.sim.opts.Seed, r.id, "training stage", 0), "interviewerRole": "Shadow", "interviewsRequired": 2,
				"isArchived": false, "approvalRequired": true, "approvers": []map[string]any{o.someone(0)},
			}},
		}
	}
	return body
}

// poolWithMembers is a pool as interviewerPool.info shows it.
func (o *Organization) poolWithMembers(r *record, _ params) any {
	body := make(map[string]any)
	for name, value := range r.fields() {
		body[name] = value
	}
	member, trainee := o.someone(2), o.someone(3)
	member["isPaused"], trainee["isPaused"] = false, true
	trainee["currentProgress"] = map[string]any{
		"trainingPathId":      stableID(o.sim.opts.Seed, r.id, "path", 0),
		"trainingPathStageId": stableID(o.sim.opts.Seed, r.id, "training stage", 0), "interviewsCompleted": 1,
	}
	body["qualifiedMembers"], body["trainees"] = []any{member}, []any{}
	if r.n == 0 {
		body["trainees"] = []any{trainee}
	}
	return body
}

var scheduleStatuses = []string{"Scheduled", "Complete", "WaitingOnFeedback", "NeedsScheduling", "Cancelled"}

func (o *Organization) makeSchedule(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "status": scheduleStatuses[r.n%len(scheduleStatuses)], "applicationId": r.of, "interviewStageId": o.sid("interview_stage", 2+r.n%2),
		"createdAt": ago(2000 + r.n), "updatedAt": ago(r.n), "scheduledBy": nil,
	}
	if r.n%3 != 0 {
		body["scheduledBy"] = o.someone(r.n)
	}
	return body
}

// eventsOf gives a schedule one interview or two.
func (o *Organization) eventsOf(schedule *record) []map[string]any {
	seed := o.sim.opts.Seed
	out := make([]map[string]any, 0, 2)
	for i := range 1 + schedule.n%2 {
		start := generatedAt.Add(time.Duration(24*schedule.n+i) * time.Hour)
		interviewer := o.someone(schedule.n + i)
		interviewer["trainingRole"] = []string{"Shadow", "Reverse-Shadow"}[i]
		interviewer["interviewerPool"] = map[string]any{"id": o.sid("interviewer_pool", 1), "title": "Values", "isArchived": false}
		interviewer["isFeedbackRequired"] = true
		out = append(out, map[string]any{
			"id": stableID(seed, schedule.id, "event", i), "interviewId": o.sid("interview", (schedule.n+i)%4), "interviewScheduleId": schedule.id,
			"interviewerUserIds": []any{interviewer["id"]}, "interviewers": []any{interviewer},
			"createdAt": ago(1500 + schedule.n), "updatedAt": ago(schedule.n), "startTime": instant(start), "endTime": instant(start.Add(time.Hour)),
			"feedbackLink": "https://app.ashbyhq.com/feedback/" + schedule.id, "location": nil, "meetingLink": "https://meet.example/" + o.slug,
			"hasSubmittedFeedback": schedule.n%2 == 0, "extraData": map[string]any{},
		})
	}
	return out
}
