package ashbytest

// applicationForm is a form such as Ashby sends with each posting.
func applicationForm(posting string, seed uint64) map[string]any {
	field := func(n int, kind, path, title string, required bool, values ...string) map[string]any {
		f := map[string]any{
			"id": stableID(seed, posting, "field", n), "type": kind, "path": path, "humanReadablePath": path, "title": title,
			"isNullable": !required,
		}
		if len(values) > 0 {
			options := make([]map[string]any, 0, len(values))
			for _, v := range values {
				options = append(options, map[string]any{"label": v, "value": v})
			}
			f["selectableValues"] = options
		}
		return map[string]any{"isRequired": required, "descriptionHtml": nil, "descriptionPlain": nil, "field": f}
	}
	return map[string]any{"sections": []map[string]any{{
		"title": nil, "descriptionHtml": nil, "descriptionPlain": nil,
		"fields": []map[string]any{
			field(0, "String", "_systemfield_name", "Name", true),
			field(1, "Email", "_systemfield_email", "Email", true),
			field(2, "Location", "_systemfield_location", "Where do you live?", false),
			field(3, "Url", stableID(seed, posting, "path", 3), "Portfolio", false),
			field(4, "ValueSelect", stableID(seed, posting, "path", 4), "How did you hear of us?", false, "A friend", "A job board"),
			field(5, "LongText", stableID(seed, posting, "path", 5), "Anything else?", false),
		},
	}}}
}

// surveys gives a posting a consent form, or none. The form's organizationId is the only id of an employer in Ashby's API.
func (o *Organization) surveys(p *posting) []map[string]any {
	if len(p.secondary) == 0 {
		return []map[string]any{}
	}
	seed := o.sim.opts.Seed
	return []map[string]any{{
		"id": stableID(seed, o.slug, "survey", 0), "organizationId": o.id, "title": "Consent", "isArchived": false, "isDefaultForm": true,
		"surveyType": "CandidateDataConsent",
		"formDefinition": map[string]any{"sections": []map[string]any{{"fields": []map[string]any{{
			"isRequired": true,
			"field": map[string]any{
				"id": stableID(seed, o.slug, "survey field", 0), "type": "Boolean", "path": "consent",
				"humanReadablePath": "Consent", "title": "May we keep your data for a year?", "isNullable": false,
			},
		}}}}},
	}}
}
