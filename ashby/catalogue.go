package ashby

import "slices"

// catalogue is the table of all kinds. Nothing changes it.
var catalogue = slices.Concat(
	ofJobs(), ofCandidates(), ofInterviews(), ofOffers(), ofHiringProcess(), ofOrganization(), ofApprovals(),
)

// Catalogue returns the kinds in the order in which a first sync reads them: postings first, as they are what a job
// board waits for, and parents before what is read per parent. The caller owns the answer.
//
// Scopes and parameters: https://developers.ashbyhq.com/reference
func Catalogue() []Resource {
	rows := make([]Resource, len(catalogue))
	for i, r := range catalogue {
		rows[i] = r.clone()
	}
	return rows
}

// The permissions, with the boxes that grant them.
const (
	jobsRead, jobsBox                 = "jobs:read", "Jobs"
	organizationRead, organizationBox = "organization:read", "Organization"
	candidatesRead, candidatesBox     = "candidates:read", "Candidates"
	interviewsRead, interviewsBox     = "interviews:read", "Interviews"
	offersRead, offersBox             = "offers:read", "Offers"
	hiringRead, hiringBox             = "hiringProcessMetadata:read", "Hiring Process"
	approvalsRead, approvalsBox       = "approvals:read", "Approvals"
)

// archivedToo makes archived rows come: they would vanish from the list without a word otherwise, as if deleted.
func archivedToo() map[string]any { return map[string]any{"includeArchived": true} }

// ofJobs are the kinds of the module jobs. Three of them belong to the module organization too.
func ofJobs() []Resource {
	jobs, both := []string{moduleJobs}, []string{moduleJobs, moduleOrganization}
	return []Resource{
		{
			Kind: KindPosting, Modules: jobs, Scope: jobsRead, UIModule: jobsBox,
			// The list takes neither limit nor cursor nor token, and answers with published postings alone, unlisted ones
			// included, as long as nothing else is asked for.
			List: "jobPosting.list", Info: "jobPosting.info", IDParam: "jobPostingId",
			ListParams: map[string]any{},
			// With unpublished ones included, a read tells a draft from a deleted posting.
			InfoParams: map[string]any{"includeUnpublishedJobPostings": true, "expand": []string{"job"}},
			Expand:     []string{"job"},
			Drop:       []string{"author", "hiringTeam", "job.author", "job.hiringTeam"},
			Actions:    []string{"jobPostingPublish", "jobPostingUnpublish", "jobPostingUpdate", "jobPostingDelete"},
		},
		{
			Kind: KindJob, Modules: jobs, Scope: jobsRead, UIModule: jobsBox,
			List: "job.list", Info: "job.info", IDParam: "id", Paged: true, SyncToken: true,
			// Once status is sent at all, every wanted one must be named; drafts come in no other way.
			ListParams: map[string]any{"status": []string{"Draft", "Open", "Closed", "Archived"}},
			InfoParams: map[string]any{},
			Expand:     []string{"location", "openings"},
			Drop:       []string{"author", "hiringTeam"},
			Actions:    []string{"jobCreate", "jobUpdate"},
		},
		{
			Kind: KindLocation, Modules: both, Scope: organizationRead, UIModule: organizationBox,
			List: "location.list", Info: "location.info", IDParam: "locationId", Paged: true, SyncToken: true,
			ListParams: archivedToo(), InfoParams: map[string]any{},
		},
		{
			Kind: KindDepartment, Modules: both, Scope: organizationRead, UIModule: organizationBox,
			List: "department.list", Info: "department.info", IDParam: "departmentId", Paged: true, SyncToken: true,
			ListParams: archivedToo(), InfoParams: map[string]any{},
		},
		{
			Kind: KindOpening, Modules: jobs, Scope: jobsRead, UIModule: jobsBox,
			List: "opening.list", Info: "opening.info", IDParam: "openingId", Paged: true, SyncToken: true,
			Drop:    []string{"latestVersion.author", "latestVersion.hiringTeam"},
			Actions: []string{"openingCreate"}, // Ashby has no type for a change of one
		},
		{
			Kind: KindBrand, Modules: both, Scope: organizationRead, UIModule: organizationBox,
			List: "brand.list", Paged: true,
		},
		{
			// Enabled boards alone, external and internal ones.
			Kind: KindBoard, Modules: jobs, Scope: jobsRead, UIModule: jobsBox,
			List: "jobBoard.list",
		},
		{
			Kind: KindJobTemplate, Modules: jobs, Scope: jobsRead, UIModule: jobsBox,
			List: "jobTemplate.list", Paged: true, SyncToken: true,
			Expand: []string{"location"},
			Drop:   []string{"author", "hiringTeam"},
		},
	}
}
