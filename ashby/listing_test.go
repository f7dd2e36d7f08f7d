package ashby

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// asked keeps the requests that a handler got, as "method body".
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) before(next func(method, body string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		method := strings.TrimPrefix(r.URL.Path, "/")
		a.mu.Lock()
		a.list = append(a.list, method+" "+string(body))
		a.mu.Unlock()
		says(200, next(method, string(body)))(w, r)
	}
}

func TestEveryKindIsListed(t *testing.T) {
	t.Parallel()
	for _, r := range Catalogue() {
		if r.Kind == KindPosting {
			continue
		}
		parent := ""
		if r.Parent != "" {
			parent = "parent1"
		}
		variants := []string{""}
		if len(r.Variants) > 0 {
			variants = nil
			for _, v := range r.Variants {
				variants = append(variants, v.Name)
			}
		}
		for _, variant := range variants {
			request := PageRequest{Parent: parent, Variant: variant}
			t.Run(strings.Trim(string(r.Kind)+" "+variant, " "), func(t *testing.T) {
				t.Parallel()
				var a asked
				results := `[{"id":"o1","confidential":false},{"id":"o2","confidential":false}]`
				if r.Single {
					results = `{"id":"o1"}`
				}
				c := newTestClient(t, a.before(func(string, string) string { return `{"success":true,"results":` + results + `}` }), nil)
				page, err := c.Page(t.Context(), r.Kind, request)
				if err != nil {
					t.Fatal(err)
				}
				if want := map[bool]int{true: 1, false: 2}[r.Single]; len(page.Records) != want || len(page.Bad) != 0 {
					t.Errorf("%d records, %d bad", len(page.Records), len(page.Bad))
				}
				for _, record := range page.Records {
					if record.Kind != r.Kind || record.Parent != request.Parent || identifier(record.ID) == "" {
						t.Errorf("record %+v", record)
					}
				}
				want := union(r.ListParams)
				for _, v := range r.Variants {
					if v.Name == variant {
						want = union(want, v.Params)
					}
				}
				if r.Parent != "" {
					want[r.ParentParam] = "parent1"
				}
				if r.Paged {
					want["limit"] = 100
				}
				doc, _ := json.Marshal(want)
				if len(a.list) != 1 || a.list[0] != r.List+" "+string(doc) {
					t.Errorf("asked %q, want %s %s", a.list, r.List, doc)
				}
			})
		}
	}
}

func TestEveryKindThatHasAnInfoIsRead(t *testing.T) {
	t.Parallel()
	for _, r := range Catalogue() {
		t.Run(string(r.Kind), func(t *testing.T) {
			t.Parallel()
			var a asked
			c := newTestClient(t, a.before(func(string, string) string {
				return `{"success":true,"results":{"id":"o1","confidential":false}}`
			}), nil)
			record, err := c.Info(t.Context(), r.Kind, "o1")
			if r.Info == "" {
				if err == nil || len(a.list) != 0 {
					t.Errorf("read %q, %v", a.list, err)
				}
				return
			}
			if err != nil || record.ID != "o1" || record.Kind != r.Kind {
				t.Fatalf("%+v, %v", record, err)
			}
			doc, _ := json.Marshal(with(r.InfoParams, r.IDParam, "o1"))
			if a.list[0] != r.Info+" "+string(doc) {
				t.Errorf("asked %q", a.list)
			}
			if _, err := c.Info(t.Context(), r.Kind, "o2"); !errors.Is(err, ErrMalformed) {
				t.Errorf("another object: %v", err)
			}
		})
	}
}

func TestPageRequestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	var a asked
	c := newTestClient(t, a.before(func(string, string) string { return `{"success":true,"results":[]}` }), nil)
	for name, of := range map[string]struct {
		kind    Kind
		request PageRequest
	}{
		"postings":            {KindPosting, PageRequest{}},
		"an unknown kind":     {"nonsense", PageRequest{}},
		"no parent":           {KindCandidateNote, PageRequest{}},
		"a parent that is no": {KindCandidateNote, PageRequest{Parent: "a.b"}},
		"a parent too many":   {KindCandidate, PageRequest{Parent: "c1"}},
		"no variant":          {KindSurveySubmission, PageRequest{}},
		"a variant too many":  {KindJob, PageRequest{Variant: "questionnaire"}},
		"an unknown variant":  {KindSurveyRequest, PageRequest{Variant: "questionnaire"}},
	} {
		if _, err := c.Page(t.Context(), of.kind, of.request); err == nil || len(a.list) > 0 {
			t.Errorf("%s: no error, asked %q", name, a.list)
		}
	}
}

