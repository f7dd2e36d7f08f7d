package ashbytest

import (
	"fmt"
	"slices"
	"testing"
)

// pass reads a listing to its end and gives the rows and the token; it fails when a token comes early.
func (b *bench) pass(method, extra, token string, perPage int) (rows []map[string]any, next string) {
	b.t.Helper()
	cursor := ""
	for range 10_000 {
		body := fmt.Sprintf(`{"limit":%d%s`, perPage, extra)
		if token != "" {
			body += fmt.Sprintf(`,"syncToken":%q`, token)
		}
		if cursor != "" {
			body += fmt.Sprintf(`,"cursor":%q`, cursor)
		}
		page := b.good(method, body+"}")
		rows = append(rows, page.rows(b.t)...)
		if page.body.More != (page.body.Next != "") || page.body.More == (page.body.Token != nil) {
			b.t.Fatalf("more %v, cursor %q, token %v", page.body.More, page.body.Next, page.body.Token)
		}
		if !page.body.More {
			return rows, *page.body.Token
		}
		cursor = page.body.Next
	}
	b.t.Fatal("the listing has no end")
	return nil, ""
}

func TestPassesAndTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, 250, Options{})
	rows, token := b.pass("job.list", "", "", 100)
	if len(rows) != 225 { // every tenth posting shares a job
		t.Fatalf("%d jobs", len(rows))
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(ids(rows)))); len(unique) != len(rows) {
		t.Fatalf("%d of %d are unique", len(unique), len(rows))
	}
	rows, token = b.pass("job.list", "", token, 100)
	if len(rows) != 0 {
		t.Fatalf("%d jobs in a pass without changes", len(rows))
	}
	all := b.org.Postings()
	b.org.RetitleJob(all[3].JobID, "Another")
	b.org.SetJobStatus(all[200].JobID, JobClosed)
	id := b.org.CreatePosting(PostingSpec{})
	created, _ := b.org.Posting(id)
	rows, token = b.pass("job.list", "", token, 1)
	if got, want := ids(rows), []string{all[3].JobID, all[200].JobID, created.JobID}; !slices.Equal(got, want) {
		t.Fatalf("changed jobs %v, want %v", got, want)
	}
	if rows[0]["title"] != "Another" || rows[1]["status"] != JobClosed {
		t.Errorf("rows %v", rows)
	}
	if rows, _ = b.pass("job.list", "", token, 100); len(rows) != 0 {
		t.Fatalf("%d jobs after all were read", len(rows))
	}
}

func TestPageSizeIsTheMost(t *testing.T) {
	t.Parallel()
	b := setup(t, 30, Options{PageSize: 8})
	for _, limit := range []int{100, 8, 5} {
		page := b.good("job.list", fmt.Sprintf(`{"limit":%d}`, limit))
		if got := len(page.rows(t)); got != min(limit, 8) || !page.body.More {
			t.Errorf("limit %d: %d rows, more: %v", limit, got, page.body.More)
		}
	}
	if rows, _ := b.pass("job.list", "", "", 100); len(rows) != 27 { // every tenth posting shares a job
		t.Errorf("%d jobs", len(rows))
	}
}

func TestChangeDuringAPassComesAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, 30, Options{})
	first := b.good("job.list", `{"limit":10}`)
	early := first.rows(t)[0]["id"].(string)
	b.org.RetitleJob(early, "Changed meanwhile")
	rest := b.good("job.list", `{"limit":100,"cursor":"`+first.body.Next+`"}`)
	if rest.body.More || slices.Contains(ids(rest.rows(t)), early) {
		t.Fatal("the pass shows the job twice")
	}
	rows, _ := b.pass("job.list", "", *rest.body.Token, 100)
	if got := ids(rows); !slices.Equal(got, []string{early}) {
		t.Fatalf("the next pass shows %v", got)
	}
}

