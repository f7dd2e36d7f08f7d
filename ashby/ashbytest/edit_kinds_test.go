package ashbytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi-validator/schema_validation"
)

// stageWhere is a stage of the plan that an application is in.
func (b *bench) stageWhere(application, group string) string {
	b.t.Helper()
	body, _ := b.org.Record("application", application)
	plan := body["currentInterviewStage"].(map[string]any)["interviewPlanId"].(string)
	for _, id := range b.org.RecordIDsOf("interview_stage", plan) {
		if stage, _ := b.org.Record("interview_stage", id); stage["type"] == group {
			return id
		}
	}
	b.t.Fatalf("no stage of type %s in plan %s", group, plan)
	return ""
}

// editCase is an act with the webhooks that it sends and the lists that show it.
type editCase struct {
	name    string
	act     func() bool
	hooks   []string
	changes []string
}

func (b *bench) edits() []editCase {
	o := b.org
	ids := func(kind string) []string { return o.RecordIDs(kind) }
	fields := map[string]any{"title": "Another"}
	application, candidate := ids("application")[3], ids("candidate")[2]
	var offer, schedule string
	return []editCase{
		{"edit a candidate", func() bool { return o.EditCandidate(candidate, map[string]any{"position": "Chef"}) }, nil, []string{"candidate.list"}},
		{"delete a candidate", func() bool { return o.DeleteCandidate(ids("candidate")[0]) }, []string{"candidateDelete"}, nil},
		{"merge", func() bool { return o.MergeCandidates(ids("candidate")[0], candidate) }, []string{"candidateMerge"}, []string{"candidate.list"}},
		{"note", func() bool { return o.AddNote(candidate, "Called.") != "" }, nil, []string{"candidate.list"}},
		{"edit a note", func() bool {
			note := o.RecordIDsOf("candidate_note", candidate)[0]
			return o.EditRecord("candidate_note", note, map[string]any{"content": "Called twice."})
		}, nil, []string{"candidate.list"}},
		{"apply", func() bool {
			_, id := o.SubmitApplication(ids("job")[0])
			return id != ""
		}, []string{"applicationSubmit"}, []string{"application.list", "candidate.list"}},
		{
			"move", func() bool { return o.MoveApplication(application, b.stageWhere(application, "Active")) },
			[]string{"applicationUpdate", "candidateStageChange"},
			[]string{"application.list"},
		},
		{
			"hire", func() bool { return o.MoveApplication(application, b.stageWhere(application, "Hired")) },
			[]string{"applicationUpdate", "candidateHire", "candidateStageChange"},
			[]string{"application.list"},
		},
		{
			"reject", func() bool { return o.MoveApplication(application, b.stageWhere(application, "Archived")) },
			[]string{"applicationUpdate", "candidateStageChange"},
			[]string{"application.list"},
		},
		{"edit an application", func() bool {
			return o.EditRecord("application", application, map[string]any{"submitterClientIp": nil})
		}, []string{"applicationUpdate"}, []string{"application.list"}},
		{"push", func() bool { return o.PushToHRIS(application) }, []string{"pushToHRIS"}, nil},
		{"offer", func() bool { offer = o.CreateOffer(application); return offer != "" }, []string{"offerCreate"}, []string{"offer.list"}},
		{
			"accept", func() bool { return o.UpdateOffer(offer, map[string]any{"acceptanceStatus": "Accepted"}) },
			[]string{"offerUpdate"},
			[]string{"offer.list"},
		},
		{"sign", func() bool { return o.SignatureRequest(offer, "completed") }, []string{"signatureRequestUpdate"}, nil},
		{"withdraw", func() bool { return o.DeleteOffer(offer) }, []string{"offerDelete"}, nil},
		{
			"schedule", func() bool { schedule = o.ScheduleInterview(application); return schedule != "" },
			[]string{"interviewScheduleCreate", "interviewScheduleUpdate"},
			[]string{"interviewSchedule.list"},
		},
		{"edit an event", func() bool {
			event := o.RecordIDsOf("interview_event", schedule)[0]
			return o.EditRecord("interview_event", event, map[string]any{"location": "Room 2"})
		}, []string{"interviewScheduleUpdate"}, []string{"interviewSchedule.list"}},
		{"survey", func() bool { return o.SubmitSurvey(application) != "" }, []string{"surveySubmit"}, nil},
		{"opening", func() bool { return o.CreateOpening(ids("job")[:2]...) != "" }, []string{"openingCreate"}, []string{"opening.list"}},
		{
			"plan", func() bool { return o.TransitionPlan(ids("job")[0], ids("interview_plan")[2]) },
			[]string{"interviewPlanTransition", "jobUpdate"},
			[]string{"job.list"},
		},
		{"archive a user", func() bool { return o.ArchiveRecord("user", ids("user")[1], true) }, nil, nil},
		{"archive a tag", func() bool { return o.ArchiveRecord("candidate_tag", ids("candidate_tag")[0], true) }, nil, nil},
		{"edit a plan", func() bool { return o.EditRecord("interview_plan", ids("interview_plan")[0], fields) }, nil, []string{"interviewPlan.list"}},
		{"edit a job", func() bool { return o.EditRecord("job", ids("job")[1], fields) }, []string{"jobUpdate"}, []string{"job.list"}},
		{"delete a location", func() bool { return o.DeleteLocation(ids("location")[5]) }, nil, nil},
		{"delete a job with postings", func() bool { return !o.DeleteJob(ids("job")[0]) }, nil, nil},
		{"delete nothing", func() bool { return !o.DeleteRecord("offer", offer) }, nil, nil},
	}
}

