package ashbytest

import "slices"

// visible says whether a key may see a job, and with it the job's postings.
func (o *Organization) visible(job *record, key *apiKey) bool {
	return key.confidential || !job.flag("confidential")
}

func (o *Organization) postingVisible(p *posting, key *apiKey) bool {
	job, ok := o.jobs.get(p.jobID)
	return !ok || o.visible(job, key)
}

// postingList answers jobPosting.list: published postings of one board, listed or not. Without a board that is the
// primary external one; what stands on another is not on it.
//
// https://developers.ashbyhq.com/reference/jobpostinglist
func (o *Organization) postingList(c *call) (result, *failure) {
	board := c.params.text("jobBoardId")
	if board == "" {
		board = o.board
	}
	if _, known := o.boardNamed(board); !known {
		return result{}, &failure{code: "invalid_input", message: "There is no such job board.", parameter: "jobBoardId"}
	}
	rows := make([]any, 0, len(o.order))
	for _, p := range o.order {
		switch {
		case o.boardOf(p) != board,
			!p.published && !c.params.flag("includeUnpublishedJobPostings"),
			!p.listed && c.params.flag("listedOnly"),
			!o.postingVisible(p, c.access):
			continue
		}
		row := o.listRow(p)
		if want := c.params.text("location"); want != "" && row.LocationName != want {
			continue
		}
		if want := c.params.text("department"); want != "" && row.DepartmentName != want {
			continue
		}
		rows = append(rows, row)
	}
	return result{rows: rows}, nil
}

// postingInfo answers jobPosting.info. An unpublished posting is there only for who asks for such.
//
// https://developers.ashbyhq.com/reference/jobpostinginfo
func (o *Organization) postingInfo(c *call) (result, *failure) {
	p, ok := o.postings[c.params.text("jobPostingId")]
	if !ok || !o.postingVisible(p, c.access) || (!p.published && !c.params.flag("includeUnpublishedJobPostings")) {
		return result{}, &failure{code: "job_posting_not_found", message: "Job posting not found."}
	}
	return result{one: o.infoRow(p, slices.Contains(c.params.texts("expand"), "job"))}, nil
}
