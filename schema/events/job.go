package events

import (
	"encoding/json"
	"time"
)

// Job is a public job: what a board may show. The same object stands in events and in the HTTP API.
type Job struct {
	// ID is Ashby's job posting id. It is unique within a connection only.
	ID string `json:"id"`
	// JobID is Ashby's job id; several postings may share one job.
	JobID string `json:"job_id"`
	// OrganizationSlug is the employer's job-board name at Ashby, the first part of the path of the posting's page or form at
	// https://jobs.ashbyhq.com, decoded; it may contain spaces. Empty where neither lies there.
	OrganizationSlug string `json:"organization_slug"`
	Connection       string `json:"connection"`
	EmployerRef      string `json:"employer_ref"`
	EmployerName     string `json:"employer_name"`
	Title            string `json:"title"`
	// DescriptionHTML is sanitised: safe to place inside a page.
	DescriptionHTML string `json:"description_html"`
	DescriptionText string `json:"description_text"`
	// Department and Team are Ashby's names; Team is empty where the posting belongs to a department itself.
	Department string `json:"department"`
	Team       string `json:"team"`
	// DepartmentPath runs from the top department down to the team.
	DepartmentPath []string `json:"department_path"`
	// Locations has the primary location first.
	Locations []Location `json:"locations"`
	// WorkplaceType is OnSite, Hybrid, Remote, or empty; new values may come.
	WorkplaceType string `json:"workplace_type"`
	// EmploymentType is FullTime, PartTime, Intern, Contract, Temporary, or empty; new values may come.
	EmploymentType string `json:"employment_type"`
	// Pay is nil unless the employer shows it.
	Pay      *Pay   `json:"pay"`
	JobURL   string `json:"job_url"`
	ApplyURL string `json:"apply_url"`
	// PublishedOn is a calendar date, YYYY-MM-DD; Ashby states no time zone.
	PublishedOn *string `json:"published_on"`
	// UpdatedAt is Ashby's time of the posting's last update.
	UpdatedAt           *time.Time `json:"updated_at"`
	ApplicationDeadline *time.Time `json:"application_deadline"`
	// JSONLD is a schema.org JobPosting, ready for a page's <script type="application/ld+json">.
	JSONLD json.RawMessage `json:"json_ld"`
}

// Location is one place of work.
type Location struct {
	// ID is Ashby's location id, empty where unknown.
	ID      string  `json:"id"`
	Name    string  `json:"name"`
	Address Address `json:"address"`
	Primary bool    `json:"primary"`
	Remote  bool    `json:"remote"`
}

// Address is a postal address; any field may be empty.
type Address struct {
	Street     string `json:"street"`
	Locality   string `json:"locality"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
	// Country is free text as the employer wrote it.
	Country string `json:"country"`
	// CountryCode is the ISO 3166-1 alpha-2 code of Country, in capitals. Empty where Country names no country that has one, or
	// more than one.
	CountryCode string `json:"country_code"`
}

// Pay is the compensation the employer shows on its job board.
type Pay struct {
	Summary string    `json:"summary"`
	Tiers   []PayTier `json:"tiers"`
}

// PayTier is one pay tier, for example of one region.
type PayTier struct {
	Title      string         `json:"title"`
	Summary    string         `json:"summary"`
	Note       string         `json:"note"`
	Components []PayComponent `json:"components"`
}

// PayComponent is one part of a tier: a salary range, a bonus, equity.
type PayComponent struct {
	// Type is Salary, EquityPercentage, EquityCashValue, Commission, Bonus; new values may come.
	Type    string `json:"type"`
	Label   string `json:"label"`
	Summary string `json:"summary"`
	// Interval is Ashby's: "1 YEAR", "1 HOUR", "NONE" …
	Interval string `json:"interval"`
	// Currency is an ISO 4217 code, empty for percentages.
	Currency string `json:"currency"`
	// Min and Max are decimals as Ashby wrote them, nil where absent.
	Min *json.Number `json:"min"`
	Max *json.Number `json:"max"`
}
