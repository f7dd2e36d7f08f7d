package ashbytest

import (
	"time"
)

// locationIDs names a posting's places.
type locationIDs struct {
	Primary   string   `json:"primaryLocationId"`
	Secondary []string `json:"secondaryLocationIds"`
}

// listRow is a posting in the shape of jobPosting.list and of webhooks: there is no description in it.
//
// https://developers.ashbyhq.com/reference/jobpostinglist
type listRow struct {
	ID                  string      `json:"id"`
	Title               string      `json:"title"`
	JobID               string      `json:"jobId"`
	Status              string      `json:"status"`
	DepartmentName      string      `json:"departmentName"`
	TeamName            string      `json:"teamName"`
	LocationName        string      `json:"locationName"`
	LocationExternal    *string     `json:"locationExternalName"` // not documented, but recorded
	LocationIDs         locationIDs `json:"locationIds"`
	WorkplaceType       *string     `json:"workplaceType"`
	EmploymentType      string      `json:"employmentType"`
	IsListed            bool        `json:"isListed"`
	PublishedDate       *string     `json:"publishedDate"`
	ApplicationDeadline *string     `json:"applicationDeadline"`
	ExternalLink        *string     `json:"externalLink"`
	ApplyLink           string      `json:"applyLink"`
	TierSummary         *string     `json:"compensationTierSummary,omitempty"`
	ShowPay             *bool       `json:"shouldDisplayCompensationOnJobBoard,omitempty"`
	UpdatedAt           string      `json:"updatedAt"`
}

func (o *Organization) listRow(p *posting) listRow {
	department, team, _ := o.departmentPath(p.departmentID)
	row := listRow{
		ID: p.id, Title: p.title, JobID: p.jobID, Status: p.status(),
		DepartmentName: department, TeamName: team,
		LocationIDs:    locationIDs{Primary: p.locationID, Secondary: p.secondary},
		EmploymentType: p.employmentType, WorkplaceType: present(p.workplaceType), IsListed: p.listed,
		PublishedDate: present(p.publishedOn), TierSummary: p.pay.TierSummary, UpdatedAt: instant(p.updated),
	}
	show := p.showPay // a copy: the row is encoded outside the lock
	row.ShowPay = &show
	if place, ok := o.locations.get(p.locationID); ok {
		row.LocationName = place.text("name")
		row.LocationExternal = present(place.text("externalName"))
	}
	if p.deadline != nil {
		row.ApplicationDeadline = present(instant(*p.deadline))
	}
	row.ExternalLink, row.ApplyLink = o.links(p)
	return row
}

// links gives a posting's page and its form. A posting on the internal board has no page outside.
func (o *Organization) links(p *posting) (external *string, apply string) {
	if p.internal {
		return nil, "https://app.ashbyhq.com/internal-jobs/" + o.slug + "/" + p.id
	}
	page, form := p.jobURL, p.applyURL
	if page == "" {
		page = "https://jobs.ashbyhq.com/" + o.slug + "/" + p.id
	}
	if form == "" {
		form = page
	}
	return &page, form
}

// departmentPath gives the names of the top department and of the team, equal where the team has no parent, and all
// names from the top down.
func (o *Organization) departmentPath(id string) (department, team string, path []string) {
	seen := make(map[string]bool)
	for r, ok := o.departments.get(id); ok && !seen[r.id]; r, ok = o.departments.get(r.text("parentId")) {
		seen[r.id] = true
		path = append([]string{r.text("name")}, path...)
	}
	if len(path) == 0 {
		return "", "", []string{}
	}
	return path[0], path[len(path)-1], path
}

func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// infoRow is a posting in the shape of jobPosting.info.
//
// https://developers.ashbyhq.com/reference/jobpostinginfo
type infoRow struct {
	listRow
	DescriptionHTML  string           `json:"descriptionHtml"`
	DescriptionPlain string           `json:"descriptionPlain"`
	Parts            descriptionParts `json:"descriptionParts"`
	Social           *string          `json:"descriptionSocial"`
	TeamHierarchy    []string         `json:"teamNameHierarchy"`
	LinkedData       map[string]any   `json:"linkedData"`
	Address          any              `json:"address"`
	IsRemote         bool             `json:"isRemote"`
	FormDefinition   map[string]any   `json:"applicationFormDefinition"`
	Surveys          []map[string]any `json:"surveyFormDefinitions"`
	Compensation     shownPay         `json:"compensation"`
	NoOpening        bool             `json:"suppressDescriptionOpening"`
	NoClosing        bool             `json:"suppressDescriptionClosing"`
	LimitCallout     *string          `json:"applicationLimitCalloutHtml"`
	Job              map[string]any   `json:"job,omitempty"`
}

