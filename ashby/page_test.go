package ashby

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	t.Parallel()
	row := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"confidential":false,"updatedAt":"2026-01-02T03:04:05.678Z"}`, id)
	}
	cases := []struct {
		name, body string
		ids        string
		next       string
		token      string
		bad        string
		want       error
	}{
		{"last page", `{"success":true,"results":[` + row("a") + `],"moreDataAvailable":false,"syncToken":"tok"}`, "a", "", "tok", "", nil},
		{"nothing new", `{"success":true,"results":[],"moreDataAvailable":false}`, "", "", "", "", nil},
		{"more", `{"success":true,"results":[` + row("a") + `],"moreDataAvailable":true,"nextCursor":"bB"}`, "a", "bB", "", "", nil},
		{"a token that comes too early", `{"success":true,"results":[],"moreDataAvailable":true,"nextCursor":"bB","syncToken":"tok"}`, "", "bB", "", "", nil},
		{"a cursor after the end", `{"success":true,"results":[],"moreDataAvailable":false,"nextCursor":"bB","syncToken":"tok"}`, "", "", "tok", "", nil},
		{"a cursor alone", `{"success":true,"results":[],"nextCursor":"bB"}`, "", "bB", "", "", nil},
		{"neither", `{"success":true,"results":[` + row("a") + `]}`, "a", "", "", "", nil},
		{"unknown fields and nulls", `{"success":true,"warnings":["x"],"results":[{"id":"a","confidential":false,"new":{},"title":null,"status":"Paused"}],"nextCursor":null,"syncToken":null,"errors":null}`, "a", "", "", "", nil},
		{"one bad row", `{"success":true,"results":[` + row("a") + `,{"id":"b","confidential":"no"},` + row("c") + `]}`, "a c", "", "", "b", nil},
		{"rows without ids", `{"success":true,"results":[` + row("a") + `,{},7,null,{"id":"has space"}]}`, "a", "", "", "   ", nil},
		{"a row twice", `{"success":true,"results":[` + row("a") + `,` + row("b") + `,` + row("a") + `]}`, "a b", "", "", "", nil},
		{"more without a cursor", `{"success":true,"results":[],"moreDataAvailable":true}`, "", "", "", "", ErrMalformed},
		{"more is text", `{"success":true,"results":[],"moreDataAvailable":"no"}`, "", "", "", "", ErrMalformed},
		{"no row can be read", `{"success":true,"results":[{},{}]}`, "", "", "", " ", ErrMalformed},
		{"an object", `{"success":true,"results":{"id":"a"}}`, "", "", "", "", ErrMalformed},
		{"token expired", `{"success":false,"errors":["sync_token_expired"]}`, "", "", "", "", ErrRestart},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, err := newTestClient(t, says(200, tc.body), nil).Page(t.Context(), KindJob, PageRequest{})
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Fatalf("err = %v, want %v", err, tc.want)
			}
			var ids, bad []string
			for _, r := range p.Records {
				ids = append(ids, r.ID)
				if r.Kind != KindJob || r.SentAt.IsZero() || !json.Valid(r.Raw) {
					t.Errorf("record %+v", r)
				}
			}
			for _, b := range p.Bad {
				bad = append(bad, b.ID)
				if !errors.Is(b.Err, ErrMalformed) {
					t.Errorf("bad row %q: %v", b.ID, b.Err)
				}
			}
			if got := strings.Join(ids, " "); got != tc.ids || p.Next != tc.next || p.SyncToken != tc.token {
				t.Errorf("ids %q, next %q, token %q; want %q, %q, %q", got, p.Next, p.SyncToken, tc.ids, tc.next, tc.token)
			}
			if got := strings.Join(bad, " "); got != tc.bad {
				t.Errorf("bad %q, want %q", got, tc.bad)
			}
		})
	}
}

func TestPageOfAnUnpagedKind(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, says(200, `{}`), nil)
	for _, kind := range []Kind{KindPosting, "nonsense"} {
		if _, err := c.Page(t.Context(), kind, PageRequest{}); err == nil {
			t.Errorf("%s: no error", kind)
		}
	}
	if _, err := c.Info(t.Context(), "nonsense", "x"); err == nil {
		t.Error("info of an unknown kind: no error")
	}
}

func TestPersonalFieldsAreDroppedOnArrival(t *testing.T) {
	t.Parallel()
	const job = `{"id":"j1","confidential":false,"title":"A <b> & \"c\"","author":{"email":"pat@example.com"},"hiringTeam":[{"email":"kim@example.com"}],"customFields":[]}`
	const posting = `{"id":"p1","jobId":"j1","author":{"email":"pat@example.com"},"hiringTeam":[{"email":"kim@example.com"}],"job":` + job + `}`
	list := says(200, `{"success":true,"results":[`+posting+`]}`)
	one := says(200, `{"success":true,"results":`+posting+`}`)

	page, err := newTestClient(t, says(200, `{"success":true,"results":[`+job+`]}`), nil).Page(t.Context(), KindJob, PageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	postings, err := newTestClient(t, list, nil).Postings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := newTestClient(t, one, nil).Posting(t.Context(), "p1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := newTestClient(t, one, nil).Info(t.Context(), KindPosting, "p1")
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []json.RawMessage{
		page.Records[0].Raw, postings.Records[0].Raw, answer.Posting.Raw, answer.Job.Raw, info.Raw,
	} {
		for _, word := range []string{"author", "hiringTeam", "example.com"} {
			if strings.Contains(string(raw), word) {
				t.Errorf("%s is left in %s", word, raw)
			}
		}
	}
	if want := `{"confidential":false,"customFields":[],"id":"j1","title":"A <b> & \"c\""}`; string(answer.Job.Raw) != want {
		t.Errorf("job = %s, want %s", answer.Job.Raw, want)
	}
	if string(answer.Posting.Raw) != `{"id":"p1","jobId":"j1"}` {
		t.Errorf("the posting still holds its job: %s", answer.Posting.Raw)
	}
}

func TestWhatDatabasesRefuseIsRemoved(t *testing.T) {
	t.Parallel()
	body := `{"success":true,"results":[{"id":"j1","confidential":false,"title":"a\u0000b \ud800 \ud83d\ude00 ` + "\xff" + `","x\u0000":[72000.1,"\u0000"]}]}`
	p, err := newTestClient(t, says(200, body), nil).Page(t.Context(), KindJob, PageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := "{\"confidential\":false,\"id\":\"j1\",\"title\":\"ab \uFFFD \U0001F600 \uFFFD\",\"x\":[72000.1,\"\"]}"
	if got := string(p.Records[0].Raw); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUniqueKeepsTheNewest(t *testing.T) {
	t.Parallel()
	body := `{"success":true,"results":[
		{"id":"a","confidential":false,"title":"new","updatedAt":"2026-02-01T00:00:00Z"},{"id":"b","confidential":false},
		{"id":"a","confidential":false,"title":"old","updatedAt":"2026-01-01T00:00:00Z"},{"id":"b","confidential":false,"title":"last"}]}`
	list, err := newTestClient(t, says(200, body), nil).Postings(t.Context())
	if err != nil || len(list.Records) != 2 {
		t.Fatalf("%d records, err %v", len(list.Records), err)
	}
	for i, want := range []string{"new", "last"} {
		if p, err := DecodePosting(list.Records[i].Raw); err != nil || p.Title != want {
			t.Errorf("kept %q, want %q, err %v", p.Title, want, err)
		}
	}
}

func TestPostingsIsCompleteOrAnError(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		pages map[string]string // by cursor
		ids   int
		want  error
	}{
		{"nothing", map[string]string{"": `{"success":true,"results":[]}`}, 0, nil},
		{"one page", map[string]string{"": `{"success":true,"results":[{"id":"a"},{"id":"b"}]}`}, 2, nil},
		{"says it is the end", map[string]string{"": `{"success":true,"results":[{"id":"a"}],"moreDataAvailable":false}`}, 1, nil},
		{"pages appear", map[string]string{
			"":   `{"success":true,"results":[{"id":"a"}],"moreDataAvailable":true,"nextCursor":"c1"}`,
			"c1": `{"success":true,"results":[{"id":"b"},{"id":"a"}],"nextCursor":"c2"}`,
			"c2": `{"success":true,"results":[{"id":"c"}],"moreDataAvailable":false}`,
		}, 3, nil},
		{"more without a cursor", map[string]string{"": `{"success":true,"results":[{"id":"a"}],"moreDataAvailable":true}`}, 0, ErrMalformed},
		{"the second page fails", map[string]string{
			"": `{"success":true,"results":[{"id":"a"}],"nextCursor":"c1"}`, "c1": `{"success":false,"errors":["cursor_invalid"]}`,
		}, 0, ErrRestart},
		{"a cursor leads to itself", map[string]string{
			"": `{"success":true,"results":[{"id":"a"}],"nextCursor":"c1"}`, "c1": `{"success":true,"results":[],"nextCursor":"c1"}`,
		}, 0, ErrMalformed},
		{"cursors go round", map[string]string{
			"": `{"success":true,"results":[{"id":"a"}],"nextCursor":"c1"}`, "c1": `{"success":true,"results":[],"nextCursor":"c2"}`,
			"c2": `{"success":true,"results":[],"nextCursor":"c1"}`,
		}, 0, ErrMalformed},
		{"no array", map[string]string{"": `{"success":true,"results":{}}`}, 0, ErrMalformed},
		{"null", map[string]string{"": `{"success":true,"results":null}`}, 0, ErrMalformed},
		{"no results", map[string]string{"": `{"success":true}`}, 0, ErrMalformed},
		{"no success", map[string]string{"": `{"results":[]}`}, 0, ErrMalformed},
		{"all rows are bad", map[string]string{"": `{"success":true,"results":[{"id":"a","isListed":"yes"},
			{"id":"b","isListed":"yes"},{"id":"c","isListed":"yes"},{"id":"d","isListed":"yes"}]}`}, 0, ErrMalformed},
		{"there is one row, and it is bad", map[string]string{"": `{"success":true,"results":[{"id":"a","isListed":"yes"}]}`}, 0, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				var p struct{ Cursor string }
				body, _ := io.ReadAll(r.Body)
				_ = json.Unmarshal(body, &p)
				says(200, tc.pages[p.Cursor])(w, r)
			}, nil)
			list, err := c.Postings(t.Context())
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Fatalf("err = %v, want %v", err, tc.want)
			}
			if len(list.Records) != tc.ids || tc.want == nil && list.SentAt.IsZero() {
				t.Errorf("%d records, sent at %s", len(list.Records), list.SentAt)
			}
		})
	}
}

func TestPosting(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, results string
		job           string
		want          error
	}{
		{"with its job", `{"id":"p1","jobId":"j1","job":{"id":"j1","confidential":true}}`, "j1", nil},
		{"without a job", `{"id":"p1","jobId":"j1"}`, "", nil},
		{"with null for a job", `{"id":"p1","jobId":"j1","job":null}`, "", nil},
		{"another posting", `{"id":"p2"}`, "", ErrMalformed},
		{"another job", `{"id":"p1","jobId":"j1","job":{"id":"j2","confidential":false}}`, "", ErrMalformed},
		{"a job that cannot be read", `{"id":"p1","jobId":"j1","job":{"id":"j1","confidential":"maybe"}}`, "", ErrMalformed},
		{"a posting that cannot be read", `{"id":"p1","isListed":1}`, "", ErrMalformed},
		{"an array", `[]`, "", ErrMalformed},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, err := newTestClient(t, says(200, `{"success":true,"results":`+tc.results+`}`), nil).Posting(t.Context(), "p1")
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Fatalf("err = %v, want %v", err, tc.want)
			}
			job := ""
			if a.Job != nil {
				job = a.Job.ID
			}
			if job != tc.job || tc.want == nil && (a.Posting.ID != "p1" || a.SentAt.IsZero() || a.Posting.Kind != KindPosting) {
				t.Errorf("answer %+v, want job %q", a, tc.job)
			}
		})
	}
}

func TestAPIKeyInfo(t *testing.T) {
	t.Parallel()
	for results, want := range map[string]APIKey{
		`{"title":"Board","scopes":["jobs:read","apiKeys:read"]}`:  {Title: "Board", Scopes: []string{"jobs:read", "apiKeys:read"}, HasScopes: true},
		`{"title":"Board","scopes":[]}`:                            {Title: "Board", HasScopes: true},
		`{"title":"Board","createdAt":"2024-01-15T10:30:00.000Z"}`: {Title: "Board"},
		`{"title":null,"scopes":null}`:                             {},
	} {
		got, err := newTestClient(t, says(200, `{"success":true,"results":`+results+`}`), nil).APIKeyInfo(t.Context())
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %+v, %v", results, got, err)
		}
	}
}
