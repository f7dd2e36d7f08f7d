package ashbytest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// controlledEdit is an act in the words of the control path.
type controlledEdit struct {
	Org  string `json:"org"`
	Edit string `json:"edit"`
	// ID is that of the posting, the job, or whatever the act is about.
	ID string `json:"id"`
	// Kind is for edit-record, delete-record, archive-record and restore-record, Fields for edit-record.
	Kind   string         `json:"kind"`
	Fields map[string]any `json:"fields"`
	// Text is the new title, name, description or note; To the board, stage or plan.
	Text string `json:"text"`
	To   string `json:"to"`
}

// act is one sort of edit. It gives the id of what it made, if anything, and whether it was done.
type act func(*Organization, controlledEdit) (id string, done bool)

// on is an act that makes nothing.
func on(do func(*Organization, controlledEdit) bool) act {
	return func(o *Organization, e controlledEdit) (string, bool) { return "", do(o, e) }
}

// making is an act that makes something, where its id is not empty.
func making(do func(*Organization, controlledEdit) string) act {
	return func(o *Organization, e controlledEdit) (string, bool) {
		id := do(o, e)
		return id, id != ""
	}
}

// acts is the table of edits by name.
func acts() map[string]act {
	status := func(to string) act {
		return on(func(o *Organization, e controlledEdit) bool { return o.SetJobStatus(e.ID, to) })
	}
	out := map[string]act{
		"publish":   on(func(o *Organization, e controlledEdit) bool { return o.Publish(e.ID) }),
		"unpublish": on(func(o *Organization, e controlledEdit) bool { return o.Unpublish(e.ID) }),
		"list":      on(func(o *Organization, e controlledEdit) bool { return o.SetListed(e.ID, true) }),
		"unlist":    on(func(o *Organization, e controlledEdit) bool { return o.SetListed(e.ID, false) }),
		"retitle":   on(func(o *Organization, e controlledEdit) bool { return o.Retitle(e.ID, e.Text) }),
		"describe":  on(func(o *Organization, e controlledEdit) bool { return o.EditDescription(e.ID, e.Text) }),
		"board":     on(func(o *Organization, e controlledEdit) bool { return o.PublishOn(e.ID, e.To) }),
		"delete":    on(func(o *Organization, e controlledEdit) bool { return o.DeletePosting(e.ID) }),
		"create": making(func(o *Organization, e controlledEdit) string {
			id := o.CreatePosting(PostingSpec{Title: e.Text, JobID: e.ID})
			o.Publish(id)
			return id
		}),
		"close": status(JobClosed), "reopen": status(JobOpen), "archive": status(JobArchived), "draft": status(JobDraft),
		"hide":              on(func(o *Organization, e controlledEdit) bool { return o.SetConfidential(e.ID, true) }),
		"show":              on(func(o *Organization, e controlledEdit) bool { return o.SetConfidential(e.ID, false) }),
		"delete-job":        on(func(o *Organization, e controlledEdit) bool { return o.DeleteJob(e.ID) }),
		"rename-location":   on(func(o *Organization, e controlledEdit) bool { return o.RenameLocation(e.ID, e.Text) }),
		"rename-department": on(func(o *Organization, e controlledEdit) bool { return o.RenameDepartment(e.ID, e.Text) }),
		"add-board":         making(func(o *Organization, e controlledEdit) string { return o.AddBoard(e.Text, false) }),
		"expire-tokens":     on(func(o *Organization, _ controlledEdit) bool { o.ExpireTokens(); return true }),
	}
	maps.Copy(out, recordActs())
	return out
}

func recordActs() map[string]act {
	return map[string]act{
		"apply": making(func(o *Organization, e controlledEdit) string {
			_, id := o.SubmitApplication(e.ID)
			return id
		}),
		"move":             on(func(o *Organization, e controlledEdit) bool { return o.MoveApplication(e.ID, e.To) }),
		"note":             making(func(o *Organization, e controlledEdit) string { return o.AddNote(e.ID, e.Text) }),
		"offer":            making(func(o *Organization, e controlledEdit) string { return o.CreateOffer(e.ID) }),
		"schedule":         making(func(o *Organization, e controlledEdit) string { return o.ScheduleInterview(e.ID) }),
		"survey":           making(func(o *Organization, e controlledEdit) string { return o.SubmitSurvey(e.ID) }),
		"opening":          making(func(o *Organization, e controlledEdit) string { return o.CreateOpening(e.ID) }),
		"plan":             on(func(o *Organization, e controlledEdit) bool { return o.TransitionPlan(e.ID, e.To) }),
		"merge-candidates": on(func(o *Organization, e controlledEdit) bool { return o.MergeCandidates(e.ID, e.To) }),
		"edit-record":      on(func(o *Organization, e controlledEdit) bool { return o.EditRecord(e.Kind, e.ID, e.Fields) }),
		"delete-record":    on(func(o *Organization, e controlledEdit) bool { return o.DeleteRecord(e.Kind, e.ID) }),
		"archive-record":   on(func(o *Organization, e controlledEdit) bool { return o.ArchiveRecord(e.Kind, e.ID, true) }),
		"restore-record":   on(func(o *Organization, e controlledEdit) bool { return o.ArchiveRecord(e.Kind, e.ID, false) }),
	}
}

// controlEdit does one act, as a person in Ashby would.
func (s *Simulator) controlEdit(r *http.Request) (any, error) {
	var want controlledEdit
	if err := readControl(r, &want); err != nil {
		return nil, err
	}
	o, err := s.organization(want.Org)
	if err != nil {
		return nil, err
	}
	all := acts()
	do, known := all[want.Edit]
	if !known {
		return nil, fmt.Errorf("there is no edit %q; there are %s", want.Edit, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	id, done := do(o, want)
	if !done {
		return nil, fmt.Errorf("%s %s: %w", want.Edit, want.ID, errNotDone)
	}
	if id == "" {
		id = want.ID
	}
	return map[string]any{"done": true, "id": id}, nil
}
