package ashbytest

// SetConfidential makes a job confidential or not. Keys without the right lose sight of it and of its postings, without
// a trace in any answer. The jobUpdate is sent all the same: nothing documented says that Ashby holds it back.
func (o *Organization) SetConfidential(jobID string, confidential bool) bool {
	return o.editJob(jobID, map[string]any{"confidential": confidential})
}

// SetJobStatus opens, closes, archives or drafts a job. Closing and archiving unpublish its postings, as Ashby lets only
// open jobs have published ones; making it a draft leaves them, so that a reader must look at the job.
func (o *Organization) SetJobStatus(jobID, status string) bool {
	return o.commit(func(e *edit) bool {
		job, ok := o.jobs.get(jobID)
		if !ok {
			return false
		}
		fields := map[string]any{"status": status}
		switch status {
		case JobOpen:
			fields["openedAt"], fields["closedAt"] = instant(e.at), nil
		case JobClosed, JobArchived:
			fields["closedAt"] = instant(e.at)
			for _, p := range o.byJob[jobID] {
				if p.published {
					e.unpublish(p)
				}
			}
		}
		e.touchJob(job, "jobUpdate", fields)
		e.touchPostingsOf(jobID)
		return true
	})
}

// RetitleJob gives a job another title, which its postings do not follow.
func (o *Organization) RetitleJob(jobID, title string) bool {
	return o.editJob(jobID, map[string]any{"title": title})
}

func (o *Organization) editJob(jobID string, fields map[string]any) bool {
	return o.commit(func(e *edit) bool {
		job, ok := o.jobs.get(jobID)
		if !ok {
			return false
		}
		e.touchJob(job, "jobUpdate", fields)
		e.touchPostingsOf(jobID)
		return true
	})
}

// touchPostingsOf tells the listener of OnChange that what may be shown of the job's postings changed; the postings
// themselves did not.
func (e *edit) touchPostingsOf(jobID string) {
	e.touched = append(e.touched, e.o.byJob[jobID]...)
}

// RenameLocation renames a location. No webhook exists for that, and its postings change without a new updatedAt.
func (o *Organization) RenameLocation(id, name string) bool {
	return o.editRecord(&o.locations, id, map[string]any{"name": name})
}

// SetAddress replaces a location's address; nil removes it. No webhook exists for that.
func (o *Organization) SetAddress(id string, address map[string]any) bool {
	return o.editRecord(&o.locations, id, map[string]any{"address": postal(address)})
}

// ArchiveLocation archives a location, or brings it back.
func (o *Organization) ArchiveLocation(id string, archived bool) bool {
	return o.editRecord(&o.locations, id, map[string]any{"isArchived": archived})
}

// RenameDepartment renames a department or team. No webhook exists for that, and its postings change without a new
// updatedAt.
func (o *Organization) RenameDepartment(id, name string) bool {
	return o.editRecord(&o.departments, id, map[string]any{"name": name})
}

// ArchiveDepartment archives a department, or brings it back.
func (o *Organization) ArchiveDepartment(id string, archived bool) bool {
	return o.editRecord(&o.departments, id, map[string]any{"isArchived": archived})
}

func (o *Organization) editRecord(t *table, id string, fields map[string]any) bool {
	return o.commit(func(e *edit) bool {
		r, ok := t.get(id)
		if !ok {
			return false
		}
		if t == &o.departments {
			fields["updatedAt"] = instant(e.at)
		}
		r.set(o.nextRev(), fields)
		return true
	})
}

// FreezeUpdatedAt makes edits of postings leave updatedAt as it is, as Ashby may do for changes of pay or names.
func (o *Organization) FreezeUpdatedAt(frozen bool) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.frozen = frozen
}
