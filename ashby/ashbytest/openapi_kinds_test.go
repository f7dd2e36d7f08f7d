package ashbytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// nullableIn are fields that are null in one method alone. Nothing is recorded of most of these kinds; jobs show that Ashby
// uses null and absence alike, and null is the harder way of saying nothing.
var nullableIn = func() map[string][]string {
	candidate := []string{"anonymizedAt", "creditedToUser", "fraudStatus", "position"}
	application := []string{
		"archiveReason", "archivedAt", "creditedToUser", "leftStageAt", "submitterClientIp", "submitterUserAgent", "choice",
	}
	offer := []string{"approvalStatus", "decidedAt"}
	interview := []string{"jobId", "location", "scheduledBy", "externalTitle"}
	evaluation := []string{"applicationFormDefinitionId", "applicationFormFieldPath", "outcome", "skipReason"}
	return map[string][]string{
		"application.info": application, "application.list": application, "application.listHistory": application,
		"application.listCriteriaEvaluations": evaluation, "applicationFeedback.list": {"choice"}, "approval.list": {"completedAt"},
		"candidate.info": candidate, "candidate.list": candidate, "candidate.search": candidate,
		"customField.info": {"description"}, "customField.list": {"description"},
		"feedbackFormDefinition.info": {"interviewId"}, "feedbackFormDefinition.list": {"interviewId"},
		"interview.info": interview, "interview.list": interview, "interviewEvent.list": interview, "interviewSchedule.list": interview,
		"job.list": {"archivedAt"}, "opening.info": {"archivedAt"}, "opening.list": {"archivedAt"}, "opening.search": {"archivedAt"},
		"offer.info": offer, "offer.list": offer, "surveySubmission.list": {"choice"},
		"user.listInterviewerPauses": {"comment", "endsAt"}, "webhook": slices.Concat(application, offer, interview),
	}
}()

// asks are requests that show every kind of record: each list, read for each of a few parents, and each info.
func (b *bench) asks() (out [][2]string) {
	b.t.Helper()
	for _, k := range b.sim.catalogue.kinds {
		for _, params := range b.listings(&k) {
			out = append(out, [2]string{k.list, params})
		}
		if k.info == "" {
			continue
		}
		param, _, _ := strings.Cut(k.idParam, "|")
		ids := b.org.RecordIDs(k.name)
		for _, id := range ids[:min(len(ids), 12)] {
			out = append(out, [2]string{k.info, fmt.Sprintf(`{%q:%q}`, param, id)})
		}
		out = append(out, [2]string{k.info, fmt.Sprintf(`{%q:"00000000-0000-4000-8000-000000000000"}`, param)})
	}
	return out
}

// listings are the parameters with which a list is read whole.
func (b *bench) listings(k *kind) []string {
	var params []string
	if k.archive.param != "" {
		params = append(params, fmt.Sprintf(`%q:true`, k.archive.param))
	}
	out := []string{"{" + strings.Join(params, ",") + "}"}
	switch {
	case k.parent != "":
		out = nil
		parents := b.org.RecordIDs(k.parent)
		for _, id := range parents[:min(len(parents), 12)] {
			out = append(out, fmt.Sprintf(`{%q:%q}`, k.parentParam, id))
		}
	case k.name == "survey_request":
		out = []string{`{"surveyType":"CandidateExperience"}`}
	case k.name == "survey_submission":
		out = []string{`{"surveyType":"CandidateExperience"}`, `{"surveyType":"Questionnaire"}`}
	case k.name == "hiring_team_role":
		out = append(out, `{"namesOnly":false}`)
	case k.name == "interview":
		out = []string{`{"includeArchived":true,"includeNonSharedInterviews":true}`}
	}
	for _, expand := range []string{"openings", "location", "interview"} {
		if rule := k.listParams()["expand"]; rule != nil && rule([]any{expand}) {
			for _, one := range slices.Clone(out) {
				one = strings.TrimSuffix(one, "}")
				if one != "{" {
					one += ","
				}
				out = append(out, fmt.Sprintf(`%s"expand":[%q]}`, one, expand))
			}
		}
	}
	return out
}

func TestRecordsFollowAshbysDocument(t *testing.T) {
	t.Parallel()
	model, valid := lockMayDocument(t)
	b := setup(t, 12, Options{RequestsPerMinute: 1 << 20})
	b.org.GenerateCandidates(40)
	b.key = b.org.AddKey(KeyOptions{Scopes: AllScopes(), Confidential: true})
	asks := b.asks()
	asks = append(
		asks,
		[2]string{"jobInterviewPlan.info", fmt.Sprintf(`{"jobId":%q}`, b.org.Postings()[0].JobID)},
		[2]string{"user.listInterviewerPauses", fmt.Sprintf(`{"userId":%q}`, b.org.RecordIDs("user")[1])},
		[2]string{"application.info", fmt.Sprintf(`{"applicationId":%q,"expand":["openings","applicationFormSubmissions","referrals"]}`, b.org.RecordIDs("application")[0])},
		[2]string{"user.search", fmt.Sprintf(`{"email":"%s-1@acme.example"}`, PersonalMarker)},
		[2]string{"candidate.search", fmt.Sprintf(`{"email":"%s.1@mail.example"}`, PersonalMarker)},
		[2]string{"opening.search", `{"identifier":"REQ-100"}`},
		[2]string{"project.search", `{"title":"Alumni"}`},
		[2]string{"job.search", `{"title":"nothing"}`},
	)
	rows := map[string]int{}
	for _, a := range asks {
		method, body := a[0], a[1]
		got := b.ask(method, body)
		if !got.body.Success && !strings.Contains(body, "00000000") {
			t.Errorf("%s %s: %s", method, body, got.raw)
			continue
		}
		rows[method] += strings.Count(string(got.raw), `"id"`)
		documentedFieldsOnly(t, model, method, got)
		validate(t, valid, b, method, body, aligned(t, method, got.raw))
	}
	for method, n := range rows {
		if n == 0 && method != "job.search" && method != "hiringTeamRole.list" {
			t.Errorf("%s shows nothing", method)
		}
	}
}
