package ashbytest

import "fmt"

func (o *Organization) makeBrand(r *record) map[string]any {
	return map[string]any{
		"id": r.id, "name": []string{o.name, o.name + " Labs"}[r.n], "hostedJobsPageSlug": []string{o.slug, o.slug + "-labs"}[r.n],
	}
}

// makeTemplate makes a job template, the last one inactive.
func (o *Organization) makeTemplate(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "title": []string{"Engineer", "Account Executive", "Intern"}[r.n], "status": []string{"Active", "Active", "Inactive"}[r.n],
		"interviewPlanIds": []string{o.sid("interview_plan", r.n)}, "createdAt": ago(7000), "updatedAt": ago(70 * r.n),
	}
	if r.n > 0 {
		body["defaultInterviewPlanId"] = o.sid("interview_plan", r.n)
	}
	if r.n < 2 && r.n < len(o.locations.rows) {
		body["locationId"] = o.locations.rows[r.n].id
	}
	if r.n < len(o.departments.rows) {
		body["departmentId"] = o.departments.rows[r.n].id
	}
	return body
}

var openingStates = []string{"Open", "Approved", "Draft", "Filled", "Closed"}

// makeOpening makes an opening of one job. There is no updatedAt, as in Ashby.
func (o *Organization) makeOpening(r *record) map[string]any {
	dice := o.roll("opening", r.n)
	state := dice.oneOf(0, openingStates)
	body := map[string]any{
		"id": r.id, "isArchived": false, "archivedAt": nil, "openingState": state, "openedAt": nil, "closedAt": nil,
	}
	if state != "Draft" && state != "Approved" {
		body["openedAt"] = ago(3000 + r.n)
	}
	if state == "Closed" || state == "Filled" {
		body["closedAt"], body["closeReasonId"] = ago(100+r.n), o.sid("close_reason", r.n%3)
	}
	latest := map[string]any{
		"id": stableID(o.sim.opts.Seed, r.id, "version", 1), "identifier": fmt.Sprintf("REQ-%d", 100+r.n), "description": "",
		"authorId": o.sid("user", r.n%userCount), "createdAt": ago(5000 + r.n), "jobIds": []string{r.of}, "isBackfill": r.n%4 == 1,
		"employmentType": "FullTime", "locationIds": []string{}, "hiringTeam": o.hiringTeam(r.n), "customFields": []map[string]any{{
			"id": o.sid("custom_field", 4), "isPrivate": true, "title": "Budget code", "value": InternalMarker + "-" + o.slug,
		}},
	}
	if r.n%2 == 0 {
		latest["targetHireDate"] = "2026-12-01"
	}
	if job, ok := o.jobs.get(r.of); ok {
		latest["employmentType"] = job.text("employmentType")
		if team := job.text("departmentId"); team != "" {
			latest["teamId"] = team
		}
		if place := job.text("locationId"); place != "" {
			latest["locationIds"] = []string{place}
		}
	}
	body["latestVersion"] = latest
	return body
}
