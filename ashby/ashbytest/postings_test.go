package ashbytest

import (
	"slices"
	"strings"
	"testing"
)

func (b *bench) listed(extra string) []string {
	b.t.Helper()
	return ids(b.good("jobPosting.list", "{"+extra+"}").rows(b.t))
}

func TestWhichPostingsAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t, 8, Options{})
	all := b.org.Postings()
	unlisted, draft, internal, hidden := all[0], all[1], all[2], all[3]
	b.org.SetListed(unlisted.ID, false)
	b.org.Unpublish(draft.ID)
	b.org.SetInternal(internal.ID, true)
	b.org.SetConfidential(hidden.JobID, true)
	b.org.DeletePosting(all[4].ID)

	for extra, want := range map[string][]string{
		``:                                     {unlisted.ID, all[5].ID, all[6].ID, all[7].ID},
		`"listedOnly":true`:                    {all[5].ID, all[6].ID, all[7].ID},
		`"listedOnly":false`:                   {unlisted.ID, all[5].ID, all[6].ID, all[7].ID},
		`"location":"London"`:                  {all[7].ID},
		`"includeUnpublishedJobPostings":true`: {unlisted.ID, draft.ID, all[5].ID, all[6].ID, all[7].ID},
		`"jobBoardId":"` + b.org.InternalBoard() + `"`:     {internal.ID},
		`"jobBoardId":"` + b.org.ExternalBoard() + `"`:     {unlisted.ID, all[5].ID, all[6].ID, all[7].ID},
		`"department":"` + b.departmentOf(all[6].ID) + `"`: nil,
	} {
		got := b.listed(extra)
		if strings.HasPrefix(extra, `"department"`) {
			if !slices.Contains(got, all[6].ID) {
				t.Errorf("%s: %v", extra, got)
			}
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", extra, got, want)
		}
	}
	for _, id := range []string{draft.ID, hidden.ID, all[4].ID} {
		if got := b.ask("jobPosting.info", `{"jobPostingId":"`+id+`"}`); got.body.Success || got.code(t) != "job_posting_not_found" {
			t.Errorf("jobPosting.info of %s: %s", id, got.raw)
		}
	}
	shown := b.good("jobPosting.info", `{"jobPostingId":"`+draft.ID+`","includeUnpublishedJobPostings":true}`).one(t)
	if shown["status"] != StatusDraft || shown["publishedDate"] != nil {
		t.Errorf("a draft shows status %v, publishedDate %v", shown["status"], shown["publishedDate"])
	}
	inside := b.good("jobPosting.info", `{"jobPostingId":"`+internal.ID+`"}`).one(t)
	if link, has := inside["externalLink"]; !has || link != nil {
		t.Errorf("an internal posting has the link %v", link)
	}
	if got := b.ask("job.info", `{"id":"`+hidden.JobID+`"}`); got.body.Success || got.code(t) != "job_not_found" {
		t.Errorf("job.info of a confidential job: %s", got.raw)
	}
}

func (b *bench) departmentOf(posting string) string {
	b.t.Helper()
	for _, row := range b.good("jobPosting.list", `{"includeUnpublishedJobPostings":true}`).rows(b.t) {
		if row["id"] == posting {
			return row["departmentName"].(string)
		}
	}
	b.t.Fatalf("no posting %s", posting)
	return ""
}

func TestConfidentialKeySeesAll(t *testing.T) {
	t.Parallel()
	b := setup(t, 3, Options{})
	all := b.org.Postings()
	b.org.SetConfidential(all[0].JobID, true)
	if got := b.listed(""); len(got) != 2 {
		t.Errorf("an ordinary key sees %d postings", len(got))
	}
	rows, _ := b.pass("job.list", "", "", 100)
	if len(rows) != 2 {
		t.Errorf("an ordinary key sees %d jobs", len(rows))
	}
	b.key = b.org.AddKey(KeyOptions{Confidential: true})
	if got := b.listed(""); len(got) != 3 {
		t.Errorf("a confidential key sees %d postings", len(got))
	}
	job := b.good("job.info", `{"id":"`+all[0].JobID+`"}`).one(t)
	if job["confidential"] != true {
		t.Errorf("job %v", job)
	}
}

