package mirror

import (
	"encoding/json"
	"time"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The objects of schema.org's vocabulary, as https://schema.org/JobPosting and search engines' guides for it want them.
type (
	ldPosting struct {
		Context        string         `json:"@context"`
		Type           string         `json:"@type"`
		Title          string         `json:"title"`
		Description    string         `json:"description"`
		Identifier     ldIdentifier   `json:"identifier"`
		DatePosted     string         `json:"datePosted,omitempty"`
		ValidThrough   string         `json:"validThrough,omitempty"`
		Organization   ldOrganization `json:"hiringOrganization"`
		EmploymentType string         `json:"employmentType,omitempty"`
		JobLocation    []ldPlace      `json:"jobLocation,omitempty"`
		LocationType   string         `json:"jobLocationType,omitempty"`
		Applicants     []ldCountry    `json:"applicantLocationRequirements,omitempty"`
		BaseSalary     *ldAmount      `json:"baseSalary,omitempty"`
		DirectApply    bool           `json:"directApply"`
		URL            string         `json:"url,omitempty"`
	}
	ldIdentifier struct {
		Type  string `json:"@type"`
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	ldOrganization struct {
		Type string `json:"@type"`
		Name string `json:"name"`
	}
	ldPlace struct {
		Type    string     `json:"@type"`
		Name    string     `json:"name,omitempty"`
		Address *ldAddress `json:"address,omitempty"`
	}
	ldAddress struct {
		Type       string `json:"@type"`
		Street     string `json:"streetAddress,omitempty"`
		Locality   string `json:"addressLocality,omitempty"`
		Region     string `json:"addressRegion,omitempty"`
		PostalCode string `json:"postalCode,omitempty"`
		Country    string `json:"addressCountry,omitempty"`
	}
	ldCountry struct {
		Type string `json:"@type"`
		Name string `json:"name"`
	}
	ldAmount struct {
		Type     string     `json:"@type"`
		Currency string     `json:"currency"`
		Value    ldQuantity `json:"value"`
	}
	ldQuantity struct {
		Type string       `json:"@type"`
		Min  *json.Number `json:"minValue,omitempty"`
		Max  *json.Number `json:"maxValue,omitempty"`
		Unit string       `json:"unitText"`
	}
)

// jsonLD makes the schema.org JobPosting of a public job. It holds nothing that the job itself does not show, and no
// byte of it can end the script element that it is placed in: json.Marshal escapes <, > and &.
func jsonLD(j events.Job, remote bool) json.RawMessage {
	doc := ldPosting{
		Context: "https://schema.org", Type: "JobPosting",
		Title: j.Title, Description: j.DescriptionHTML,
		Identifier:     ldIdentifier{"PropertyValue", j.EmployerName, j.ID},
		Organization:   ldOrganization{"Organization", j.EmployerName},
		EmploymentType: ldEmploymentType(j.EmploymentType),
		BaseSalary:     baseSalary(j.Pay),
		DirectApply:    j.ApplyURL != "", // Ashby's pages take the application themselves
		URL:            j.JobURL,
	}
	if j.PublishedOn != nil {
		doc.DatePosted = *j.PublishedOn
	}
	if j.ApplicationDeadline != nil {
		doc.ValidThrough = j.ApplicationDeadline.Format(time.RFC3339)
	}
	if remote {
		doc.LocationType = "TELECOMMUTE"
		doc.Applicants = countries(j.Locations)
	}
	for _, l := range j.Locations {
		// A remote job's remote locations say where applicants may live, not where the work is.
		if p, ok := ldPlaceOf(l); ok && (!remote || !l.Remote) {
			doc.JobLocation = append(doc.JobLocation, p)
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil { // not reached: strings always encode, and decimal lets only numbers through
		return json.RawMessage("{}")
	}
	return raw
}

func ldEmploymentType(ashbys string) string {
	switch ashbys {
	case "FullTime":
		return "FULL_TIME"
	case "PartTime":
		return "PART_TIME"
	case "Intern":
		return "INTERN"
	case "Contract":
		return "CONTRACTOR"
	case "Temporary":
		return "TEMPORARY"
	case "":
		return ""
	default:
		return "OTHER"
	}
}

func ldPlaceOf(l events.Location) (ldPlace, bool) {
	p := ldPlace{Type: "Place", Name: l.Name}
	if a := l.Address; a != (events.Address{}) {
		p.Address = &ldAddress{"PostalAddress", a.Street, a.Locality, a.Region, a.PostalCode, a.Country}
	}
	return p, p.Name != "" || p.Address != nil
}

// countries are those that a remote job's applicants may live in: its remote locations' countries, or where none is
// marked as remote, all.
func countries(locations []events.Location) []ldCountry {
	anyRemote := false
	for _, l := range locations {
		anyRemote = anyRemote || l.Remote
	}
	var list []ldCountry
	seen := map[string]bool{"": true}
	for _, l := range locations {
		if name := l.Address.Country; !seen[name] && l.Remote == anyRemote {
			seen[name] = true
			list = append(list, ldCountry{"Country", name})
		}
	}
	return list
}
