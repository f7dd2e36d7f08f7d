package ashbytest

import (
	"slices"
	"time"
)

// edit is one act of a person in Ashby. Its webhooks share one webhookActionId, related actions included: whether Ashby
// does so is not documented, and it is the harder case for whoever dedupes on the id alone.
type edit struct {
	o       *Organization
	at      time.Time
	touched []*posting
	events  []event
}

// event is a webhook before it is addressed.
type event struct {
	action string
	object string
	data   map[string]any
}

// commit runs one act under the lock, then tells the listener, then lets the webhooks go. It reports what act does.
func (o *Organization) commit(act func(*edit) bool) bool {
	s := o.sim
	s.mu.Lock()
	e := &edit{o: o, at: o.stamp()}
	done := act(e)
	notify := s.onChange
	send := o.address(e.events)
	s.mu.Unlock()
	for _, p := range e.touched {
		if notify != nil {
			notify(o.slug, p.id, e.at)
		}
	}
	send()
	return done
}

// touch marks a posting as changed and sends the actions, jobPostingUpdate with each of them.
func (e *edit) touch(p *posting, actions ...string) {
	if !e.o.frozen {
		p.updated = e.at
	}
	e.touched = append(e.touched, p)
	data := map[string]any{"jobPosting": e.o.listRow(p)}
	for _, action := range append(actions, "jobPostingUpdate") {
		e.events = append(e.events, event{action: action, object: p.id, data: data})
	}
}

// touchJob changes fields of a job and sends the action; no action is sent when it is empty.
func (e *edit) touchJob(job *record, action string, fields map[string]any) {
	changed := map[string]any{"updatedAt": instant(e.at)}
	for k, v := range fields {
		changed[k] = v
	}
	job.set(e.o.nextRev(), changed)
	if action != "" {
		data := map[string]any{"job": e.o.jobRow(job, false)}
		e.events = append(e.events, event{action: action, object: job.id, data: data})
	}
}

// editPosting runs an act on one posting; false when there is none of that id.
func (o *Organization) editPosting(id string, act func(*edit, *posting) bool) bool {
	return o.commit(func(e *edit) bool {
		p, ok := o.postings[id]
		return ok && act(e, p)
	})
}

// Publish publishes a draft; false when there is none of that id, or when its job is not open, which Ashby demands. The
// job's list of postings changes with it, without a jobUpdate.
func (o *Organization) Publish(id string) bool {
	return o.editPosting(id, func(e *edit, p *posting) bool {
		job, ok := o.jobs.get(p.jobID)
		if !ok || p.published || job.text("status") != JobOpen {
			return false
		}
		p.published, p.publishedOn = true, e.at.Format(time.DateOnly)
		e.touch(p, "jobPostingPublish")
		e.touchJob(job, "", nil)
		return true
	})
}

// Unpublish makes a published posting a draft; false when there is none of that id.
func (o *Organization) Unpublish(id string) bool {
	return o.editPosting(id, func(e *edit, p *posting) bool {
		if !p.published {
			return false
		}
		e.unpublish(p)
		return true
	})
}

func (e *edit) unpublish(p *posting) {
	p.published, p.publishedOn = false, ""
	e.touch(p, "jobPostingUnpublish")
	if job, ok := e.o.jobs.get(p.jobID); ok {
		e.touchJob(job, "", nil)
	}
}

// SetListed lists a posting on the board, or leaves it reachable by its link alone.
func (o *Organization) SetListed(id string, listed bool) bool {
	return o.change(id, func(p *posting) { p.listed = listed })
}

// SetInternal moves a posting to the primary internal board, or back to the primary external one.
func (o *Organization) SetInternal(id string, internal bool) bool {
	return o.change(id, func(p *posting) { p.internal, p.board = internal, "" })
}

// Retitle gives a posting another title.
func (o *Organization) Retitle(id, title string) bool {
	return o.change(id, func(p *posting) { p.title = title })
}

// EditDescription replaces the whole text of a posting, opening and closing included.
func (o *Organization) EditDescription(id, html string) bool {
	return o.change(id, func(p *posting) {
		p.opening, p.body, p.closing = nil, &richText{HTML: html, Plain: plainText(html)}, nil
	})
}

// SetPay replaces a posting's pay.
func (o *Organization) SetPay(id string, pay Pay) bool {
	return o.change(id, func(p *posting) { p.pay, p.showPay = o.compensationOf(p.id, pay), !pay.Hidden })
}

func (o *Organization) change(id string, act func(*posting)) bool {
	return o.editPosting(id, func(e *edit, p *posting) bool {
		act(p)
		e.touch(p)
		return true
	})
}

// DeletePosting removes a posting for ever.
func (o *Organization) DeletePosting(id string) bool {
	return o.editPosting(id, func(e *edit, p *posting) bool {
		delete(o.postings, id)
		o.order = slices.DeleteFunc(o.order, func(q *posting) bool { return q == p })
		o.byJob[p.jobID] = slices.DeleteFunc(o.byJob[p.jobID], func(q *posting) bool { return q == p })
		e.touched = append(e.touched, p)
		data := map[string]any{"jobPosting": map[string]any{"id": p.id, "jobId": p.jobID}}
		e.events = append(e.events, event{action: "jobPostingDelete", object: p.id, data: data})
		if job, ok := o.jobs.get(p.jobID); ok {
			e.touchJob(job, "", nil)
		}
		return true
	})
}