func TestTokensAreBound(t *testing.T) {
	t.Parallel()
	b := setup(t, 5, Options{})
	_, token := b.pass("department.list", `,"includeArchived":true`, "", 100)
	page := b.good("job.list", `{"limit":2}`)
	for name, tc := range map[string]struct{ method, body, code string }{
		"other parameters": {"department.list", `{"syncToken":"` + token + `"}`, "sync_token_invalid"},
		"other method":     {"location.list", `{"includeArchived":true,"syncToken":"` + token + `"}`, "sync_token_invalid"},
		"nonsense token":   {"job.list", `{"syncToken":"46nVvDWRn"}`, "sync_token_invalid"},
		"nonsense cursor":  {"job.list", `{"cursor":"bB"}`, "cursor_invalid"},
		"cursor as token":  {"job.list", `{"syncToken":"` + page.body.Next + `"}`, "sync_token_invalid"},
	} {
		if got := b.ask(tc.method, tc.body); got.body.Success || got.code(t) != tc.code {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	again := setup(t, 5, Options{})
	if got := again.ask("department.list", `{"includeArchived":true,"syncToken":"`+token+`"}`); got.body.Success {
		t.Error("a simulator started anew took a token of the one before")
	}
}

func TestRecordLists(t *testing.T) {
	t.Parallel()
	b := setup(t, 5, Options{})
	locations, token := b.pass("location.list", "", "", 4)
	departments, _ := b.pass("department.list", "", "", 3)
	if len(locations) != 6 || len(departments) != 8 {
		t.Fatalf("%d locations, %d departments", len(locations), len(departments))
	}
	id := locations[2]["id"].(string)
	b.org.RenameLocation(id, "Elsewhere")
	if rows, _ := b.pass("location.list", "", token, 100); len(rows) != 1 || rows[0]["name"] != "Elsewhere" {
		t.Errorf("after a renaming: %v", rows)
	}
	if got := b.good("location.info", `{"locationId":"`+id+`"}`).one(t); got["name"] != "Elsewhere" {
		t.Errorf("location.info: %v", got)
	}
	b.org.ArchiveLocation(id, true)
	if rows, _ := b.pass("location.list", "", "", 100); len(rows) != 5 {
		t.Errorf("%d locations without the archived one", len(rows))
	}
	if rows, _ := b.pass("location.list", `,"includeArchived":true`, "", 100); len(rows) != 6 {
		t.Errorf("%d locations with the archived one", len(rows))
	}
	b.org.ArchiveDepartment(departments[7]["id"].(string), true)
	if rows, _ := b.pass("department.list", "", "", 100); len(rows) != 7 {
		t.Errorf("%d departments without the archived one", len(rows))
	}
	for _, method := range []string{"location.info", "department.info"} {
		param := map[string]string{"location.info": "locationId", "department.info": "departmentId"}[method]
		got := b.ask(method, `{"`+param+`":"00000000-0000-4000-8000-000000000000"}`)
		if got.body.Success || got.code(t) != map[string]string{
			"location.info": "location_not_found", "department.info": "department_not_found",
		}[method] {
			t.Errorf("%s: %s", method, got.raw)
		}
	}
}

func TestJobStatusFilter(t *testing.T) {
	t.Parallel()
	b := setup(t, 5, Options{})
	all := b.org.Postings()
	b.org.SetJobStatus(all[0].JobID, JobDraft)
	b.org.SetJobStatus(all[1].JobID, JobClosed)
	b.org.SetJobStatus(all[2].JobID, JobArchived)
	for extra, want := range map[string]int{
		"":                                  4,
		`,"status":["Draft"]`:               1,
		`,"status":["Open","Draft"]`:        3,
		`,"status":["Closed","Archived"]`:   2,
		`,"createdAfter":1893456000000`:     0, // 2030
		`,"openedAfter":1577836800000`:      4, // 2020; the two closed ones were open once
		`,"closedBefore":1893456000000`:     2,
		`,"expand":["location","openings"]`: 4,
	} {
		rows, _ := b.pass("job.list", extra, "", 100)
		if len(rows) != want {
			t.Errorf("%s: %d jobs, want %d", extra, len(rows), want)
		}
	}
}
