package ashbytest

import (
	"maps"
	"slices"
	"time"
)

// jobKinds are the kinds around jobs: https://developers.ashbyhq.com/reference/joblist and its neighbours.
func jobKinds() []kind {
	expandJob := isSubset("location", "openings", "compensation")
	return []kind{
		{
			name: "job", scope: scopeJobs, list: "job.list", info: "job.info", idParam: "id",
			paged: true, token: true, created: true, seen: (*Organization).visible, fits: jobFits, show: (*Organization).expandedJob,
			params: map[string]rule{
				"status": isSubset(JobDraft, JobOpen, JobClosed, JobArchived), "expand": expandJob,
				"includeUnpublishedJobPostingsIds": isFlag, "openedAfter": isMillis, "openedBefore": isMillis,
				"closedAfter": isMillis, "closedBefore": isMillis,
			},
			infoParams: map[string]rule{"includeUnpublishedJobPostingsIds": isFlag, "expand": expandJob},
			search: search{method: "job.search", params: map[string]func(*record) []string{
				"title": textsAt("title"), "requisitionId": textsAt("customRequisitionId"),
			}},
			onUpdate: []string{"jobUpdate"}, payload: "job",
		},
		{
			name: "opening", scope: scopeJobs, list: "opening.list", info: "opening.info", idParam: "openingId",
			paged: true, token: true, created: true, make: (*Organization).makeOpening,
			search: search{method: "opening.search", params: map[string]func(*record) []string{"identifier": func(r *record) []string {
				latest, _ := r.fields()["latestVersion"].(map[string]any)
				text, _ := latest["identifier"].(string)
				return []string{text}
			}}},
			onCreate: []string{"openingCreate"}, payload: "opening",
		},
		{
			name: "location", scope: scopeOrganization, list: "location.list", info: "location.info", idParam: "locationId",
			paged: true, token: true, archive: byArchived, params: map[string]rule{"includeLocationHierarchy": isFlag},
			fits: func(_ *Organization, place *record, p params) bool {
				return p.flag("includeLocationHierarchy") || place.text("type") != "LocationHierarchy"
			},
		},
		{
			name: "department", scope: scopeOrganization, list: "department.list", info: "department.info", idParam: "departmentId",
			paged: true, token: true, archive: byArchived,
		},
		{
			name: "brand", scope: scopeOrganization, list: "brand.list", paged: true, count: 2, make: (*Organization).makeBrand,
		},
		{
			name: "job_template", scope: scopeJobs, list: "jobTemplate.list", paged: true, token: true, count: 3,
			make: (*Organization).makeTemplate, params: map[string]rule{"expand": isSubset("location")},
			show: func(o *Organization, r *record, p params) any {
				body := maps.Clone(r.fields())
				o.expandLocation(body, p)
				return body
			},
		},
	}
}

// textsAt gives a field for a search.
func textsAt(field string) func(*record) []string {
	return func(r *record) []string { return []string{r.text(field)} }
}

// jobFits leaves drafts to who names them, and applies the filters by date, which are exclusive.
func jobFits(_ *Organization, job *record, p params) bool {
	statuses := p.texts("status")
	if len(statuses) == 0 {
		statuses = []string{JobOpen, JobClosed, JobArchived}
	}
	if !slices.Contains(statuses, job.text("status")) {
		return false
	}
	for _, f := range []struct {
		param, field string
		isAfter      bool
	}{
		{"openedAfter", "openedAt", true},
		{"openedBefore", "openedAt", false},
		{"closedAfter", "closedAt", true},
		{"closedBefore", "closedAt", false},
	} {
		if p[f.param] == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339, job.text(f.field))
		if err != nil {
			return false
		}
		bound := time.UnixMilli(p.number(f.param))
		if f.isAfter && !at.After(bound) || !f.isAfter && !at.Before(bound) {
			return false
		}
	}
	return true
}

func (o *Organization) expandedJob(job *record, p params) any {
	row := o.jobRow(job, p.flag("includeUnpublishedJobPostingsIds"))
	o.expandLocation(row, p)
	for _, part := range p.texts("expand") {
		switch part {
		case "openings":
			row["openings"] = o.openingsOf(job.id)
		case "compensation":
			row["compensation"] = map[string]any{"compensationTiers": []any{}}
		}
	}
	return row
}

// expandLocation adds the place of a job or a template where it is asked for.
func (o *Organization) expandLocation(row map[string]any, p params) {
	id, _ := row["locationId"].(string)
	if place, ok := o.locations.get(id); ok && slices.Contains(p.texts("expand"), "location") {
		row["location"] = place.fields()
	}
}

// openingsOf gives the openings of a job; an opening may have several.
func (o *Organization) openingsOf(jobID string) []any {
	out := []any{}
	for _, r := range o.table("opening").rows {
		if r.body == nil {
			if r.of == jobID {
				out = append(out, r.fields())
			}
			continue
		}
		latest, _ := r.body["latestVersion"].(map[string]any)
		if slices.Contains(textList(latest["jobIds"]), jobID) {
			out = append(out, r.body)
		}
	}
	return out
}

// textList reads a list of texts, which after Load is one of values of any type.
func textList(value any) []string {
	if texts, ok := value.([]string); ok {
		return texts
	}
	list, _ := value.([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
