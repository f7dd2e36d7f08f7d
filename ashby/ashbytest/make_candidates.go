package ashbytest

import "fmt"

var (
	positions = []string{"Backend Engineer", "Nurse", "Account Manager", "Student", "Data Scientist", "Chef de partie"}
	companies = []string{"Initech", "Müller & Söhne", "Stark Industries", "self-employed", "Wayne Enterprises"}
	towns     = []string{"Berlin", "Kraków", "São Paulo", "Osaka", "Leeds", "Bengaluru"}
	countries = []string{"Germany", "Poland", "Brazil", "Japan", "United Kingdom", "India"}
)

// candidateName and candidateEmail are the n-th candidate's.
func candidateName(n int) string {
	return fmt.Sprintf("%s %s %d", firstNames[n%len(firstNames)], PersonalMarker, n)
}

func candidateEmail(n int) map[string]any {
	return map[string]any{"value": fmt.Sprintf("%s.%d@mail.example", PersonalMarker, n), "type": "Personal", "isPrimary": true}
}

func candidatePhone(n int) map[string]any {
	return map[string]any{"value": fmt.Sprintf("+1 555 %07d %s", n, PersonalMarker), "type": "Work", "isPrimary": true}
}

// makeCandidate makes a person: some with much about them, some with a name and an address alone.
func (o *Organization) makeCandidate(r *record) map[string]any {
	dice := o.roll("candidate", r.n)
	body := map[string]any{
		"id": r.id, "createdAt": ago(10 + r.n), "updatedAt": ago(r.n), "name": candidateName(r.n),
		"primaryEmailAddress": candidateEmail(r.n), "emailAddresses": []map[string]any{candidateEmail(r.n)},
		"phoneNumbers": []map[string]any{}, "socialLinks": []map[string]any{}, "tags": []any{}, "applicationIds": o.applicationIDs(r),
		"fileHandles": []map[string]any{}, "customFields": []map[string]any{},
		"profileUrl": "https://app.ashbyhq.com/candidate-searches/new/right-side/candidates/" + r.id,
		"position":   nil, "creditedToUser": nil, "fraudStatus": nil,
		"anonymizedAt": nil, // not documented
	}
	if dice.pick(0, 3) > 0 {
		body["primaryPhoneNumber"], body["phoneNumbers"] = candidatePhone(r.n), []map[string]any{candidatePhone(r.n)}
	}
	if dice.pick(1, 4) > 0 {
		body["position"], body["company"] = dice.oneOf(2, positions), dice.oneOf(3, companies)
		body["socialLinks"] = []map[string]any{{"type": "LinkedIn", "url": fmt.Sprintf("https://linkedin.example/in/%s-%d", PersonalMarker, r.n)}}
	}
	if dice.pick(4, 2) == 0 {
		file := map[string]any{"id": stableID(o.sim.opts.Seed, r.id, "file", 0), "name": "CV " + candidateName(r.n) + ".pdf", "handle": "handle-" + r.id}
		body["resumeFileHandle"], body["fileHandles"] = file, []map[string]any{file}
	}
	if dice.pick(5, 3) == 0 {
		if tag := o.shown("candidate_tag", dice.pick(6, 5)); tag != nil {
			body["tags"] = []any{tag}
		}
	}
	if source := o.shown("source", dice.pick(7, len(sources))); source != nil {
		body["source"] = source
	}
	if dice.pick(8, 6) == 0 {
		body["creditedToUser"], body["fraudStatus"] = o.someone(r.n), "Unreviewed"
	}
	if at := dice.pick(9, 2*len(towns)); at < len(towns) {
		body["timezone"] = "Europe/Berlin"
		body["location"] = map[string]any{
			"id": stableID(o.sim.opts.Seed, r.id, "location", 0), "locationSummary": towns[at] + ", " + countries[at],
			"locationComponents": []map[string]any{{"type": "Country", "name": countries[at]}, {"type": "City", "name": towns[at]}},
		}
	}
	return body
}

// shown gives the n-th generated record of a kind as it is now; nil when there is none.
func (o *Organization) shown(kind string, n int) any {
	if r, ok := o.table(kind).get(o.sid(kind, n)); ok {
		return r.fields()
	}
	return nil
}

// A candidate has the applications of the numbers twice its own, and one more in every fifth.
func secondApplication(candidate int) bool { return candidate%5 == 4 }

// applicationsOf gives a candidate's applications.
func (o *Organization) applicationsOf(candidate *record) []*record {
	var out []*record
	for k := range 2 {
		if r, ok := o.table("application").get(o.sid("application", 2*candidate.n+k)); ok {
			out = append(out, r)
		}
	}
	return out
}

func (o *Organization) applicationIDs(candidate *record) []string {
	out := []string{}
	for _, r := range o.applicationsOf(candidate) {
		out = append(out, r.id)
	}
	return out
}

// candidateOf gives the candidate of an application.
func (o *Organization) candidateOf(application *record) (*record, bool) {
	return o.table("candidate").get(o.sid("candidate", application.n/2))
}

// projectsOf puts every eighth candidate into talent pools.
func (o *Organization) projectsOf(candidate *record) []map[string]any {
	var out []map[string]any
	if candidate.n%8 == 0 {
		for i := range 1 + candidate.n/8%2 {
			if project, ok := o.shown("project", i).(map[string]any); ok {
				out = append(out, project)
			}
		}
	}
	return out
}