// TestEditsOfRecords looks after each act at the webhooks, and at what incremental lists show of it.
func TestEditsOfRecords(t *testing.T) {
	t.Parallel()
	model, _ := lockMayDocument(t)
	check := schema_validation.NewSchemaValidator()
	b := people(t, 10, Options{})
	r := receive(t, "secret")
	b.subscribe(r, actions...)
	lists := []string{
		"candidate.list", "application.list", "offer.list", "interviewSchedule.list", "opening.list", "job.list", "interviewPlan.list",
	}
	tokens := map[string]string{}
	for _, list := range lists {
		_, tokens[list] = b.pass(list, "", "", 100)
	}
	for _, step := range b.edits() {
		if !step.act() {
			t.Fatalf("%s was refused", step.name)
		}
		b.settled()
		got := r.take()
		if names := actionsOf(got); !slices.Equal(names, append([]string{}, step.hooks...)) {
			t.Errorf("%s sends %v, want %v", step.name, names, step.hooks)
		}
		for _, h := range got {
			schema := model.Webhooks.GetOrZero(h.Action).Post.RequestBody.Content.GetOrZero("application/json").Schema.Schema()
			if ok, found := check.ValidateSchemaBytes(schema, aligned(t, "webhook", h.raw)); !ok {
				for _, f := range found {
					t.Errorf("%s: %s: %s: %s", step.name, h.Action, f.Reason, reasons(f))
				}
			}
		}
		for _, list := range lists {
			rows, token := b.pass(list, "", tokens[list], 100)
			if shows := slices.Contains(step.changes, list); shows != (len(rows) > 0) {
				t.Errorf("%s: %s shows %d rows", step.name, list, len(rows))
			}
			tokens[list] = token
		}
	}
}

func TestDeletedCandidatesLeaveNoTrace(t *testing.T) {
	t.Parallel()
	b := people(t, 20, Options{})
	id := b.org.RecordIDs("candidate")[4] // with two applications
	body, _ := b.org.Record("candidate", id)
	applications := textList(body["applicationIds"])
	if len(applications) != 2 {
		t.Fatalf("%d applications", len(applications))
	}
	before := len(b.org.RecordIDs("application"))
	b.org.DeleteCandidate(id)
	if after := len(b.org.RecordIDs("application")); after != before-2 {
		t.Errorf("%d applications of %d", after, before)
	}
	for _, method := range []string{"candidate.list", "application.list", "offer.list", "interviewSchedule.list"} {
		raw := string(b.good(method, "{}").raw)
		for _, gone := range append(applications, id) {
			if strings.Contains(raw, gone) {
				t.Errorf("%s names %s", method, gone)
			}
		}
	}
	softly(200, "candidate_not_found")(t, b.ask("candidate.info", fmt.Sprintf(`{"id":%q}`, id)), nil)
}

func TestHistoryGrowsWithMoves(t *testing.T) {
	t.Parallel()
	b := people(t, 5, Options{})
	id := b.org.RecordIDs("application")[0]
	list := func() []map[string]any {
		return b.good("application.listHistory", fmt.Sprintf(`{"applicationId":%q}`, id)).rows(t)
	}
	before := list()
	b.org.MoveApplication(id, b.stageWhere(id, "Offer"))
	after := list()
	if len(after) != len(before)+1 {
		t.Fatalf("%d entries after %d", len(after), len(before))
	}
	last, next := after[len(before)-1], after[len(before)]
	if last["leftStageAt"] == nil || next["leftStageAt"] != nil || next["title"] != "Offer" || last["id"] != before[len(before)-1]["id"] {
		t.Errorf("entries %v and %v", last, next)
	}
	quiet := people(t, 5, Options{QuietChildren: true})
	_, token := quiet.pass("candidate.list", "", "", 100)
	candidate := quiet.org.RecordIDs("candidate")[1]
	note := quiet.org.AddNote(candidate, "Quiet.")
	if rows, _ := quiet.pass("candidate.list", "", token, 100); len(rows) != 0 {
		t.Errorf("a quiet note changes the candidate: %v", rows)
	}
	if rows := quiet.good("candidate.listNotes", fmt.Sprintf(`{"candidateId":%q}`, candidate)).rows(t); !slices.Contains(ids(rows), note) {
		t.Errorf("the note is not listed")
	}
}

// TestEditsSurviveALoad saves after all edits and compares every kind.
func TestEditsSurviveALoad(t *testing.T) {
	t.Parallel()
	b := people(t, 12, Options{Seed: 5, Now: stopped})
	for _, step := range b.edits() {
		step.act()
	}
	_, token := b.pass("candidate.list", "", "", 100)
	c := b.load(b.save())
	for _, kind := range Kinds() {
		if want, got := b.org.RecordIDs(kind), c.org.RecordIDs(kind); !slices.Equal(want, got) {
			t.Errorf("%s: %d records, and %d after the load", kind, len(want), len(got))
			continue
		}
		for _, id := range b.org.RecordIDs(kind) {
			want, _ := b.org.Record(kind, id)
			got, _ := c.org.Record(kind, id)
			one, _ := json.Marshal(want)
			other, _ := json.Marshal(got)
			if string(one) != string(other) {
				t.Errorf("%s %s was %s and is %s", kind, id, one, other)
			}
		}
	}
	if rows, _ := c.pass("candidate.list", "", token, 100); len(rows) != 0 {
		t.Errorf("%d changes after the load", len(rows))
	}
	for _, step := range c.edits()[:6] {
		if !step.act() {
			t.Errorf("%s was refused after the load", step.name)
		}
	}
}
