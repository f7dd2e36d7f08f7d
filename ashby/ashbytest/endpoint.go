package ashbytest

import "maps"

// endpoint is a row of the table of what the simulator answers. run is called with the lock held; act, where there is
// one, without.
type endpoint struct {
	scope string
	// required are parameters that must be there; words after a bar will do in the place of the one before.
	required []string
	params   map[string]rule
	run      func(*Organization, *call) (result, *failure)
	act      func(*Organization, *call) (result, *failure)
}

// The scopes, as apiKey.info spells them.
const (
	scopeJobs         = "jobs:read"
	scopeCandidates   = "candidates:read"
	scopeInterviews   = "interviews:read"
	scopeOffers       = "offers:read"
	scopeHiring       = "hiringProcessMetadata:read"
	scopeOrganization = "organization:read"
	scopeApprovals    = "approvals:read"
	scopeKeys         = "apiKeys:read"
	scopeKeysWrite    = "apiKeys:write"
)

// AllScopes gives every scope that an endpoint of the simulator demands.
func AllScopes() []string {
	return []string{
		scopeJobs, scopeCandidates, scopeInterviews, scopeOffers, scopeHiring, scopeOrganization, scopeApprovals, scopeKeys, scopeKeysWrite,
	}
}

// endpoints gives those of all kinds, and those that fit no kind.
func endpoints(c catalogue) map[string]endpoint {
	out := map[string]endpoint{
		"apiKey.info":   {scope: scopeKeys, run: (*Organization).keyInfo},
		"jobBoard.list": {scope: scopeJobs, run: (*Organization).boardList},
		"jobPosting.list": {scope: scopeJobs, run: (*Organization).postingList, params: map[string]rule{
			"location": isText, "department": isText, "listedOnly": isFlag, "jobBoardId": isID,
			"includeUnpublishedJobPostings": isFlag,
		}},
		"jobPosting.info": {
			scope: scopeJobs, required: []string{"jobPostingId"}, run: (*Organization).postingInfo, params: map[string]rule{
				"jobPostingId": isID, "jobBoardId": isID, "includeUnpublishedJobPostings": isFlag, "expand": isSubset("job"),
			},
		},
		"jobInterviewPlan.info": {
			scope: scopeJobs, required: []string{"jobId"}, run: (*Organization).jobPlan, params: map[string]rule{"jobId": isID},
		},
		"webhook.create": {
			scope: scopeKeysWrite, required: []string{"webhookType", "requestUrl", "secretToken"}, act: (*Organization).createWebhook,
			params: map[string]rule{"webhookType": isWord(actions...), "requestUrl": isURL, "secretToken": isText},
		},
		"webhook.info": {
			scope: scopeKeys, required: []string{"webhookId"}, run: (*Organization).webhookInfo, params: map[string]rule{"webhookId": isID},
		},
		"webhook.update": {
			scope: scopeKeysWrite, required: []string{"webhookId", "enabled|requestUrl|secretToken"}, act: (*Organization).updateWebhook,
			params: map[string]rule{"webhookId": isID, "enabled": isFlag, "requestUrl": isURL, "secretToken": isText},
		},
		"webhook.delete": {
			scope: scopeKeysWrite, required: []string{"webhookId"}, run: (*Organization).deleteWebhook, params: map[string]rule{"webhookId": isID},
		},
		"user.listInterviewerPauses": {
			scope: scopeOrganization, required: []string{"userId"}, run: (*Organization).pauses, params: map[string]rule{"userId": isID},
		},
	}
	for i := range c.kinds {
		maps.Copy(out, c.kinds[i].endpoints())
	}
	return out
}

func (o *Organization) keyInfo(c *call) (result, *failure) {
	return result{one: map[string]any{
		"title": c.access.title, "createdAt": instant(c.access.createdAt), "scopes": append([]string{}, c.access.scopes...),
	}}, nil
}

// jobPlan answers jobInterviewPlan.info: the plan of a job with its stages and what is done in them.
//
// https://developers.ashbyhq.com/reference/jobinterviewplaninfo
func (o *Organization) jobPlan(c *call) (result, *failure) {
	job, ok := o.jobs.get(c.params.text("jobId"))
	if !ok || !o.visible(job, c.access) {
		return result{}, &failure{code: "job_not_found", message: "Job not found."}
	}
	seed, plan := o.sim.opts.Seed, o.planOf(job.id)
	shown := make([]any, 0, len(stages))
	for _, r := range o.table("interview_stage").byOf[o.sid("interview_plan", plan)] {
		stage := maps.Clone(r.fields())
		delete(stage, "interviewPlanId")
		activities := []any{}
		if stage["type"] == "Active" {
			activities = append(activities, map[string]any{
				"id": stableID(seed, r.id, "activity", 0), "title": "Interviews", "interviews": []any{map[string]any{
					"id": stableID(seed, r.id, "activity interview", 0), "title": "Recruiter screen", "interviewId": o.sid("interview", 0),
					"interviewDurationMinutes": 45, "isSchedulable": true,
				}},
			})
		}
		stage["activities"] = activities
		shown = append(shown, stage)
	}
	return result{one: map[string]any{"jobId": job.id, "interviewPlanId": o.sid("interview_plan", plan), "stages": shown}}, nil
}

// pauses answers user.listInterviewerPauses: every fourth user rests.
//
// https://developers.ashbyhq.com/reference/userlistinterviewerpauses
func (o *Organization) pauses(c *call) (result, *failure) {
	user, ok := o.table("user").get(c.params.text("userId"))
	if !ok {
		return result{}, &failure{code: "user_not_found", message: "User not found."}
	}
	rows := []any{}
	if user.n%4 == 1 {
		rows = append(rows, map[string]any{
			"id": stableID(o.sim.opts.Seed, user.id, "pause", 0), "userId": user.id, "startsAt": ago(600), "endsAt": nil,
			"comment": nil, "createdAt": ago(700),
		})
	}
	return result{rows: rows}, nil
}