func TestCursorOfAnUnpagedKindIsFollowed(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		`{}`:                `{"success":true,"results":[{"id":"b1"}],"moreDataAvailable":true,"nextCursor":"c1"}`,
		`{"cursor":"c1"}`:   `{"success":true,"results":[{"id":"b2"},{"id":"b1"}],"nextCursor":"c2"}`,
		`{"cursor":"c2"}`:   `{"success":true,"results":[{"id":"b3"}],"moreDataAvailable":false,"syncToken":"t"}`,
		`{"cursor":"loop"}`: `{"success":true,"results":[],"nextCursor":"loop"}`,
	}
	var a asked
	c := newTestClient(t, a.before(func(_, body string) string { return pages[body] }), nil)
	page, err := c.Page(t.Context(), KindBoard, PageRequest{})
	if err != nil || len(page.Records) != 3 || page.Next != "" || page.SyncToken != "" || len(a.list) != 3 {
		t.Errorf("%+v, %v after %q", page, err, a.list)
	}
	pages[`{}`] = pages[`{"cursor":"loop"}`]
	if _, err = c.Page(t.Context(), KindBoard, PageRequest{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("cursors that go round: %v", err)
	}
}

func TestRowsWithoutAnIDOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind            Kind
		parent, results string
		ids             string
		bad             int
	}{
		"plan of a job":            {KindJobInterviewPlan, "j1", `{"jobId":"j1","interviewPlanId":"p1","stages":[]}`, "j1", 0},
		"plan that names no job":   {KindJobInterviewPlan, "j1", `{"stages":[]}`, "j1", 0},
		"plan with an id":          {KindJobInterviewPlan, "j1", `{"id":"x1","jobId":"j1"}`, "x1", 0},
		"plan of another job":      {KindJobInterviewPlan, "j1", `{"jobId":"j2"}`, "", 1},
		"form":                     {KindReferralForm, "", `{"id":"f1"}`, "f1", 0},
		"form without an id":       {KindReferralForm, "", `{"id":null,"title":"x"}`, madeID("referral_form"), 0},
		"roles":                    {KindHiringTeamRole, "", `[{"id":"r1","title":"Recruiter"}]`, "r1", 0},
		"roles as names":           {KindHiringTeamRole, "", `["Recruiter","Sourcer"]`, madeID("Recruiter") + " " + madeID("Sourcer"), 0},
		"roles, one is a number":   {KindHiringTeamRole, "", `["Recruiter",7,null]`, madeID("Recruiter"), 2},
		"projects of a candidate":  {KindCandidateProject, "c1", `[{"id":"p1"},{"id":"p2"}]`, madeID("c1\x00p1") + " " + madeID("c1\x00p2"), 0},
		"projects of another":      {KindCandidateProject, "c2", `[{"id":"p1"},{}]`, madeID("c2\x00p1"), 1},
		"notes, one without an id": {KindCandidateNote, "c1", `[{"id":"n1"},{"content":"x"},{"id":7}]`, "n1", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, says(200, `{"success":true,"results":`+tc.results+`}`), nil)
			page, err := c.Page(t.Context(), tc.kind, PageRequest{Parent: tc.parent})
			if tc.ids == "" {
				if !errors.Is(err, ErrMalformed) || len(page.Bad) != tc.bad {
					t.Errorf("%+v, %v", page, err)
				}
				return
			}
			var ids []string
			for _, r := range page.Records {
				ids = append(ids, r.ID)
				if identifier(r.ID) == "" || r.Parent != tc.parent || r.Raw[0] != '{' {
					t.Errorf("record %+v", r)
				}
			}
			if err != nil || strings.Join(ids, " ") != tc.ids || len(page.Bad) != tc.bad {
				t.Errorf("ids %q, want %q, %d bad, %v", ids, tc.ids, len(page.Bad), err)
			}
		})
	}
}