type descriptionParts struct {
	Opening *richText `json:"descriptionOpening"`
	Body    *richText `json:"descriptionBody"`
	Closing *richText `json:"descriptionClosing"`
}

// shownPay is compensation with the flag under the name it has in reality, which is not the May document's.
type shownPay struct {
	compensation
	Show bool `json:"shouldDisplayCompensation"`
}

func (o *Organization) infoRow(p *posting, withJob bool) infoRow {
	list := o.listRow(p)
	list.TierSummary, list.ShowPay = nil, nil // .info has them inside compensation
	_, _, path := o.departmentPath(p.departmentID)
	row := infoRow{
		listRow: list, DescriptionHTML: p.html(), DescriptionPlain: p.plain(),
		Parts:  descriptionParts{Opening: p.opening, Body: p.body, Closing: p.closing},
		Social: p.social, TeamHierarchy: path, LinkedData: o.linkedData(p), IsRemote: p.workplaceType == "Remote",
		FormDefinition: applicationForm(p.id, o.sim.opts.Seed), Surveys: o.surveys(p),
		Compensation: shownPay{compensation: p.pay, Show: p.showPay}, NoOpening: p.opening == nil, NoClosing: p.closing == nil,
	}
	if place, ok := o.locations.get(p.locationID); ok {
		row.Address = place.body["address"]
		row.IsRemote = row.IsRemote || place.flag("isRemote")
	}
	if p.remote != nil {
		row.IsRemote = *p.remote
	}
	if job, ok := o.jobs.get(p.jobID); ok && withJob {
		row.Job = o.jobRow(job, false)
	}
	return row
}

var schemaEmployment = map[string]string{
	"FullTime": "FULL_TIME", "PartTime": "PART_TIME", "Contract": "CONTRACTOR", "Temporary": "TEMPORARY", "Intern": "INTERN",
}

// linkedData is the schema.org form. directApply and baseSalary are not documented, but recorded.
func (o *Organization) linkedData(p *posting) map[string]any {
	data := map[string]any{
		"@context": "https://schema.org/", "@type": "JobPosting", "title": p.title, "description": p.html(),
		"directApply":        true,
		"identifier":         map[string]any{"@type": "PropertyValue", "name": o.name, "value": p.id},
		"hiringOrganization": map[string]any{"@type": "Organization", "name": o.name, "sameAs": "https://" + o.slug + ".example"},
		"employmentType":     schemaEmployment[p.employmentType],
	}
	posted := p.publishedOn
	if posted == "" {
		posted = p.updated.Format(time.DateOnly)
	}
	data["datePosted"] = posted
	address := map[string]any{"@type": "PostalAddress"}
	if place, ok := o.locations.get(p.locationID); ok {
		if shown, ok := place.body["address"].(map[string]any); ok {
			fields, _ := shown["postalAddress"].(map[string]any)
			for k, v := range fields {
				address[k] = v
			}
		}
	}
	data["jobLocation"] = map[string]any{"@type": "Place", "address": address}
	if salary := p.pay.baseSalary(); salary != nil && p.showPay {
		data["baseSalary"] = salary
	}
	return data
}

// baseSalary is the first salary of the summary in schema.org's form.
func (c compensation) baseSalary() map[string]any {
	units := map[string]string{"1 YEAR": "YEAR", "1 MONTH": "MONTH", "1 WEEK": "WEEK", "1 DAY": "DAY", "1 HOUR": "HOUR"}
	for _, part := range c.SummaryComponents {
		if part["compensationType"] != "Salary" || part["minValue"] == nil {
			continue
		}
		interval, _ := part["interval"].(string)
		return map[string]any{"@type": "MonetaryAmount", "currency": part["currencyCode"], "value": map[string]any{
			"@type": "QuantitativeValue", "minValue": part["minValue"], "maxValue": part["maxValue"], "unitText": units[interval],
		}}
	}
	return nil
}
