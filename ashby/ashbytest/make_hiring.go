package ashbytest

import "fmt"

var sources = []string{"Applied", "Referral: employee", "LinkedIn", "Agency", "Career fair", "GitHub", "Sourced: e-mail", "Old job board"}

// makeSource makes a source with its type; the last one is archived, and says so in an undocumented way too.
func (o *Organization) makeSource(r *record) map[string]any {
	body := map[string]any{"id": r.id, "title": sources[r.n], "isArchived": r.n == len(sources)-1}
	if r.n != 5 { // one has no type
		body["sourceType"] = map[string]any{
			"id": stableID(o.sim.opts.Seed, o.slug, "source type", r.n%3), "title": []string{"Inbound", "Referrals", "Sourced"}[r.n%3], "isArchived": false,
		}
	}
	if r.n == len(sources)-1 {
		body["archivedAt"] = ago(90)
	}
	return body
}

func (o *Organization) makeTrackingLink(r *record) map[string]any {
	code := fmt.Sprintf("%s-%d", o.slug, r.n)
	return map[string]any{
		"id": r.id, "code": code, "enabled": r.n != 3, "sourceId": o.sid("source", r.n),
		"link": "https://jobs.ashbyhq.com/" + o.slug + "?utm_source=" + code,
	}
}

func (*Organization) makeArchiveReason(r *record) map[string]any {
	return map[string]any{
		"id": r.id, "text": []string{
			"Too little experience", "Position closed", "Accepted another offer", "Salary expectation", "Spam", "Withdrawn (old)",
		}[r.n],
		"reasonType": []string{"RejectedByOrg", "RejectedByOrg", "RejectedByCandidate", "RejectedByCandidate", "Other", "RejectedByCandidate"}[r.n],
		"isArchived": r.n == 5,
	}
}

func (*Organization) makeCloseReason(r *record) map[string]any {
	return map[string]any{
		"id": r.id, "reasonText": []string{"Hired", "Budget cut", "Reorganisation", "Duplicate"}[r.n], "isArchived": r.n == 3,
	}
}

var (
	fieldTypes = []string{
		"String", "MultiValueSelect", "NumberRange", "Date", "ValueSelect", "Number", "Currency", "Boolean", "LongText", "CompensationRange", "String",
	}
	fieldOwners = []string{"Job", "Candidate", "Application", "Offer", "Opening", "Employee", "Talent_Project"}
)

// makeCustomField makes a definition of each type; the first is the budget code that generated jobs have, the last one is
// archived. The May document does not have the description.
func (*Organization) makeCustomField(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "isPrivate": r.n == 6, "title": fieldTypes[r.n] + " field", "description": nil,
		"objectType": fieldOwners[r.n%len(fieldOwners)], "isArchived": r.n == 10, "fieldType": fieldTypes[r.n], "isRequired": r.n == 4,
	}
	if r.n == 0 {
		body["title"] = "Budget code"
	}
	if r.n == 1 || r.n == 4 {
		body["selectableValues"] = []map[string]any{
			{"label": "Now", "value": "now", "isArchived": false}, {"label": "Later", "value": "later", "isArchived": true},
		}
	}
	return body
}

func (*Organization) makeCommunicationTemplate(r *record) map[string]any {
	return map[string]any{
		"id": r.id, "createdAt": ago(9000), "updatedAt": ago(10 * r.n), "title": []string{"Thank you", "Reminder", "Sourcing"}[r.n],
		"intendedTypes": []string{"email", "inMail", "linkedInConnection"}[:1+r.n],
	}
}

func (*Organization) makeTag(r *record) map[string]any {
	return map[string]any{
		"id": r.id, "title": []string{"Silver medallist", "Speaks Dutch", "Boomerang", "Relocates", "Referred", "Do not use"}[r.n], "isArchived": r.n == 5,
	}
}

// makeProject makes a talent pool; the last one is confidential.
func (o *Organization) makeProject(r *record) map[string]any {
	body := map[string]any{
		"id": r.id, "title": []string{"Alumni", "Conference 2026", "Future leaders", "Succession"}[r.n], "isArchived": r.n == 1,
		"confidential": r.n == 3, "authorId": o.sid("user", r.n), "createdAt": ago(4000 + r.n), "customFieldEntries": []map[string]any{},
	}
	if r.n == 0 {
		body["description"] = "People who left us well"
	}
	return body
}
