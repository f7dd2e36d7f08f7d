package mirror

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// The objects of schema.org's vocabulary, as https://schema.org/JobPosting has them and as Google's guide asks for them:
// https://developers.google.com/search/docs/appearance/structured-data/job-posting
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
		Applicants     []ldArea       `json:"applicantLocationRequirements,omitempty"`
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
		Type   string `json:"@type"`
		Name   string `json:"name"`
		SameAs string `json:"sameAs,omitempty"`
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
	ldArea struct {
		Type string `json:"@type"`
		Name string `json:"name"`
	}
	ldAmount struct {
		Type     string     `json:"@type"`
		Currency string     `json:"currency"`
		Value    ldQuantity `json:"value"`
	}
	ldQuantity struct {
		Type  string       `json:"@type"`
		Value *json.Number `json:"value,omitempty"`
		Min   *json.Number `json:"minValue,omitempty"`
		Max   *json.Number `json:"maxValue,omitempty"`
		Unit  string       `json:"unitText"`
	}
)

// jsonLD makes the schema.org JobPosting of a public job. It holds nothing that the job itself does not show but the
// address of the employer's site, and no byte of it can end the script element that it is placed in: json.Marshal escapes <,
// > and &.
//
// What Ashby does not tell is absent rather than guessed: a job without a deadline has no validThrough, which means that it
// is open until its page is gone.
func jsonLD(j events.Job, p ashby.Posting) json.RawMessage {
	doc := ldPosting{
		Context: "https://schema.org", Type: "JobPosting",
		Title: j.Title, Description: j.DescriptionHTML,
		Identifier:     ldIdentifier{"PropertyValue", j.EmployerName, j.ID},
		Organization:   ldOrganization{"Organization", j.EmployerName, employerSite(p)},
		EmploymentType: ldEmploymentType(j.EmploymentType),
		BaseSalary:     baseSalary(j.Pay),
		DirectApply:    j.ApplyURL != "", // what the URL leads to takes the application itself
		URL:            j.JobURL,
	}
	if j.PublishedOn != nil {
		doc.DatePosted = *j.PublishedOn
	}
	if j.ApplicationDeadline != nil {
		doc.ValidThrough = j.ApplicationDeadline.Format(time.RFC3339)
	}
	remote := isRemote(p)
	if remote {
		doc.LocationType = "TELECOMMUTE"
		doc.Applicants = applicantAreas(j.Locations)
	}
	doc.JobLocation = ldPlaces(j.Locations, remote)
	raw, err := json.Marshal(doc)
	if err != nil { // not reached: strings always encode, and decimal lets only numbers through
		return json.RawMessage("{}")
	}
	return raw
}

// employerSite is the address of the employer's site, where Ashby's own JobPosting has one.
func employerSite(p ashby.Posting) string {
	var linked struct {
		Organization struct {
			SameAs any `json:"sameAs"`
		} `json:"hiringOrganization"`
	}
	if err := json.Unmarshal(p.LinkedData, &linked); err != nil { // none, or of another shape
		return ""
	}
	site, _ := linked.Organization.SameAs.(string)
	return link(site)
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

// ldPlaces are the places where the work is. A remote job's remote locations say where applicants may live instead. A
// place without an address is shown only where none has one: a search engine rejects it, and with it the others.
func ldPlaces(locations []events.Location, remote bool) []ldPlace {
	var all []ldPlace
	anyAddress := false
	for _, l := range locations {
		p := ldPlace{Type: "Place", Name: l.Name}
		if a := l.Address; a != (events.Address{}) {
			country := first(a.CountryCode, a.Country)
			p.Address = &ldAddress{"PostalAddress", a.Street, a.Locality, a.Region, a.PostalCode, country}
		}
		if (p.Name != "" || p.Address != nil) && (!remote || !l.Remote) {
			all = append(all, p)
			anyAddress = anyAddress || p.Address != nil
		}
	}
	return slices.DeleteFunc(all, func(p ldPlace) bool { return anyAddress && p.Address == nil })
}

// applicantAreas are where a remote job's applicants may live: its remote locations' countries, or where none is marked as
// remote, all. One that is no country, such as the European Union, is an area.
func applicantAreas(locations []events.Location) []ldArea {
	anyRemote := false
	for _, l := range locations {
		anyRemote = anyRemote || l.Remote
	}
	var list []ldArea
	seen := map[string]bool{"": true}
	for _, l := range locations {
		key, kind := l.Address.CountryCode, "Country"
		if key == "" {
			key, kind = l.Address.Country, "AdministrativeArea"
		}
		if !seen[key] && l.Remote == anyRemote {
			seen[key] = true
			list = append(list, ldArea{kind, l.Address.Country})
		}
	}
	return list
}
