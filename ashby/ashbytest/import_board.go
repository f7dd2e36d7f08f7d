package ashbytest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// publicJob is an entry of the keyless public job-board API.
//
// https://developers.ashbyhq.com/docs/public-job-posting-api
type publicJob struct {
	ID             string         `json:"id"`
	Title          string         `json:"title"`
	Department     string         `json:"department"`
	Team           string         `json:"team"`
	EmploymentType string         `json:"employmentType"`
	Location       string         `json:"location"`
	Address        map[string]any `json:"address"`
	Secondary      []struct {
		Location string         `json:"location"`
		Address  map[string]any `json:"address"`
	} `json:"secondaryLocations"`
	PublishedAt   string       `json:"publishedAt"`
	IsListed      bool         `json:"isListed"`
	IsRemote      bool         `json:"isRemote"`
	WorkplaceType string       `json:"workplaceType"`
	JobURL        string       `json:"jobUrl"`
	ApplyURL      string       `json:"applyUrl"`
	HTML          string       `json:"descriptionHtml"`
	Plain         string       `json:"descriptionPlain"`
	ShowPay       bool         `json:"shouldDisplayCompensationOnJobPostings"`
	Compensation  compensation `json:"compensation"`
}

// ImportPublicBoard adds the postings of a recorded answer of the public job-board API, `{"jobs":[…]}`, as published
// postings, each with an open job. Departments, teams and locations are found by name, or made; publishedAt gives both
// the date of publication and updatedAt. Every field of the entries can then be read from jobPosting.info and
// location.list. No webhooks are sent.
func (o *Organization) ImportPublicBoard(raw []byte) error {
	var board struct {
		Jobs []json.RawMessage `json:"jobs"`
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		return fmt.Errorf("importing a public job board: %w", err)
	}
	jobs := make([]publicJob, len(board.Jobs))
	published := make([]time.Time, len(board.Jobs))
	for i, entry := range board.Jobs {
		if err := decodeExact(entry, &jobs[i]); err != nil {
			return fmt.Errorf("importing entry %d of a public job board: %w", i, err)
		}
		if jobs[i].ID == "" {
			return fmt.Errorf("importing entry %d of a public job board: %w", i, errNoID)
		}
		at, err := time.Parse(time.RFC3339, jobs[i].PublishedAt)
		if err != nil {
			return fmt.Errorf("importing entry %d of a public job board: %w", i, err)
		}
		published[i] = at.UTC()
	}
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	for i, job := range jobs {
		if _, exists := o.postings[job.ID]; !exists {
			o.importPublic(job, published[i])
		}
	}
	return nil
}

func (o *Organization) importPublic(job publicJob, at time.Time) {
	p := &posting{
		id: job.ID, jobID: stableID(o.sim.opts.Seed, job.ID, "job", 0), title: job.Title, published: true, listed: job.IsListed,
		departmentID: o.departmentNamed(job.Department, job.Team, at),
		locationID:   o.locationNamed(job.Location, job.Address, job.WorkplaceType == "Remote"), secondary: []string{},
		workplaceType: job.WorkplaceType, employmentType: job.EmploymentType,
		publishedOn: at.Format(time.DateOnly), updated: at,
		body: &richText{HTML: job.HTML, Plain: job.Plain}, pay: job.Compensation, showPay: job.ShowPay,
		jobURL: job.JobURL, applyURL: job.ApplyURL, remote: &job.IsRemote,
	}
	for _, place := range job.Secondary {
		p.secondary = append(p.secondary, o.locationNamed(place.Location, place.Address, false))
	}
	if p.pay.SummaryComponents == nil {
		p.pay.SummaryComponents = []map[string]any{}
	}
	if p.pay.Tiers == nil {
		p.pay.Tiers = []map[string]any{}
	}
	o.jobs.put(o.nextRev(), o.newJob(p.jobID, p, JobOpen, instant(at), len(o.order)))
	o.addPosting(p)
	if at.After(o.last) {
		o.last = at
	}
}

// departmentNamed finds or makes a department and, where its name differs, the team below it.
func (o *Organization) departmentNamed(department, team string, at time.Time) string {
	top := o.unit(department, nil, at)
	if team == "" || team == department {
		return top
	}
	return o.unit(team, top, at)
}

func (o *Organization) unit(name string, parent any, at time.Time) string {
	r, ok := o.departments.byName(name, func(r *record) bool { return r.body["parentId"] == parent })
	if ok {
		return r.id
	}
	id := stableID(o.sim.opts.Seed, o.slug, "imported department", len(o.departments.rows))
	o.departments.put(o.nextRev(), map[string]any{
		"id": id, "name": name, "externalName": nil, "isArchived": false, "parentId": parent,
		"createdAt": instant(at), "updatedAt": instant(at), "extraData": nil,
	})
	return id
}

// locationNamed finds a location of that name at that address, or makes one. Entries that leave the address out mean
// the same place.
func (o *Organization) locationNamed(name string, address map[string]any, remote bool) string {
	r, ok := o.locations.byName(name, func(r *record) bool {
		known, has := r.body["address"].(map[string]any)
		return !has || address == nil || reflect.DeepEqual(known, address)
	})
	if ok {
		if address != nil && r.body["address"] == nil {
			r.set(o.nextRev(), map[string]any{"address": address})
		}
		if remote && !r.flag("isRemote") {
			r.set(o.nextRev(), map[string]any{"isRemote": true})
		}
		return r.id
	}
	id := stableID(o.sim.opts.Seed, o.slug, "imported location", len(o.locations.rows))
	body := map[string]any{
		"id": id, "name": name, "externalName": nil, "isArchived": false, "address": nil, "isRemote": remote,
		"workplaceType": nil, "parentLocationId": nil, "type": "Location", "extraData": nil,
	}
	if address != nil {
		body["address"] = address
	}
	o.locations.put(o.nextRev(), body)
	return id
}
