package e2e

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/bebitcoiner/ashbridge/ashby/ashbytest"
	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// truth is a posting as Ashby has it.
type truth struct {
	ashbytest.PostingState
	// Pay is nil where none may be shown.
	Pay *ashbytest.Pay
	// Slug is the employer's.
	Slug string
}

// publicAtAshby are the postings that a board may show.
func publicAtAshby(org *ashbytest.Organization) (map[string]truth, error) {
	out := map[string]truth{}
	for _, p := range org.Postings() {
		if !p.Public() {
			continue
		}
		pay, err := org.ShownPay(p.ID)
		if err != nil {
			return nil, err
		}
		out[p.ID] = truth{p, pay, org.Slug()}
	}
	return out, nil
}

// faultsOfListings judges the first half of P2: the public postings and the listings must tell the same.
func faultsOfListings(public map[string]truth, rows map[string]row) []string {
	var faults []string
	for id, p := range public {
		r, ok := rows[id]
		if !ok || r.State != "open" {
			faults = append(faults, fmt.Sprintf("%s is public at Ashby and %q in Postgres", id, r.State))
			continue
		}
		faults = append(faults, faultsOfJob(p, r.Job)...)
	}
	for id, r := range rows {
		if _, ok := public[id]; r.State == "open" && !ok {
			faults = append(faults, id+" is open in Postgres and not public at Ashby")
		}
	}
	return faults
}

// faultsOfStream judges the second half of P2: the listings and the last message of each job must tell the same.
func faultsOfStream(connection string, rows map[string]row, stream map[string]message) []string {
	var faults []string
	for id, r := range rows {
		m, ok := stream[events.JobSubject(connection, id)]
		if !ok {
			faults = append(faults, id+" is missing on the stream")
			continue
		}
		faults = append(faults, faultsOfMessage(id, r, m)...)
	}
	for subject := range stream {
		id, mine := strings.CutPrefix(subject, "jobs.v1."+connection+".")
		if _, ok := rows[id]; mine && !ok {
			faults = append(faults, subject+" is on the stream and not in Postgres")
		}
	}
	return faults
}

// faultsOfMessage compares a listing with the last message about it, the whole job included.
func faultsOfMessage(id string, r row, m message) []string {
	var faults []string
	if m.Job.Version != r.Version || (m.Event.Type == events.JobClosed) != (r.State == "closed") {
		faults = append(faults, fmt.Sprintf("%s: version %d %s on the stream, %d %s in Postgres",
			id, m.Job.Version, m.Event.Type, r.Version, r.State))
	}
	var reason string
	if m.Job.Reason != nil {
		reason = string(*m.Job.Reason)
	}
	if reason != r.Reason {
		faults = append(faults, fmt.Sprintf("%s: reason %q on the stream, %q in Postgres", id, reason, r.Reason))
	}
	if !sameJSON(string(m.doc()), r.Doc) {
		faults = append(faults, fmt.Sprintf("%s: the job on the stream is not the one in Postgres", id))
	}
	return faults
}

// faultsOfJob compares a public job with the posting as far as the simulator can tell.
func faultsOfJob(p truth, job events.Job) []string {
	var faults []string
	team := p.TeamName
	if team == p.DepartmentName {
		team = ""
	}
	updated := "never"
	if job.UpdatedAt != nil {
		updated = job.UpdatedAt.UTC().String()
	}
	for _, f := range []struct {
		name      string
		want, got any
	}{
		{"id", p.ID, job.ID},
		{"job_id", p.JobID, job.JobID},
		{"organization_slug", p.Slug, job.OrganizationSlug},
		{"title", strings.TrimSpace(p.Title), job.Title},
		{"department", strings.TrimSpace(p.DepartmentName), job.Department},
		{"team", strings.TrimSpace(team), job.Team},
		{"updated_at", p.UpdatedAt.UTC().String(), updated},
		{"locations", placesAtAshby(p.Places), placesOf(job)},
		{"pay", payAtAshby(p.Pay), payOf(job)},
	} {
		if !reflect.DeepEqual(f.want, f.got) {
			faults = append(faults, fmt.Sprintf("%s: %s is %v at Ashby and %v in Postgres", p.ID, f.name, f.want, f.got))
		}
	}
	if cleaned(p.DescriptionHTML) != job.DescriptionHTML {
		faults = append(faults, p.ID+": the description is not Ashby's")
	}
	return faults
}

// descriptions keeps what cleaning made of each description: the judges look at the same ones again and again.
var descriptions sync.Map

func cleaned(html string) string {
	if known, ok := descriptions.Load(html); ok {
		return known.(string)
	}
	out := markup.New().HTML(html)
	descriptions.Store(html, out)
	return out
}

// countryCodes are those of the countries that the simulator's employers and the recorded ones have places in.
var countryCodes = map[string]string{
	"Germany": "DE", "United Kingdom": "GB", "USA": "US", "United States": "US", "Brazil": "BR", "Ireland": "IE",
}

func placesAtAshby(places []ashbytest.Place) []string {
	out := []string{}
	for _, p := range places {
		out = append(out, words(p.ID, p.Name, p.Street, p.Locality, p.Region, p.PostalCode, p.Country,
			countryCodes[strings.TrimSpace(p.Country)]))
	}
	return out
}

func placesOf(job events.Job) []string {
	out := []string{}
	for _, l := range job.Locations {
		a := l.Address
		out = append(out, words(l.ID, l.Name, a.Street, a.Locality, a.Region, a.PostalCode, a.Country, a.CountryCode))
	}
	return out
}

func payAtAshby(pay *ashbytest.Pay) []string {
	out := []string{}
	if pay == nil {
		return out
	}
	for _, t := range pay.Tiers {
		out = append(out, words("tier", t.Title, t.Note))
		for _, c := range t.Components {
			out = append(out, words(c.Type, c.Label, c.Interval, c.Currency, c.Min.String(), c.Max.String()))
		}
	}
	return out
}

func payOf(job events.Job) []string {
	out := []string{}
	if job.Pay == nil {
		return out
	}
	for _, t := range job.Pay.Tiers {
		out = append(out, words("tier", t.Title, t.Note))
		for _, c := range t.Components {
			var low, high string
			if c.Min != nil {
				low = c.Min.String()
			}
			if c.Max != nil {
				high = c.Max.String()
			}
			out = append(out, words(c.Type, c.Label, c.Interval, c.Currency, low, high))
		}
	}
	return out
}

// words joins texts, the space around each left out.
func words(texts ...string) string {
	for i, text := range texts {
		texts[i] = strings.TrimSpace(text)
	}
	return strings.Join(texts, "|")
}
