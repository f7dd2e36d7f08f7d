package events

import (
	"encoding/json"
	"time"
)

// Job is a public job: what a board may show. The same object stands in events and in the HTTP API.
//
// It is made of Ashby's posting, with its Ashby job and locations where they are known:
// https://developers.ashbyhq.com/reference/jobpostinginfo. Texts other than the description are plain, without space
// around them, and empty where Ashby has none. Readers ignore fields that they do not know.
type Job struct {
	// ID is Ashby's job posting id. It is unique within a connection only.
	ID string `json:"id"`
	// JobID is Ashby's job id; several postings may share one job: https://developers.ashbyhq.com/reference/jobinfo
	JobID string `json:"job_id"`
	// OrganizationSlug is the employer's job-board name at Ashby, the first part of the path of the posting's page or form at
	// https://jobs.ashbyhq.com, decoded; it may contain spaces. Empty where neither lies there. It is also what Ashby's
	// public API takes: https://developers.ashbyhq.com/docs/public-job-posting-api
	OrganizationSlug string `json:"organization_slug"`
	// Connection is the id of the employer's connection.
	Connection string `json:"connection"`
	// EmployerRef is the board's own name of the employer, EmployerName the one to show; both were given at registration.
	EmployerRef  string `json:"employer_ref"`
	EmployerName string `json:"employer_name"`
	Title        string `json:"title"`
	// DescriptionHTML is sanitised: safe to place inside a page. Of at most 300,000 bytes with DescriptionText, as JSON; what is
	// longer is cut.
	DescriptionHTML string `json:"description_html"`
	// DescriptionText is the same as plain text.
	DescriptionText string `json:"description_text"`
	// Department and Team are Ashby's names; Team is empty where the posting belongs to a department itself.
	Department string `json:"department"`
	Team       string `json:"team"`
	// DepartmentPath runs from the top department down to the team; empty, never nil, where unknown.
	DepartmentPath []string `json:"department_path"`
	// Locations has the primary location first; empty, never nil, where there is none.
	Locations []Location `json:"locations"`
	// WorkplaceType is OnSite, Hybrid, Remote, or empty; new values may come.
	WorkplaceType string `json:"workplace_type"`
	// EmploymentType is FullTime, PartTime, Intern, Contract, Temporary, or empty; new values may come.
	EmploymentType string `json:"employment_type"`
	// Pay is nil unless the employer shows it.
	Pay *Pay `json:"pay"`
	// JobURL is the job's page at the employer's board, ApplyURL where to apply, the same page where Ashby names no other. Both
	// are http or https addresses, or empty.
	JobURL   string `json:"job_url"`
	ApplyURL string `json:"apply_url"`
	// PublishedOn is a calendar date, YYYY-MM-DD; Ashby states no time zone. Nil where unknown.
	PublishedOn *string `json:"published_on"`
	// UpdatedAt is Ashby's time of the posting's last update, in UTC. Names and pay can change without it.
	UpdatedAt *time.Time `json:"updated_at"`
	// ApplicationDeadline is the last moment to apply, in UTC; nil where there is none.
	ApplicationDeadline *time.Time `json:"application_deadline"`
	// JSONLD is a schema.org JobPosting, ready for a page's <script type="application/ld+json">, with validThrough where there
	// is a deadline: https://schema.org/JobPosting. It says that one may apply directly, as one may at Ashby; a board that puts
	// steps of its own in between sets directApply to false.
	JSONLD json.RawMessage `json:"json_ld"`
}

// Location is one place of work: https://developers.ashbyhq.com/reference/locationlist
type Location struct {
	// ID is Ashby's location id, empty where unknown.
	ID string `json:"id"`
	// Name is the one for candidates; empty where the API key may not read locations.
	Name    string  `json:"name"`
	Address Address `json:"address"`
	// Primary is true of the first one at most.
	Primary bool `json:"primary"`
	// Remote says that the place stands for work from anywhere within it.
	Remote bool `json:"remote"`
}

// Address is a postal address; any field may be empty. All but CountryCode are free text as the employer wrote it.
type Address struct {
	Street     string `json:"street"`
	Locality   string `json:"locality"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
	// CountryCode is the ISO 3166-1 alpha-2 code of Country, in capitals. Empty where Country names no country that has one, or
	// more than one.
	CountryCode string `json:"country_code"`
}

// Pay is the compensation the employer shows on its job board.
type Pay struct {
	// Summary is all of it in a line, as Ashby writes it: "€151K – €231K • 0.25%".
	Summary string `json:"summary"`
	// Tiers may be empty, where Ashby tells the summary alone.
	Tiers []PayTier `json:"tiers"`
}

// PayTier is one pay tier, for example of one region.
type PayTier struct {
	// Title is empty where there is but one tier.
	Title   string `json:"title"`
	Summary string `json:"summary"`
	// Note is the employer's additional information.
	Note       string         `json:"note"`
	Components []PayComponent `json:"components"`
}

// PayComponent is one part of a tier: a salary range, a bonus, equity.
type PayComponent struct {
	// Type is Salary, EquityPercentage, EquityCashValue, Commission, Bonus; new values may come.
	Type string `json:"type"`
	// Label is the employer's own name of it; empty for most.
	Label   string `json:"label"`
	Summary string `json:"summary"`
	// Interval is what the amount is paid for, in Ashby's spelling: "1 YEAR", "1 HOUR", "NONE" …; new values may come.
	Interval string `json:"interval"`
	// Currency is an ISO 4217 code, empty for percentages.
	Currency string `json:"currency"`
	// Min and Max are decimals as Ashby wrote them, in units of Currency, in percent for EquityPercentage; nil where open.
	Min *json.Number `json:"min"`
	Max *json.Number `json:"max"`
}
