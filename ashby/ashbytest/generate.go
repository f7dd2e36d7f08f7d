package ashbytest

import (
	"time"
)

// generatedAt is the time around which generated data was last changed: fixed, so that it is the same on every run.
var generatedAt = time.Date(2026, time.June, 1, 8, 0, 0, 0, time.UTC)

// Generate makes n postings, published and listed on the external board, with open jobs, as an account that was there
// before anybody looked: no webhooks are sent. The first call also makes eight departments and teams, six locations and two brands.
// In every tenth posting the job is that of the one before.
func (o *Organization) Generate(n int) { o.generate(o.slug, n) }

// GenerateLike is Generate with the ids that the organisation otherSlug would generate, and different contents: two
// employers whose postings, jobs, departments and locations share their ids.
func (o *Organization) GenerateLike(otherSlug string, n int) { o.generate(otherSlug, n) }

func (o *Organization) generate(idSlug string, n int) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.furnish(idSlug)
	for range n {
		i := o.created
		o.created++
		p := o.generated(idSlug, i)
		if i%10 == 9 {
			if mate, ok := o.jobs.get(stableID(o.sim.opts.Seed, idSlug, "job", i-1)); ok && mate.text("status") == JobOpen {
				p.jobID = mate.id
			}
		}
		if _, ok := o.jobs.get(p.jobID); !ok {
			o.jobs.put(o.nextRev(), o.newJob(p.jobID, p, JobOpen, instant(p.updated), i))
		}
		o.addPosting(p)
		o.last = later(o.last, p.updated)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// generated makes the n-th posting. Ids follow idSlug, contents the organisation's own slug.
func (o *Organization) generated(idSlug string, n int) *posting {
	seed := o.sim.opts.Seed
	rng := stableRand(seed, o.slug, "posting", n)
	team := teams[rng.IntN(len(teams))]
	role := team.roles[rng.IntN(len(team.roles))]
	place := n % len(places)
	p := &posting{
		id: stableID(seed, idSlug, "posting", n), jobID: stableID(seed, idSlug, "job", n),
		title: levels[rng.IntN(len(levels))] + role, published: true, listed: true,
		departmentID: stableID(seed, idSlug, "department", team.n), locationID: stableID(seed, idSlug, "location", place),
		secondary: []string{}, workplaceType: workplaces[rng.IntN(len(workplaces))],
		employmentType: employments[rng.IntN(len(employments))],
		publishedOn:    generatedAt.AddDate(0, 0, -n%40).Format(time.DateOnly),
		updated:        generatedAt.Add(time.Duration(n) * time.Minute),
	}
	for k := range rng.IntN(3) {
		p.secondary = append(p.secondary, stableID(seed, idSlug, "location", (place+k+1)%len(places)))
	}
	if places[place].remote {
		p.workplaceType = "Remote"
	}
	if n%7 == 3 {
		deadline := time.Date(2027, time.March, 31, 22, 0, 0, 0, time.UTC)
		p.deadline = &deadline
	}
	if n%3 == 0 {
		text := "Join " + o.name + " as " + p.title + "."
		p.social = &text
	}
	o.describe(p, rng, n)
	pay := somePay(rng, p.employmentType, n)
	p.pay, p.showPay = o.compensationOf(p.id, pay), !pay.Hidden && len(pay.Tiers) > 0
	return p
}

// furnish makes departments, locations and brands where there are none.
func (o *Organization) furnish(idSlug string) {
	seed := o.sim.opts.Seed
	for brand := o.sim.catalogue.by["brand"]; o.table(brand.name).made < brand.count; {
		o.generateOne(brand.name, "")
	}
	if len(o.departments.rows) == 0 {
		for i, d := range departments {
			body := map[string]any{
				"id": stableID(seed, idSlug, "department", i), "name": d.name, "externalName": orNull(d.external), "isArchived": false,
				"parentId": nil, "createdAt": instant(generatedAt), "updatedAt": instant(generatedAt), "extraData": nil,
			}
			if d.parent >= 0 {
				body["parentId"] = stableID(seed, idSlug, "department", d.parent)
			}
			o.departments.put(o.nextRev(), body)
		}
	}
	if len(o.locations.rows) > 0 {
		return
	}
	for i, l := range places {
		body := map[string]any{
			"id": stableID(seed, idSlug, "location", i), "name": l.name, "externalName": orNull(l.external), "isArchived": false,
			"address": postal(l.address), "isRemote": l.remote, "workplaceType": orNull(l.workplace), "parentLocationId": nil,
			"type": "Location", "extraData": nil,
		}
		o.locations.put(o.nextRev(), body)
	}
}
