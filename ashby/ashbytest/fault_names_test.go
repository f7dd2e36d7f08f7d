package ashbytest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// plainly checks an answer that is no envelope.
func plainly(status int, header, value string) func(*testing.T, reply, error) {
	return func(t *testing.T, r reply, err error) {
		if err != nil || r.status != status || r.body.Success || header != "" && r.header.Get(header) != value {
			t.Errorf("error %v, status %d, %s %q", err, r.status, header, r.header.Get(header))
		}
	}
}

// softly checks an error in form A.
func softly(status int, code string) func(*testing.T, reply, error) {
	return func(t *testing.T, r reply, err error) {
		if err != nil || r.status != status || r.body.Success || r.code(t) != code {
			t.Errorf("error %v, status %d: %s", err, r.status, r.raw)
		}
	}
}

// huge checks that more came than anybody should read.
func huge(t *testing.T, r reply, err error) {
	if err != nil || r.status != http.StatusOK || len(r.raw) <= 32<<20 ||
		!bytes.HasPrefix(r.raw, []byte(hollowStart)) || !bytes.HasSuffix(r.raw, []byte(hollowEnd)) {
		t.Errorf("error %v, status %d, %d bytes", err, r.status, len(r.raw))
	}
}

func cutShort(t *testing.T, r reply, err error) {
	if err == nil {
		t.Errorf("there was an answer: %s", r.raw)
	}
}

// firstAnswers say what each fault makes of the first request for job.list of four jobs.
var firstAnswers = map[string]func(*testing.T, reply, error){
	"connection-reset": cutShort, "truncated": cutShort, "oversized": huge, "gzip-bomb": huge,
	"html": plainly(200, "Content-Type", "text/html; charset=utf-8"), "no-envelope": plainly(200, "", ""),
	"server-error": plainly(500, "Retry-After", ""), "bad-gateway": plainly(502, "", ""), "unavailable": plainly(503, "Retry-After", ""),
	"unavailable-retry-after": plainly(503, "Retry-After", "1"), "rate-limit": plainly(429, "Retry-After", ""),
	"rate-limit-retry-after": plainly(429, "Retry-After", "1"), "rate-limit-partner": plainly(429, "X-RateLimit-Scope", "integration-partner"),
	"unauthorized-plain": plainly(401, "Content-Type", "text/plain; charset=utf-8"), "unauthorized-once": plainly(401, "", ""),
	"forbidden-plain":    plainly(403, "Content-Type", "text/plain; charset=utf-8"),
	"missing-permission": softly(403, "missing_endpoint_permission"), "soft-error": softly(200, "generic_internal_error"),
	"missing-permission-b": func(t *testing.T, r reply, _ error) {
		if r.status != 403 || r.body.ErrorInfo != nil || r.body.Errors[0].(map[string]any)["message"] != "missing_endpoint_permission" {
			t.Errorf("%s", r.raw)
		}
	},
	"soft-error-b": func(t *testing.T, r reply, _ error) {
		if r.status != 200 || r.body.ErrorInfo != nil || r.body.Errors[0].(map[string]any)["message"] != "generic_internal_error" {
			t.Errorf("%s", r.raw)
		}
	},
	"soft-error-null": plainly(200, "", ""),
	"wrong-content-type": func(t *testing.T, r reply, _ error) {
		if len(r.rows(t)) != 4 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s", r.raw)
		}
	},
	"empty-list": rowCount(0), "shrunk-list": rowCount(2), "cut-listing": rowCount(2), "duplicate-rows": rowCount(8),
	"bad-row": lastRow(func(row map[string]any) bool { _, isText := row["status"].(string); return !isText && row["id"] != nil }),
	"row-without-id": lastRow(func(row map[string]any) bool {
		return row["id"] == nil && row["title"] != nil
	}),
	"unknown-fields": lastRow(func(row map[string]any) bool { return row["brandNewField"] != nil }),
	"unknown-enum": lastRow(func(row map[string]any) bool {
		return row["employmentType"] == "BrandNewValue" && row["status"] == "Open"
	}),
	"null-fields": lastRow(func(row map[string]any) bool { return row["employmentType"] == nil && row["status"] == "Open" }),
	"no-token": func(t *testing.T, r reply, _ error) {
		if r.body.Token != nil || len(r.rows(t)) != 4 {
			t.Errorf("%s", r.raw)
		}
	},
}

