package ashby

import (
	"encoding/json"
	"time"
)

// Posting is a job posting, in the shape of jobPosting.info; the list and webhook shapes lack the description, address
// and compensation. Fields that Ashby left out or set to null are zero; where the difference matters they are
// pointers.
//
// https://developers.ashbyhq.com/reference/jobpostinginfo
type Posting struct {
	ID    string
	JobID string
	Title string
	// Status is Draft or Published; empty in answers from before July 2026, which held published postings alone.
	Status             string
	DepartmentName     string
	TeamName           string
	TeamNameHierarchy  []string
	LocationName       string
	PrimaryLocationID  string
	SecondaryLocations []string // location ids
	WorkplaceType      string
	EmploymentType     string
	IsRemote           bool
	// IsListed is nil where the answer did not say, which is no reason to close anything.
	IsListed            *bool
	PublishedDate       string // YYYY-MM-DD, empty for drafts
	ApplicationDeadline *time.Time
	// ExternalLink is empty on an internal board.
	ExternalLink string
	// HasExternalLink says whether the answer had the field at all, null included.
	HasExternalLink  bool
	ApplyLink        string
	UpdatedAt        *time.Time
	DescriptionHTML  string
	DescriptionPlain string
	Address          *PostalAddress
	LinkedData       json.RawMessage
	Compensation     *Compensation
	// ShowCompensation unites the three names that the flag goes by; false where absent.
	ShowCompensation        bool
	CompensationTierSummary string
}

// PostalAddress is an address as Ashby gives it; country is free text.
type PostalAddress struct {
	Country    string
	Region     string
	Locality   string
	PostalCode string
	Street     string
}

// Compensation is the pay of a posting.
type Compensation struct {
	TierSummary string
	Tiers       []CompensationTier
}

// CompensationTier is one pay tier.
type CompensationTier struct {
	ID, Title, AdditionalInformation, TierSummary string
	Components                                    []CompensationComponent
}

// CompensationComponent is one part of a tier. MinValue and MaxValue are decimals as Ashby wrote them.
type CompensationComponent struct {
	Summary, Label, Type, Interval, CurrencyCode string
	MinValue, MaxValue                           *json.Number
}

// Job is an Ashby job, as far as Ashbridge looks into it.
//
// https://developers.ashbyhq.com/reference/jobinfo
type Job struct {
	ID             string
	Title          string
	Status         string // Draft, Open, Closed, Archived; new values may come
	Confidential   bool
	EmploymentType string
	LocationID     string
	DepartmentID   string
	JobPostingIDs  []string
	UpdatedAt      *time.Time
}

// Location is a place of work.
//
// https://developers.ashbyhq.com/reference/locationlist
type Location struct {
	ID, Name, ExternalName string
	IsArchived             bool
	IsRemote               bool
	WorkplaceType          string
	Address                *PostalAddress
}

// Department is a department or team.
//
// https://developers.ashbyhq.com/reference/departmentlist
type Department struct {
	ID, Name, ExternalName, ParentID string
	IsArchived                       bool
}
