package ashbytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// recorded reads a file of recorded real answers, which lie beside the project on the machines of those who have them.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "ashby", name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not on this machine; the test compares with Ashby's own data and has nothing to compare with", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// recordedRows gives the rows of a recorded list, with numbers as they are written.
func recordedRows(t *testing.T, name string) []json.RawMessage {
	t.Helper()
	var file struct {
		Body struct {
			Results []json.RawMessage `json:"results"`
		} `json:"body"`
	}
	if err := json.Unmarshal(recorded(t, name), &file); err != nil {
		t.Fatal(err)
	}
	return file.Body.Results
}

func exact(t *testing.T, raw []byte) any {
	t.Helper()
	var out any
	if err := decodeExact(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImportedRecordsComeBackUnchanged(t *testing.T) {
	t.Parallel()
	jobs, departments := recordedRows(t, "recorded/job.list.json"), recordedRows(t, "recorded/department.list.json")
	b := setup(t, 0, Options{})
	for _, id := range [2]func() error{
		func() error { return b.org.ImportJobs(jobs...) },
		func() error { return b.org.ImportDepartments(departments...) },
	} {
		if err := id(); err != nil {
			t.Fatal(err)
		}
	}
	for method, want := range map[string][]json.RawMessage{"job.list": jobs, "department.list": departments} {
		extra := ""
		if method == "department.list" {
			extra = `"includeArchived":true`
		}
		var got []json.RawMessage
		if err := json.Unmarshal(b.good(method, "{"+extra+"}").body.Results, &got); err != nil {
			t.Fatal(err)
		}
		// the eight made-up departments come first, as an organisation has some from Generate(0)
		got = got[len(got)-len(want):]
		for i := range want {
			if !reflect.DeepEqual(exact(t, got[i]), exact(t, want[i])) {
				t.Errorf("%s row %d is %s, recorded %s", method, i, got[i], want[i])
			}
		}
	}
	job := exact(t, jobs[0]).(map[string]any)
	b.org.SetJobStatus(job["id"].(string), JobOpen)
	changed := b.good("job.info", `{"id":"`+job["id"].(string)+`"}`).one(t)
	if changed["status"] != JobOpen || changed["brandId"] != job["brandId"] {
		t.Errorf("after an edit: %v", changed)
	}
}

// TestImportedBoardLosesNoField compares what the public job-board API gave with what the simulator then answers.
func TestImportedBoardLosesNoField(t *testing.T) {
	t.Parallel()
	raw := recorded(t, "recorded/public-board.json")
	b := setup(t, 0, Options{})
	if err := b.org.ImportPublicBoard(raw); err != nil {
		t.Fatal(err)
	}
	places := make(map[string]map[string]any)
	rows, _ := b.pass("location.list", "", "", 100)
	for _, place := range rows {
		places[place["id"].(string)] = place
	}
	for _, entry := range exact(t, raw).(map[string]any)["jobs"].([]any) {
		want := entry.(map[string]any)
		t.Run(want["title"].(string), func(t *testing.T) {
			answer := b.good("jobPosting.info", `{"jobPostingId":"`+want["id"].(string)+`","expand":["job"]}`)
			got := exact(t, answer.body.Results).(map[string]any)
			same := func(what string, got, want any) {
				t.Helper()
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s is %v, recorded %v", what, got, want)
				}
			}
			for theirs, ours := range map[string]string{
				"title": "title", "department": "departmentName", "team": "teamName", "employmentType": "employmentType",
				"location": "locationName", "isListed": "isListed", "isRemote": "isRemote", "workplaceType": "workplaceType",
				"address": "address", "jobUrl": "externalLink", "applyUrl": "applyLink", "descriptionHtml": "descriptionHtml",
				"descriptionPlain": "descriptionPlain",
			} {
				same(ours, got[ours], want[theirs])
			}
			same("publishedDate", got["publishedDate"], want["publishedAt"].(string)[:10])
			same("updatedAt", got["updatedAt"], strings.Replace(want["publishedAt"].(string), "+00:00", "Z", 1))
			pay, recordedPay := got["compensation"].(map[string]any), want["compensation"].(map[string]any)
			same("shouldDisplayCompensation", pay["shouldDisplayCompensation"], want["shouldDisplayCompensationOnJobPostings"])
			for _, field := range []string{"compensationTierSummary", "summaryComponents", "compensationTiers"} {
				same(field, pay[field], recordedPay[field])
			}
			secondary := got["locationIds"].(map[string]any)["secondaryLocationIds"].([]any)
			for i, place := range want["secondaryLocations"].([]any) {
				mine, theirs := places[secondary[i].(string)], place.(map[string]any)
				same("secondary location", mine["name"], theirs["location"])
				same("secondary address", mine["address"], theirs["address"])
			}
			same("the job's status", got["job"].(map[string]any)["status"], JobOpen)
		})
	}
	for _, p := range b.org.Postings() {
		if !p.Public() {
			t.Errorf("%s is not public", p.Title)
		}
	}
}

func TestImportRefusesNonsense(t *testing.T) {
	t.Parallel()
	b := setup(t, 0, Options{})
	for name, err := range map[string]error{
		"job without id":     b.org.ImportJobs(json.RawMessage(`{"title":"x"}`)),
		"broken department":  b.org.ImportDepartments(json.RawMessage(`{`)),
		"location as a list": b.org.ImportLocations(json.RawMessage(`[]`)),
		"broken board":       b.org.ImportPublicBoard([]byte(`{"jobs":{}}`)),
		"entry without id":   b.org.ImportPublicBoard([]byte(`{"jobs":[{"title":"x"}]}`)),
		"entry without date": b.org.ImportPublicBoard([]byte(`{"jobs":[{"id":"x"}]}`)),
	} {
		if err == nil {
			t.Errorf("%s was imported", name)
		}
	}
	if got := b.good("job.list", "{}"); !bytes.Contains(got.raw, []byte(`"results":[]`)) {
		t.Errorf("jobs %s", got.raw)
	}
}