func rowCount(n int) func(*testing.T, reply, error) {
	return func(t *testing.T, r reply, _ error) {
		if !r.body.Success || r.body.More || r.body.Token == nil || len(r.rows(t)) != n {
			t.Errorf("%s", r.raw)
		}
	}
}

func lastRow(fits func(map[string]any) bool) func(*testing.T, reply, error) {
	return func(t *testing.T, r reply, _ error) {
		if rows := r.rows(t); len(rows) != 4 || !fits(rows[3]) {
			t.Errorf("%s", r.raw)
		}
	}
}

// pagedFaults need more than one request, and have tests of their own below.
var pagedFaults = []string{"timeout", "slow-body", "repeated-row", "moved-row", "cursor-loop", "fresh-token"}

func TestEveryNamedFault(t *testing.T) {
	t.Parallel()
	for _, f := range Faults() {
		check := firstAnswers[f.Name]
		if check == nil {
			if !slices.Contains(pagedFaults, f.Name) && f.Fault.Kind != FaultRestartCode {
				t.Errorf("nothing tests %s", f.Name)
			}
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 4, Options{})
			fault, err := ParseFault(f.Name + ":job.list:1")
			if err != nil {
				t.Fatal(err)
			}
			b.sim.Inject(fault)
			b.good("department.list", "{}")
			got, err := b.do(b.request("job.list", "{}"))
			check(t, got, err)
			if rows := b.good("job.list", "{}").rows(t); len(rows) != 4 {
				t.Errorf("%d rows after the fault", len(rows))
			}
			if n := b.sim.FaultsTaken(fault.Kind); n != 1 || len(b.sim.ActiveFaults()) != 0 {
				t.Errorf("taken %d times", n)
			}
		})
	}
}

func TestRestartCodes(t *testing.T) {
	t.Parallel()
	b := setup(t, 3, Options{})
	seen := 0
	for _, f := range Faults() {
		if f.Fault.Kind != FaultRestartCode {
			continue
		}
		seen++
		b.sim.Inject(Fault{Name: f.Name, Kind: f.Fault.Kind, Code: f.Fault.Code, Count: 1})
		_, token := b.pass("job.list", "", "", 100)
		softly(200, strings.ReplaceAll(f.Name, "-", "_"))(t, b.ask("job.list", fmt.Sprintf(`{"syncToken":%q}`, token)), nil)
	}
	if seen != 6 {
		t.Errorf("%d codes", seen)
	}
}

// TestFaultsBetweenPages reads three pages of twelve jobs under faults that show only there.
func TestFaultsBetweenPages(t *testing.T) {
	t.Parallel()
	b := setup(t, 9, Options{})
	whole := ids(b.good("job.list", "{}").rows(t))
	inject := func(text string) {
		t.Helper()
		b.sim.ClearFaults()
		f, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		b.sim.Inject(f)
	}
	inject("repeated-row:job.list")
	rows, _ := b.pass("job.list", "", "", 3)
	if want := slices.Concat(whole[:3], whole[2:6], whole[5:]); !slices.Equal(ids(rows), want) {
		t.Errorf("repeated rows: %v, want %v", ids(rows), want)
	}
	inject("moved-row@2:job.list")
	rows, _ = b.pass("job.list", "", "", 3)
	if want := slices.Concat(whole[:3], whole[4:]); !slices.Equal(ids(rows), want) {
		t.Errorf("a moved row: %v, want %v", ids(rows), want)
	}
	inject("cut-listing@2:job.list")
	if rows, token := b.pass("job.list", "", "", 3); len(rows) != 6 || token == "" {
		t.Errorf("a cut listing: %d rows, token %q", len(rows), token)
	}
	inject("soft-error@3:job.list")
	second := b.good("job.list", fmt.Sprintf(`{"limit":3,"cursor":%q}`, b.good("job.list", `{"limit":3}`).body.Next))
	softly(200, "generic_internal_error")(t, b.ask("job.list", fmt.Sprintf(`{"limit":3,"cursor":%q}`, second.body.Next)), nil)

	inject("cursor-loop")
	cursor := b.good("job.list", `{"limit":3}`).body.Next
	for range 3 {
		if page := b.good("job.list", fmt.Sprintf(`{"limit":3,"cursor":%q}`, cursor)); !page.body.More || page.body.Next != cursor {
			t.Errorf("the cursors end: %s", page.raw)
		}
	}
	if page := b.good("job.list", "{}"); !page.body.More || page.body.Next == "" {
		t.Errorf("a single page has no cursor: %s", page.raw)
	}
}

func TestFreshTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, 3, Options{})
	_, token := b.pass("job.list", "", "", 100)
	if _, same := b.pass("job.list", "", token, 100); same != token {
		t.Errorf("the token changed without the fault")
	}
	b.sim.Inject(Fault{Kind: FaultFreshToken})
	seen := map[string]bool{token: true}
	for range 3 {
		rows, next := b.pass("job.list", "", token, 100)
		if len(rows) != 0 || seen[next] {
			t.Errorf("%d rows, token %q", len(rows), next)
		}
		seen[next], token = true, next
	}
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	now := stopped()
	b := setup(t, 6, Options{TokenAge: time.Hour, Now: func() time.Time { return now }})
	_, token := b.pass("job.list", "", "", 100)
	cursor := b.good("job.list", `{"limit":2}`).body.Next
	now = now.Add(time.Hour)
	b.good("job.list", fmt.Sprintf(`{"limit":2,"cursor":%q}`, cursor))
	_, later := b.pass("job.list", "", token, 100)
	now = now.Add(time.Second)
	softly(200, "next_cursor_expired")(t, b.ask("job.list", fmt.Sprintf(`{"limit":2,"cursor":%q}`, cursor)), nil)
	softly(200, "sync_token_expired")(t, b.ask("job.list", fmt.Sprintf(`{"syncToken":%q}`, token)), nil)
	b.good("job.list", fmt.Sprintf(`{"syncToken":%q}`, later))
	b.org.ExpireTokens()
	softly(200, "sync_token_expired")(t, b.ask("job.list", fmt.Sprintf(`{"syncToken":%q}`, later)), nil)
	_, fresh := b.pass("job.list", "", "", 100)
	b.good("job.list", fmt.Sprintf(`{"syncToken":%q}`, fresh))
}

func TestSlowBodiesEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	b.sim.Inject(Fault{Kind: FaultSlowBody, Count: 2})
	resp, err := b.http.Do(b.request("job.list", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len(hollowStart)+2)
	if _, err := io.ReadFull(resp.Body, first); err != nil || !strings.HasPrefix(string(first), hollowStart) {
		t.Errorf("%q, %v", first, err)
	}
	_ = resp.Body.Close() // the client leaves
	eventually(t, "the first request ended", func() bool { return len(b.sim.Requests()) == 1 })
	var asking sync.WaitGroup
	asking.Go(func() {
		if got, err := b.do(b.request("job.list", "{}")); err == nil {
			t.Errorf("there was an answer: %s", got.raw)
		}
	})
	eventually(t, "the second request hangs", func() bool { return b.sim.FaultsTaken(FaultSlowBody) == 2 })
	b.sim.Close()
	asking.Wait()
}

func TestLateAnswersAreOld(t *testing.T) {
	t.Parallel()
	b := setup(t, 1, Options{})
	p := b.org.Postings()[0]
	until := make(chan struct{})
	b.sim.Inject(Fault{Kind: FaultLate, Method: "jobPosting.list", Until: until, Count: 1})
	var asking sync.WaitGroup
	asking.Go(func() {
		got, err := b.do(b.request("jobPosting.list", "{}"))
		if err != nil || got.rows(t)[0]["title"] != p.Title {
			t.Errorf("%v %s", err, got.raw)
		}
	})
	eventually(t, "the answer is made", func() bool { return b.sim.LateAnswers() == 1 })
	b.org.Retitle(p.ID, "Newer")
	close(until)
	asking.Wait()
	if rows := b.good("jobPosting.list", "{}").rows(t); rows[0]["title"] != "Newer" {
		t.Errorf("%v", rows[0]["title"])
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Fault{
		"html":                          {Name: "html", Kind: FaultHTML},
		"html:3":                        {Name: "html", Kind: FaultHTML, Count: 3},
		"soft-error@2:candidate.list":   {Name: "soft-error", Kind: FaultErrorEnvelopeA, Page: 2, Method: "candidate.list"},
		"shrunk-list:jobPosting.list:1": {Name: "shrunk-list", Kind: FaultShrunkList, Keep: 0.5, Method: "jobPosting.list", Count: 1},
		"unauthorized-once":             {Name: "unauthorized-once", Kind: FaultUnauthorizedPlain, Count: 1},
	} {
		if got, err := ParseFault(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "nothing", "html@0", "html@x", "html:0", "html:job.list:-1"} {
		if got, err := ParseFault(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