func TestInfoShape(t *testing.T) {
	t.Parallel()
	b := setup(t, 40, Options{})
	for _, p := range b.org.Postings() {
		got := b.good("jobPosting.info", `{"jobPostingId":"`+p.ID+`","expand":["job"]}`).one(t)
		for _, field := range []string{
			"applicationFormDefinition", "surveyFormDefinitions", "linkedData", "descriptionParts", "locationExternalName", "teamNameHierarchy",
			"address", "compensation", "applicationDeadline", "externalLink", "workplaceType", "descriptionSocial",
		} {
			if _, ok := got[field]; !ok {
				t.Fatalf("%s is absent", field)
			}
		}
		pay := got["compensation"].(map[string]any)
		if _, ok := pay["shouldDisplayCompensation"].(bool); !ok {
			t.Fatalf("compensation %v", pay)
		}
		job := got["job"].(map[string]any)
		if job["id"] != p.JobID || !strings.Contains(job["author"].(map[string]any)["email"].(string), PersonalMarker) {
			t.Fatalf("job %v", job)
		}
		if got["descriptionHtml"] != p.DescriptionHTML || got["descriptionPlain"] == "" {
			t.Fatalf("description %v", got["descriptionHtml"])
		}
	}
	without := b.good("jobPosting.info", `{"jobPostingId":"`+b.org.Postings()[0].ID+`"}`).one(t)
	if _, ok := without["job"]; ok {
		t.Error("the job comes without being asked for")
	}
}

func TestRenamingLeavesUpdatedAt(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	before := b.good("jobPosting.list", "{}").rows(t)[0]
	place := before["locationIds"].(map[string]any)["primaryLocationId"].(string)
	b.org.RenameLocation(place, "Atlantis")
	for id := range b.org.Departments() {
		b.org.RenameDepartment(id, "Deep Sea")
	}
	after := b.good("jobPosting.list", "{}").rows(t)[0]
	if after["locationName"] != "Atlantis" || after["teamName"] != "Deep Sea" || after["updatedAt"] != before["updatedAt"] {
		t.Errorf("before %v, after %v", before, after)
	}
	b.org.FreezeUpdatedAt(true)
	b.org.SetPay(before["id"].(string), Pay{Tiers: []PayTier{{Components: []PayComponent{salary("USD", 1, 2)}}}})
	frozen := b.good("jobPosting.list", "{}").rows(t)[0]
	if frozen["updatedAt"] != before["updatedAt"] || frozen["compensationTierSummary"] != "$1K – $2K" {
		t.Errorf("frozen %v", frozen)
	}
	b.org.FreezeUpdatedAt(false)
	b.org.Retitle(before["id"].(string), "Diver")
	if last := b.good("jobPosting.list", "{}").rows(t)[0]; last["updatedAt"] == before["updatedAt"] || last["title"] != "Diver" {
		t.Errorf("retitled %v", last)
	}
}

func TestEditsReportWhatTheyDid(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	p := b.org.Postings()[0]
	none := "00000000-0000-4000-8000-000000000000"
	if b.org.Publish(p.ID) || b.org.Publish(none) || b.org.Retitle(none, "x") || b.org.SetJobStatus(none, JobOpen) || b.org.RenameLocation(none, "x") {
		t.Error("an edit claims to have done what it cannot")
	}
	b.org.SetJobStatus(p.JobID, JobClosed)
	closed, _ := b.org.Posting(p.ID)
	if closed.Status != StatusDraft || closed.Public() || b.org.Publish(p.ID) {
		t.Errorf("the posting of a closed job: %+v", closed)
	}
	b.org.SetJobStatus(p.JobID, JobOpen)
	if !b.org.Publish(p.ID) {
		t.Error("the posting cannot be published again")
	}
	b.org.SetJobStatus(p.JobID, JobDraft)
	draft, _ := b.org.Posting(p.ID)
	if draft.Status != StatusPublished || draft.Public() {
		t.Errorf("the posting of a draft job: %+v", draft)
	}
	job := b.good("job.info", `{"id":"`+p.JobID+`"}`).one(t)
	if job["status"] != JobDraft || len(job["jobPostingIds"].([]any)) != 1 {
		t.Errorf("job %v", job)
	}
}

func TestBoards(t *testing.T) {
	t.Parallel()
	b := setup(t, 0, Options{})
	rows := b.good("jobBoard.list", "{}").rows(t)
	if len(rows) != 2 || rows[0]["isInternal"] != false || rows[1]["isInternal"] != true {
		t.Errorf("boards %v", rows)
	}
	if got := b.ask("jobPosting.list", `{"jobBoardId":"00000000-0000-4000-8000-000000000000"}`); got.body.Success {
		t.Error("an unknown board is listed")
	}
}