func TestShapeOfABadRowHoldsNoValues(t *testing.T) {
	t.Parallel()
	many := `{"a":1`
	for i := range 500 {
		many += fmt.Sprintf(`,"m%d":true`, i)
	}
	body := `{"success":true,"results":[{"id":"n1"},
		{"email":"kim@example.com","age":40,"is":true,"not":false,"none":null,"list":["kim"],"object":{"name":"kim"},"` + "a\\u0000b" + `":-1},
		"kim", 7, [1], null, ` + many + `}]}`
	page, err := newTestClient(t, says(200, body), nil).Page(t.Context(), KindCandidateNote, PageRequest{Parent: "c1"})
	if err != nil || len(page.Bad) != 6 {
		t.Fatalf("%+v, %v", page.Bad, err)
	}
	want := map[string]string{
		"email": "string", "age": "number", "is": "bool", "not": "bool", "none": "null", "list": "array", "object": "object", "a b": "number",
	}
	if got := page.Bad[0].Shape; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("shape %v, want %v", got, want)
	}
	for i, want := range []string{"string", "number", "array", "null"} {
		if got := page.Bad[i+1].Shape; len(got) != 1 || got[""] != want {
			t.Errorf("shape %v, want %s", got, want)
		}
	}
	if n := len(page.Bad[5].Shape); n != mostMembers {
		t.Errorf("a shape of %d members", n)
	}
	for _, b := range page.Bad {
		if strings.Contains(fmt.Sprintf("%+v", b), "kim") {
			t.Errorf("a value shows: %+v", b)
		}
	}
}

func TestPostingsOfSeveralBoards(t *testing.T) {
	t.Parallel()
	const primary = `{"success":true,"results":[
		{"id":"p1","title":"primary","updatedAt":"2026-01-01T00:00:00Z","externalLink":"https://x"},
		{"id":"p2","title":"old","updatedAt":"2026-01-01T00:00:00Z"}]}`
	boards := map[string]string{
		`{}`: primary,
		`{"jobBoardId":"b1"}`: `{"success":true,"results":[{"id":"p1","title":"internal","updatedAt":"2026-01-01T00:00:00Z","externalLink":null},
			{"id":"p3","title":"only here","updatedAt":"2026-01-01T00:00:00Z"}]}`,
		`{"jobBoardId":"b2"}`:              `{"success":true,"results":[{"id":"p2","title":"new","updatedAt":"2026-02-01T00:00:00Z"}],"nextCursor":"c"}`,
		`{"cursor":"c","jobBoardId":"b2"}`: `{"success":true,"results":[{"id":"p4","title":"second page"}]}`,
		`{"jobBoardId":"spoilt"}`:          `{"success":true,"results":[{"id":"p5"},{"id":"p1","isListed":"yes"}]}`,
		`{"jobBoardId":"unknown"}`:         `{"success":false,"errors":["job_board_not_found"]}`,
		`{"jobBoardId":"empty"}`:           `{"success":true,"results":[]}`,
	}
	for name, tc := range map[string]struct {
		boards []string
		want   string
		err    error
	}{
		"none":                  {nil, "p1=primary p2=old", nil},
		"two, one named twice":  {[]string{"b2", "b1", "b2"}, "p1=primary p2=new p3=only here p4=second page", nil},
		"an empty one":          {[]string{"empty"}, "p1=primary p2=old", nil},
		"one with a bad row":    {[]string{"spoilt"}, "p2=old p5=", nil},
		"one that is not there": {[]string{"b1", "unknown"}, "", ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a asked
			given := slices.Clone(tc.boards)
			list, err := newTestClient(t, a.before(func(_, body string) string { return boards[body] }), nil).Postings(t.Context(), given...)
			if !errors.Is(err, tc.err) || tc.err == nil && err != nil || !slices.Equal(given, tc.boards) {
				t.Fatalf("err = %v, boards %v", err, given)
			}
			var got []string
			for _, r := range list.Records {
				p, err := DecodePosting(r.Raw)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p.ID+"="+p.Title)
			}
			slices.Sort(got)
			if strings.Join(got, " ") != tc.want || tc.err == nil && list.SentAt.IsZero() {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
}

func TestPersonalFieldsWithinAnObjectAreDropped(t *testing.T) {
	t.Parallel()
	body := `{"success":true,"results":[{"id":"o1","latestVersion":{"id":"v1","hiringTeam":[{"email":"kim@example.com"}],"jobIds":["j1"]}},
		{"id":"o2","latestVersion":null},{"id":"o3","latestVersion":[1]}]}`
	page, err := newTestClient(t, says(200, body), nil).Page(t.Context(), KindOpening, PageRequest{})
	if err != nil || len(page.Records) != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	if want := `{"id":"o1","latestVersion":{"id":"v1","jobIds":["j1"]}}`; string(page.Records[0].Raw) != want {
		t.Errorf("kept %s, want %s", page.Records[0].Raw, want)
	}
}
