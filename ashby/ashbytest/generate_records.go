package ashbytest

// GenerateHiring makes everything that an employer sets up once and that has few rows: users, roles, brands, sources,
// reasons, custom fields, forms, plans with their stages, interviews, pools, tags, projects, templates, approvals, and an
// opening for every second job that there is. Called again it makes only what is not there. No webhooks are sent.
func (o *Organization) GenerateHiring() {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.furnish(o.slug)
	o.furnishHiring()
	o.last = later(o.last, generatedAt)
}

func (o *Organization) furnishHiring() {
	for i := range o.sim.catalogue.kinds {
		k := &o.sim.catalogue.kinds[i]
		for o.table(k.name).made < k.count {
			of := ""
			if k.belongs != nil {
				of = k.belongs(o, o.table(k.name).made)
			}
			o.generateOne(k.name, of)
		}
	}
	if o.table("opening").made == 0 {
		for i, job := range o.jobs.rows {
			if i%2 == 0 {
				o.generateOne("opening", job.id)
			}
		}
	}
}

// GenerateCandidates makes n candidates with their applications, six for five, for the jobs that there are, and ten jobs
// where there are none. A few applications have schedules, offers, feedback and surveys; history, notes and the other
// parts of a candidate follow from its number. It makes what GenerateHiring makes, too. 100,000 candidates take about a
// second, and little memory: bodies are made when they are asked for. No webhooks are sent.
func (o *Organization) GenerateCandidates(n int) {
	o.sim.mu.Lock()
	isEmpty := len(o.jobs.rows) == 0
	o.sim.mu.Unlock()
	if isEmpty {
		o.Generate(10)
	}
	o.GenerateHiring()
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	for range n {
		candidate := o.generateOne("candidate", "")
		job := o.jobs.rows[o.roll("job of candidate", candidate.n).pick(0, len(o.jobs.rows))]
		o.generateApplication(2*candidate.n, job.id)
		if secondApplication(candidate.n) {
			o.generateApplication(2*candidate.n+1, o.jobs.rows[candidate.n%len(o.jobs.rows)].id)
		}
	}
}

// generateApplication makes an application and what hangs on a few of them.
func (o *Organization) generateApplication(n int, jobID string) {
	application := o.generateAs("application", jobID, n)
	dice, stage := o.roll("extras", n), o.stageOf(n)
	if stage == stageOffer || stage == stageHired {
		o.generateOne("offer", application.id)
	}
	for i, extra := range []struct {
		kind  string
		every int
	}{{"interview_schedule", 10}, {"application_feedback", 20}, {"survey_request", 25}, {"survey_submission", 25}} {
		if dice.pick(i, extra.every) == 0 {
			o.generateOne(extra.kind, application.id)
		}
	}
}
