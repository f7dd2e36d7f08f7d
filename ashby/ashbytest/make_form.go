package ashbytest

// smallForm is a form with a field of text and a choice.
func smallForm(seed uint64, owner, title string) map[string]any {
	field := func(n int, kind, path, label string) map[string]any {
		return map[string]any{
			"id": stableID(seed, owner, "form field", n), "type": kind, "path": path, "humanReadablePath": path, "title": label,
			"isNullable": n > 0,
		}
	}
	choice := field(1, "ValueSelect", "choice", "How sure are you?")
	choice["selectableValues"] = []map[string]any{{"label": "Very", "value": "4"}, {"label": "Not at all", "value": "1"}}
	return map[string]any{"sections": []map[string]any{{
		"title": title, "descriptionHtml": nil, "descriptionPlain": nil,
		"fields": []map[string]any{
			{"isRequired": true, "descriptionHtml": "<p>Be kind.</p>", "descriptionPlain": "Be kind.", "field": field(0, "LongText", "text", title)},
			{"isRequired": false, "field": choice},
		},
	}}}
}

// formValues are answers to smallForm.
func formValues(n int) map[string]any {
	values := map[string]any{"text": PersonalMarker + " writes: a strong answer, with one doubt.", "choice": "4"}
	if n%3 == 0 {
		values["choice"] = nil
	}
	return values
}

var surveyTypes = []string{"CandidateDataConsent", "CandidateExperience", "Diversity", "EEOC", "Questionnaire"}

// form is what all definitions of forms have.
func (o *Organization) form(r *record, title string) map[string]any {
	return map[string]any{
		"id": r.id, "organizationId": o.id, "title": title, "isArchived": false, "isDefaultForm": r.n == 0,
		"formDefinition": smallForm(o.sim.opts.Seed, r.id, title),
	}
}

func (o *Organization) makeReferralForm(r *record) map[string]any {
	return o.form(r, "Whom do you know?")
}

func (o *Organization) makeFeedbackForm(r *record) map[string]any {
	body := o.form(r, []string{"Screen", "System design", "Values", "Old screen"}[r.n])
	body["isArchived"] = r.n == 3
	body["interviewId"] = nil
	if r.n == 1 {
		body["interviewId"] = o.sid("interview", 1)
	}
	return body
}

func (o *Organization) makeSurveyForm(r *record) map[string]any {
	body := o.form(r, "Survey: "+surveyTypes[r.n])
	body["surveyType"], body["isDefaultForm"] = surveyTypes[r.n], true
	return body
}
