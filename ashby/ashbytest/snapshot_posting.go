package ashbytest

import "time"

// savedPosting is a posting in a snapshot, field by field.
type savedPosting struct {
	ID             string       `json:"id"`
	JobID          string       `json:"jobId"`
	Title          string       `json:"title"`
	Published      bool         `json:"published"`
	Listed         bool         `json:"listed"`
	Internal       bool         `json:"internal"`
	Board          string       `json:"board,omitempty"`
	DepartmentID   string       `json:"departmentId"`
	LocationID     string       `json:"locationId"`
	Secondary      []string     `json:"secondary"`
	WorkplaceType  string       `json:"workplaceType"`
	EmploymentType string       `json:"employmentType"`
	PublishedOn    string       `json:"publishedOn"`
	Deadline       *time.Time   `json:"deadline"`
	Updated        time.Time    `json:"updated"`
	Opening        *richText    `json:"opening"`
	Body           *richText    `json:"body"`
	Closing        *richText    `json:"closing"`
	Social         *string      `json:"social"`
	Pay            compensation `json:"pay"`
	ShowPay        bool         `json:"showPay"`
	JobURL         string       `json:"jobUrl"`
	ApplyURL       string       `json:"applyUrl"`
	Remote         *bool        `json:"remote"`
}

func (p *posting) saved() savedPosting {
	return savedPosting{
		ID: p.id, JobID: p.jobID, Title: p.title, Published: p.published, Listed: p.listed, Internal: p.internal, Board: p.board,
		DepartmentID: p.departmentID, LocationID: p.locationID, Secondary: p.secondary,
		WorkplaceType: p.workplaceType, EmploymentType: p.employmentType,
		PublishedOn: p.publishedOn, Deadline: p.deadline, Updated: p.updated,
		Opening: p.opening, Body: p.body, Closing: p.closing, Social: p.social, Pay: p.pay, ShowPay: p.showPay,
		JobURL: p.jobURL, ApplyURL: p.applyURL, Remote: p.remote,
	}
}

func (p savedPosting) posting() *posting {
	return &posting{
		id: p.ID, jobID: p.JobID, title: p.Title, published: p.Published, listed: p.Listed, internal: p.Internal, board: p.Board,
		departmentID: p.DepartmentID, locationID: p.LocationID, secondary: p.Secondary,
		workplaceType: p.WorkplaceType, employmentType: p.EmploymentType,
		publishedOn: p.PublishedOn, deadline: p.Deadline, updated: p.Updated,
		opening: p.Opening, body: p.Body, closing: p.Closing, social: p.Social, pay: p.Pay, showPay: p.ShowPay,
		jobURL: p.JobURL, applyURL: p.ApplyURL, remote: p.Remote,
	}
}
