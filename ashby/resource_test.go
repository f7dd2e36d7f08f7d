package ashby

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestCatalogueIsWhole(t *testing.T) {
	t.Parallel()
	rows := Catalogue()
	for i, kind := range []Kind{KindPosting, KindJob, KindLocation, KindDepartment} {
		if rows[i].Kind != kind {
			t.Errorf("row %d is of %s, want %s", i, rows[i].Kind, kind)
		}
	}
	seen := map[Kind]bool{}
	for _, r := range rows {
		again, ok := ResourceOf(r.Kind)
		if !ok || again.List != r.List || seen[r.Kind] {
			t.Errorf("%s is not found once: %+v", r.Kind, again)
		}
		if !plainKind(r.Kind) || len(r.Modules) == 0 || r.Scope == "" || r.UIModule == "" || r.List == "" {
			t.Errorf("%s says too little: %+v", r.Kind, r)
		}
		if (r.Info == "") != (r.IDParam == "") || (r.Parent == "") != (r.ParentParam == "") || r.Single && r.Paged {
			t.Errorf("%s contradicts itself: %+v", r.Kind, r)
		}
		if r.Parent != "" && !seen[r.Parent] {
			t.Errorf("%s comes before its parent %s", r.Kind, r.Parent)
		}
		if inJobs := slices.Contains(r.Modules, "jobs"); r.Personal == inJobs || inJobs && r.Modules[0] != "jobs" {
			t.Errorf("%s: personal %t in the modules %v", r.Kind, r.Personal, r.Modules)
		}
		seen[r.Kind] = true
	}
}

func plainKind(k Kind) bool {
	return k != "" && strings.Trim(string(k), "abcdefghijklmnopqrstuvwxyz_") == ""
}

func TestModules(t *testing.T) {
	t.Parallel()
	if got := strings.Join(Modules(), " "); got != "jobs candidates interviews offers hiring_process organization approvals" {
		t.Errorf("modules: %s", got)
	}
	used := map[string]bool{}
	for _, r := range Catalogue() {
		for _, m := range r.Modules {
			used[m] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(slices.Values(Modules())); !slices.Equal(got, want) {
		t.Errorf("the catalogue uses %v, the modules are %v", got, want)
	}
	location, _ := ResourceOf(KindLocation)
	for _, tc := range []struct {
		modules []string
		want    bool
	}{{nil, false}, {[]string{"jobs"}, true}, {[]string{"offers", "organization"}, true}, {[]string{"offers"}, false}} {
		if location.In(tc.modules) != tc.want {
			t.Errorf("location in %v: %t", tc.modules, !tc.want)
		}
	}
}

func TestChildren(t *testing.T) {
	t.Parallel()
	for parent, want := range map[Kind]string{
		KindCandidate:   "candidate_note candidate_client_info candidate_fraud_check candidate_project",
		KindApplication: "application_history application_criteria_evaluation", KindInterviewSchedule: "interview_event",
		KindInterviewPlan: "interview_stage", KindUser: "interviewer_pause", KindJob: "job_interview_plan",
		KindPosting: "", "nonsense": "", "": "",
	} {
		var got []string
		for _, r := range Children(parent) {
			got = append(got, string(r.Kind))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("children of %q: %v", parent, got)
		}
	}
}

func TestWebhookActions(t *testing.T) {
	t.Parallel()
	const jobs = "jobPostingPublish jobPostingUnpublish jobPostingUpdate jobPostingDelete jobCreate jobUpdate openingCreate"
	for modules, want := range map[string]string{
		"": jobs, "jobs": jobs, "organization hiring_process approvals nonsense": "",
		"offers":      "offerCreate offerUpdate offerDelete signatureRequestUpdate",
		"jobs offers": jobs + " offerCreate offerUpdate offerDelete signatureRequestUpdate",
		"interviews":  "interviewScheduleCreate interviewScheduleUpdate interviewPlanTransition",
		// A type that two kinds name is set up once.
		"candidates offers": "candidateDelete candidateMerge applicationSubmit applicationUpdate candidateStageChange candidateHire " +
			"pushToHRIS signatureRequestUpdate surveySubmit offerCreate offerUpdate offerDelete",
	} {
		if got := strings.Join(WebhookActions(strings.Fields(modules)...), " "); got != want {
			t.Errorf("%q: %s", modules, got)
		}
	}
}

func TestParamsHash(t *testing.T) {
	t.Parallel()
	hashes := map[string]Kind{}
	for _, r := range Catalogue() {
		variants := []string{""}
		if len(r.Variants) > 0 {
			variants = nil
		}
		for _, v := range r.Variants {
			variants = append(variants, v.Name)
		}
		for _, v := range variants {
			hash := ParamsHash(r.Kind, v)
			if other, taken := hashes[string(hash)]; taken || len(hash) != 32 || string(hash) != string(ParamsHash(r.Kind, v)) {
				t.Errorf("%s %q has no hash of its own, %q", r.Kind, v, other)
			}
			hashes[string(hash)] = r.Kind
		}
	}
	for _, of := range []struct {
		kind    Kind
		variant string
	}{{"nonsense", ""}, {KindJob, "nonsense"}, {KindSurveySubmission, ""}} {
		if ParamsHash(of.kind, of.variant) != nil {
			t.Errorf("%q %q has a hash", of.kind, of.variant)
		}
	}
	if _, ok := ResourceOf("nonsense"); ok {
		t.Error("an unknown kind has a resource")
	}
}

func TestNothingOutsideChangesTheCatalogue(t *testing.T) {
	t.Parallel()
	spoil := func(r Resource) {
		r.InfoParams["x"], r.Actions[0], r.Modules[0] = 1, "x", "x"
		if expand, ok := r.InfoParams["expand"].([]string); ok {
			expand[0] = "x"
		}
	}
	spoil(Catalogue()[0])
	r, _ := ResourceOf(KindPosting)
	spoil(r)
	survey, _ := ResourceOf(KindSurveySubmission)
	survey.Variants[0].Params["surveyType"] = "x"
	NotMirrored()["x"] = "x"
	r, _ = ResourceOf(KindPosting)
	again, _ := ResourceOf(KindSurveySubmission)
	if r.InfoParams["x"] != nil || r.Actions[0] == "x" || r.Modules[0] == "x" || NotMirrored()["x"] != "" ||
		strings.Join(r.InfoParams["expand"].([]string), "") != "job" || again.Variants[0].Params["surveyType"] == "x" {
		t.Errorf("the catalogue was changed: %+v", r)
	}
}
