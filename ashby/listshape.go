package ashby

import (
	"encoding/json"
	"time"
)

// ListShape returns canonical JSON of the fields that both jobPosting.list and jobPosting.info show, so that a row of a
// listing can be compared with what was last read by info: equal bytes mean that the listing shows no change. Pay
// counts only where it may be shown, since info may leave out what is hidden.
func ListShape(p Posting) []byte {
	shape := struct {
		ID                string     `json:"id"`
		JobID             string     `json:"job_id"`
		Title             string     `json:"title"`
		Status            string     `json:"status"`
		Department        string     `json:"department"`
		Team              string     `json:"team"`
		Location          string     `json:"location"`
		PrimaryLocation   string     `json:"primary_location"`
		SecondaryLocation []string   `json:"secondary_locations"`
		WorkplaceType     string     `json:"workplace_type"`
		EmploymentType    string     `json:"employment_type"`
		Listed            *bool      `json:"listed"`
		PublishedDate     string     `json:"published_date"`
		Deadline          *time.Time `json:"deadline"`
		ExternalLink      string     `json:"external_link"`
		ApplyLink         string     `json:"apply_link"`
		ShowPay           bool       `json:"show_pay"`
		Pay               string     `json:"pay"`
		UpdatedAt         *time.Time `json:"updated_at"`
	}{
		ID: p.ID, JobID: p.JobID, Title: p.Title,
		// An answer without a status held published postings alone.
		Status:     first(p.Status, "Published"),
		Department: p.DepartmentName, Team: p.TeamName, Location: p.LocationName,
		PrimaryLocation:   p.PrimaryLocationID,
		SecondaryLocation: append([]string{}, p.SecondaryLocations...),
		WorkplaceType:     p.WorkplaceType, EmploymentType: p.EmploymentType,
		Listed: p.IsListed, PublishedDate: p.PublishedDate, Deadline: p.ApplicationDeadline,
		ExternalLink: p.ExternalLink, ApplyLink: p.ApplyLink, ShowPay: p.ShowCompensation, UpdatedAt: p.UpdatedAt,
	}
	if p.ShowCompensation {
		shape.Pay = p.CompensationTierSummary
	}
	// Strings, booleans and times within year 9999 always encode.
	doc, _ := json.Marshal(shape)
	return doc
}
