package ashbytest

// PostingSpec describes a posting to be created; what is zero is generated.
type PostingSpec struct {
	// ID must be a UUID; others could not be asked for.
	ID    string
	Title string
	// JobID names the job; where there is no such job, one is made, open and with the posting's title.
	JobID string
	// DescriptionHTML is the whole text.
	DescriptionHTML      string
	DepartmentID         string
	LocationID           string
	SecondaryLocationIDs []string
	WorkplaceType        string
	EmploymentType       string
	// Pay nil means generated pay, which may be none.
	Pay      *Pay
	Unlisted bool
	// Internal puts it on the internal board.
	Internal bool
}

// CreatePosting makes a posting, as a draft, and its job where that is new; only the job has a webhook. It gives the
// posting's id, and changes nothing when there is a posting of that id already.
func (o *Organization) CreatePosting(spec PostingSpec) (id string) {
	o.commit(func(e *edit) bool {
		if _, exists := o.postings[spec.ID]; exists {
			id = spec.ID
			return false
		}
		o.furnish(o.slug)
		n := o.created
		o.created++
		p := o.generated(o.slug, n)
		p.updated = e.at
		o.apply(spec, p)
		o.addPosting(p)
		if job, ok := o.jobs.get(p.jobID); ok {
			e.touchJob(job, "", nil)
		} else {
			job := o.jobs.put(o.nextRev(), o.newJob(p.jobID, p, JobOpen, instant(e.at), n))
			e.events = append(e.events, event{action: "jobCreate", object: job.id, data: map[string]any{"job": o.jobRow(job, false)}})
		}
		e.touched = append(e.touched, p)
		id = p.id
		return true
	})
	return id
}

// apply puts what the spec says over what was generated.
func (o *Organization) apply(spec PostingSpec, p *posting) {
	for _, field := range []struct {
		to   *string
		from string
	}{
		{&p.id, spec.ID},
		{&p.title, spec.Title},
		{&p.jobID, spec.JobID},
		{&p.departmentID, spec.DepartmentID},
		{&p.locationID, spec.LocationID},
		{&p.workplaceType, spec.WorkplaceType},
		{&p.employmentType, spec.EmploymentType},
	} {
		if field.from != "" {
			*field.to = field.from
		}
	}
	if spec.SecondaryLocationIDs != nil {
		p.secondary = spec.SecondaryLocationIDs
	}
	if spec.DescriptionHTML != "" {
		p.opening, p.body, p.closing = nil, &richText{HTML: spec.DescriptionHTML, Plain: plainText(spec.DescriptionHTML)}, nil
	}
	if spec.Pay != nil {
		p.pay, p.showPay = o.compensationOf(p.id, *spec.Pay), !spec.Pay.Hidden
	}
	p.listed, p.internal = !spec.Unlisted, spec.Internal
	p.published, p.publishedOn = false, ""
}

func (o *Organization) addPosting(p *posting) {
	o.postings[p.id] = p
	o.order = append(o.order, p)
	o.byJob[p.jobID] = append(o.byJob[p.jobID], p)
}
