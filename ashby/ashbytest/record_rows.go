package ashbytest

import "maps"

// PersonalMarker is part of every name, e-mail address, telephone number and text about a person that is generated: of
// employees, of candidates and of what hangs on them. Of the module jobs it must be found nowhere behind Ashbridge's door.
const PersonalMarker = "employee-canary"

// InternalMarker is part of every custom field of generated jobs. It must be found in no event.
const InternalMarker = "internal-canary"

// jobRow is a job in Ashby's shape. The ids of its postings are those published, or all of them; ids that an imported
// job names without there being such a posting stay.
func (o *Organization) jobRow(job *record, unpublishedToo bool) map[string]any {
	ids := []string{}
	recorded, _ := job.body["jobPostingIds"].([]any)
	for _, id := range recorded {
		if text, ok := id.(string); ok && o.postings[text] == nil {
			ids = append(ids, text)
		}
	}
	for _, p := range o.byJob[job.id] {
		if p.published || unpublishedToo {
			ids = append(ids, p.id)
		}
	}
	body := maps.Clone(job.body)
	body["jobPostingIds"] = ids
	return body
}

// newJob makes a job in Ashby's shape.
func (o *Organization) newJob(id string, p *posting, status string, at string, n int) map[string]any {
	plan := o.sid("interview_plan", n%planCount)
	body := map[string]any{
		"id": id, "title": p.title, "confidential": false, "status": status, "employmentType": p.employmentType,
		"locationId": p.locationID, "departmentId": p.departmentID, "interviewPlanIds": []string{plan},
		"customFields": []map[string]any{{
			"id": o.sid("custom_field", 0), "isPrivate": false, "title": "Budget code",
			"value": InternalMarker + "-" + o.slug,
		}},
		"customRequisitionId": nil, "brandId": o.sid("brand", 0),
		"hiringTeam": o.hiringTeam(1), "author": o.person(0),
		"createdAt": at, "updatedAt": at, "openedAt": nil, "closedAt": nil,
	}
	if n%20 != 19 { // one job in twenty lacks it, as recorded
		body["defaultInterviewPlanId"] = plan
	}
	if status == JobOpen {
		body["openedAt"] = at
	}
	return body
}
