package ashbytest

import (
	"slices"
	"time"
)

// jobList answers job.list. Drafts come only where status names them.
//
// https://developers.ashbyhq.com/reference/joblist
func (o *Organization) jobList(c *call) (result, *failure) {
	statuses := c.params.texts("status")
	if len(statuses) == 0 {
		statuses = []string{JobOpen, JobClosed, JobArchived}
	}
	return o.page(c, &o.jobs, func(job *record) bool {
		return slices.Contains(statuses, job.text("status")) && o.visible(job, c.access) && inTime(job, c.params)
	}, func(job *record) any { return o.expandedJob(job, c) })
}

// inTime applies the filters by date, which are exclusive.
func inTime(job *record, p params) bool {
	for _, f := range []struct {
		param, field string
		after        bool
	}{
		{"createdAfter", "createdAt", true},
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
		if f.after && !at.After(bound) || !f.after && !at.Before(bound) {
			return false
		}
	}
	return true
}

func (o *Organization) expandedJob(job *record, c *call) map[string]any {
	row := o.jobRow(job, c.params.flag("includeUnpublishedJobPostingsIds"))
	for _, part := range c.params.texts("expand") {
		switch part {
		case "location":
			if place, ok := o.locations.get(job.text("locationId")); ok {
				row["location"] = place.body
			}
		case "openings":
			row["openings"] = []any{}
		case "compensation":
			row["compensation"] = map[string]any{"compensationTiers": []any{}}
		}
	}
	return row
}

func (o *Organization) jobInfo(c *call) (result, *failure) {
	job, ok := o.jobs.get(c.params.text("id"))
	if !ok || !o.visible(job, c.access) {
		return result{}, &failure{code: "job_not_found", message: "Job not found."}
	}
	return result{one: o.expandedJob(job, c)}, nil
}

// locationList answers location.list: without regions and archived places unless asked for.
//
// https://developers.ashbyhq.com/reference/locationlist
func (o *Organization) locationList(c *call) (result, *failure) {
	return o.page(c, &o.locations, func(place *record) bool {
		return (c.params.flag("includeArchived") || !place.flag("isArchived")) &&
			(c.params.flag("includeLocationHierarchy") || place.text("type") != "LocationHierarchy")
	}, asItIs)
}

func (o *Organization) locationInfo(c *call) (result, *failure) {
	place, ok := o.locations.get(c.params.text("locationId"))
	if !ok {
		return result{}, &failure{code: "location_not_found", message: "Location not found."}
	}
	return result{one: place.body}, nil
}

// departmentList answers department.list: without archived ones unless asked for.
//
// https://developers.ashbyhq.com/reference/departmentlist
func (o *Organization) departmentList(c *call) (result, *failure) {
	return o.page(c, &o.departments, func(d *record) bool {
		return c.params.flag("includeArchived") || !d.flag("isArchived")
	}, asItIs)
}

func (o *Organization) departmentInfo(c *call) (result, *failure) {
	d, ok := o.departments.get(c.params.text("departmentId"))
	if !ok {
		return result{}, &failure{code: "department_not_found", message: "Department not found."}
	}
	return result{one: d.body}, nil
}

func asItIs(r *record) any { return r.body }
