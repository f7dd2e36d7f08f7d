package ashbytest

import "maps"

// endpoint is a row of the table of what the simulator answers. run is called with the lock held.
type endpoint struct {
	scope    string
	required string
	params   map[string]rule
	run      func(*Organization, *call) (result, *failure)
}

const (
	scopeJobs         = "jobs:read"
	scopeOrganization = "organization:read"
	scopeKeys         = "apiKeys:read"
)

func endpoints() map[string]endpoint {
	page := map[string]rule{"cursor": isText, "limit": isLimit, "syncToken": isText}
	with := func(base map[string]rule, more map[string]rule) map[string]rule {
		out := maps.Clone(base)
		maps.Copy(out, more)
		return out
	}
	expandJob := isSubset("location", "openings", "compensation")
	return map[string]endpoint{
		"apiKey.info":   {scope: scopeKeys, run: (*Organization).keyInfo},
		"jobBoard.list": {scope: scopeJobs, run: (*Organization).boardList},
		"jobPosting.list": {scope: scopeJobs, run: (*Organization).postingList, params: map[string]rule{
			"location": isText, "department": isText, "listedOnly": isFlag, "jobBoardId": isID,
			"includeUnpublishedJobPostings": isFlag,
		}},
		"jobPosting.info": {scope: scopeJobs, required: "jobPostingId", run: (*Organization).postingInfo, params: map[string]rule{
			"jobPostingId": isID, "jobBoardId": isID, "includeUnpublishedJobPostings": isFlag, "expand": isSubset("job"),
		}},
		"job.list": {scope: scopeJobs, run: (*Organization).jobList, params: with(page, map[string]rule{
			"status": isSubset(JobDraft, JobOpen, JobClosed, JobArchived), "expand": expandJob,
			"includeUnpublishedJobPostingsIds": isFlag, "createdAfter": isMillis, "openedAfter": isMillis,
			"openedBefore": isMillis, "closedAfter": isMillis, "closedBefore": isMillis,
		})},
		"job.info": {scope: scopeJobs, required: "id", run: (*Organization).jobInfo, params: map[string]rule{
			"id": isID, "includeUnpublishedJobPostingsIds": isFlag, "expand": expandJob,
		}},
		"location.list": {scope: scopeOrganization, run: (*Organization).locationList, params: with(page, map[string]rule{
			"includeArchived": isFlag, "includeLocationHierarchy": isFlag,
		})},
		"location.info": {
			scope: scopeOrganization, required: "locationId", run: (*Organization).locationInfo,
			params: map[string]rule{"locationId": isID},
		},
		"department.list": {scope: scopeOrganization, run: (*Organization).departmentList, params: with(page, map[string]rule{
			"includeArchived": isFlag,
		})},
		"department.info": {
			scope: scopeOrganization, required: "departmentId", run: (*Organization).departmentInfo,
			params: map[string]rule{"departmentId": isID},
		},
	}
}

func (o *Organization) keyInfo(c *call) (result, *failure) {
	return result{one: map[string]any{
		"title": c.access.title, "createdAt": instant(c.access.createdAt), "scopes": append([]string{}, c.access.scopes...),
	}}, nil
}

// boardList has the field moreDataAvailable without taking paging parameters, as the May document shows it.
func (o *Organization) boardList(*call) (result, *failure) {
	return result{rows: []any{
		map[string]any{"id": o.board, "title": o.name, "isInternal": false},
		map[string]any{"id": o.intranet, "title": o.name + " (internal)", "isInternal": true},
	}, paged: true}, nil
}
