package ashby

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// infoPosting is a posting in the shape of jobPosting.info with every field that Posting has.
const infoPosting = `{
	"id":"p1","jobId":"j1","title":"Engineer","status":"Published","departmentName":"Engineering","teamName":"Data",
	"teamNameHierarchy":["Engineering","Data"],"locationName":"SF HQ","locationExternalName":"San Francisco",
	"locationIds":{"primaryLocationId":"l1","secondaryLocationIds":["l2","l3"]},"workplaceType":"Hybrid",
	"employmentType":"FullTime","isRemote":true,"isListed":true,"publishedDate":"2026-01-02",
	"applicationDeadline":"2026-08-12T20:00:00.000Z","externalLink":"https://jobs.ashbyhq.com/o/p1",
	"applyLink":"https://jobs.ashbyhq.com/o/p1/application","updatedAt":"2026-01-02T03:04:05.678Z",
	"descriptionHtml":"<p>Hi</p>","descriptionPlain":"Hi",
	"address":{"postalAddress":{"addressCountry":"United States","addressRegion":"California","addressLocality":"San Francisco","postalCode":"94108","streetAddress":"49 Geary St"}},
	"linkedData":{"@type":"JobPosting","baseSalary":{"value":72000.10}},
	"compensation":{"compensationTierSummary":"€72K – €100K","shouldDisplayCompensation":true,"summaryComponents":[],
		"compensationTiers":[{"id":"t1","title":null,"additionalInformation":"Bonus","tierSummary":"€72K","components":[
			{"id":"c1","summary":"€72K – €100K","label":"Base","compensationType":"Salary","interval":"1 YEAR","currencyCode":"EUR","minValue":72000.10,"maxValue":100000},
			{"id":"c2","summary":"Equity","compensationType":"EquityPercentage","interval":"NONE","currencyCode":null,"minValue":0.25,"maxValue":null}]}]}}`

// listPosting is the same posting in the shape of jobPosting.list.
const listPosting = `{
	"id":"p1","jobId":"j1","title":"Engineer","departmentName":"Engineering","teamName":"Data","locationName":"SF HQ",
	"locationExternalName":"San Francisco","locationIds":{"primaryLocationId":"l1","secondaryLocationIds":["l2","l3"]},
	"workplaceType":"Hybrid","employmentType":"FullTime","isListed":true,"publishedDate":"2026-01-02",
	"applicationDeadline":"2026-08-12T20:00:00Z","externalLink":"https://jobs.ashbyhq.com/o/p1",
	"applyLink":"https://jobs.ashbyhq.com/o/p1/application","compensationTierSummary":"€72K – €100K",
	"shouldDisplayCompensationOnJobBoard":true,"updatedAt":"2026-01-02T03:04:05.678Z"}`

func TestDecodePosting(t *testing.T) {
	t.Parallel()
	p, err := DecodePosting([]byte(infoPosting))
	if err != nil {
		t.Fatal(err)
	}
	loseNothing(t, []byte(infoPosting), postingFields(p))
	if p.LocationName != "San Francisco" {
		t.Errorf("location %q, want the external name", p.LocationName)
	}
	parts := p.Compensation.Tiers[0].Components
	if *parts[0].MinValue != "72000.10" || *parts[1].MinValue != "0.25" || parts[1].MaxValue != nil {
		t.Errorf("amounts lost digits: %+v", parts)
	}
	if !p.ShowCompensation || p.CompensationTierSummary != "€72K – €100K" || !p.HasExternalLink {
		t.Errorf("%+v", p)
	}
}

func TestDecodePostingIsLenient(t *testing.T) {
	t.Parallel()
	everything := []string{
		"jobId", "title", "status", "departmentName", "teamName", "teamNameHierarchy", "locationName", "locationExternalName",
		"locationIds", "workplaceType", "employmentType", "isRemote", "isListed", "publishedDate", "applicationDeadline",
		"externalLink", "applyLink", "updatedAt", "descriptionHtml", "descriptionPlain", "address", "linkedData", "compensation",
		"compensationTierSummary", "shouldDisplayCompensationOnJobBoard", "shouldDisplayCompensationOnJobPostings", "new",
	}
	for _, value := range []string{`null`, `{}`, `[]`, `7`, `true`, `"?"`, `[null,{},[],1]`, `{"postalAddress":7,"primaryLocationId":{},"compensationTiers":[7,{"components":{}}]}`} {
		for _, name := range everything {
			raw := fmt.Sprintf(`{"id":"p1",%q:%s}`, name, value)
			p, err := DecodePosting([]byte(raw))
			decides := name == "isListed" && value != "true" || (name == "status" || name == "externalLink") && value != `"?"`
			if wantErr := decides && value != "null"; wantErr != errors.Is(err, ErrMalformed) {
				t.Errorf("%s: err = %v", raw, err)
			}
			if err == nil && p.ID != "p1" {
				t.Errorf("%s: %+v", raw, p)
			}
		}
	}
	p, err := DecodePosting([]byte(`{"id":"p1"}`))
	if err != nil || p.IsListed != nil || p.HasExternalLink || p.Address != nil || p.Compensation != nil || p.UpdatedAt != nil {
		t.Errorf("absent fields: %+v, %v", p, err)
	}
	p, err = DecodePosting([]byte(`{"id":"p1","externalLink":null,"publishedDate":null,"workplaceType":"Orbit","status":"Scheduled","ID":"p2"}`))
	if err != nil || !p.HasExternalLink || p.ExternalLink != "" || p.WorkplaceType != "Orbit" || p.Status != "Scheduled" || p.ID != "p1" {
		t.Errorf("nulls and new values: %+v, %v", p, err)
	}
	p, err = DecodePosting([]byte(`{"id":"p1","publishedDate":"2026-07-07T20:47:09.753+00:00","updatedAt":"2026-07-07T22:47:09.753+02:00"}`))
	if err != nil || p.PublishedDate != "2026-07-07" || !p.UpdatedAt.Equal(time.Date(2026, 7, 7, 20, 47, 9, 753e6, time.UTC)) || p.UpdatedAt.Location() != time.UTC {
		t.Errorf("dates: %+v, %v", p, err)
	}
}

func TestDecodersNeedAnID(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `null`, `[]`, `"p1"`, `{}`, `{"id":null}`, `{"id":""}`, `{"id":7}`, `{"id":"a.b"}`, `{"id":"a b"}`, `{"id":"*"}`,
		`{"id":"` + strings.Repeat("x", 65) + `"}`, `{"ID":"p1"}`,
	} {
		for kind, decode := range map[Kind]func([]byte) error{
			KindPosting:    func(b []byte) error { _, err := DecodePosting(b); return err },
			KindJob:        func(b []byte) error { _, err := DecodeJob(b); return err },
			KindLocation:   func(b []byte) error { _, err := DecodeLocation(b); return err },
			KindDepartment: func(b []byte) error { _, err := DecodeDepartment(b); return err },
		} {
			if err := decode([]byte(raw)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s from %s: %v", kind, raw, err)
			}
		}
	}
}

func TestDecodeJob(t *testing.T) {
	t.Parallel()
	for raw, wantErr := range map[string]bool{
		`{"id":"j1","confidential":true,"status":"Paused","customRequisitionId":null}`:        false,
		`{"id":"j1","confidential":false,"status":null,"jobPostingIds":null}`:                 false,
		`{"id":"j1","confidential":null,"status":"Open"}`:                                     true,
		`{"id":"j1","status":"Open"}`:                                                         true,
		`{"id":"j1","confidential":false,"jobPostingIds":["a",null,7,""],"updatedAt":"soon"}`: false,
		`{"id":"j1","confidential":"true"}`:                                                   true,
		`{"id":"j1","confidential":1}`:                                                        true,
		`{"id":"j1","status":{}}`:                                                             true,
	} {
		j, err := DecodeJob([]byte(raw))
		if errors.Is(err, ErrMalformed) != wantErr {
			t.Errorf("%s: %+v, %v", raw, j, err)
		}
	}
	j, err := DecodeJob([]byte(`{"id":"j1","confidential":true,"jobPostingIds":["a",null,"b"]}`))
	if err != nil || !j.Confidential || strings.Join(j.JobPostingIDs, " ") != "a b" {
		t.Errorf("%+v, %v", j, err)
	}
}

func TestPayFlagHasManyNames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{"id":"p"}`: false,
		`{"id":"p","shouldDisplayCompensationOnJobBoard":true}`:                                                          true,
		`{"id":"p","shouldDisplayCompensationOnJobPostings":true}`:                                                       true,
		`{"id":"p","compensation":{"shouldDisplayCompensation":true}}`:                                                   true,
		`{"id":"p","compensation":{"shouldDisplayCompensationOnJobBoard":true}}`:                                         true,
		`{"id":"p","shouldDisplayCompensationOnJobBoard":false}`:                                                         false,
		`{"id":"p","shouldDisplayCompensationOnJobBoard":"true"}`:                                                        false,
		`{"id":"p","shouldDisplayCompensationOnJobBoard":null,"compensation":{"shouldDisplayCompensation":true}}`:        true,
		`{"id":"p","shouldDisplayCompensationOnJobBoard":true,"compensation":{"shouldDisplayCompensation":false}}`:       false,
		`{"id":"p","shouldDisplayCompensationOnJobBoard":false,"compensation":{"shouldDisplayCompensation":true}}`:       false,
		`{"id":"p","compensation":{"shouldDisplayCompensation":true,"shouldDisplayCompensationOnJobBoard":true,"x":[]}}`: true,
	} {
		p, err := DecodePosting([]byte(raw))
		if err != nil || p.ShowCompensation != want {
			t.Errorf("%s: %t, %v", raw, p.ShowCompensation, err)
		}
	}
}

func TestListShapeIsTheSameFromListAndInfo(t *testing.T) {
	t.Parallel()
	info, err := DecodePosting([]byte(infoPosting))
	if err != nil {
		t.Fatal(err)
	}
	list, err := DecodePosting([]byte(listPosting))
	if err != nil {
		t.Fatal(err)
	}
	loseNothing(t, []byte(listPosting), postingFields(list))
	if string(ListShape(info)) != string(ListShape(list)) {
		t.Errorf("info %s\nlist %s", ListShape(info), ListShape(list))
	}
	hidden := info
	hidden.ShowCompensation, hidden.CompensationTierSummary = false, ""
	hiddenList := list
	hiddenList.ShowCompensation = false
	if string(ListShape(hidden)) != string(ListShape(hiddenList)) {
		t.Error("pay that is hidden makes a difference")
	}
}

func TestListShapeShowsEachChange(t *testing.T) {
	t.Parallel()
	before, err := DecodePosting([]byte(listPosting))
	if err != nil {
		t.Fatal(err)
	}
	changes := []string{
		`"title":"Other"`, `"jobId":"j2"`, `"status":"Draft"`, `"departmentName":"X"`, `"teamName":"X"`, `"locationExternalName":"X"`,
		`"locationIds":{"primaryLocationId":"l9","secondaryLocationIds":["l2","l3"]}`,
		`"locationIds":{"primaryLocationId":"l1","secondaryLocationIds":["l2"]}`, `"workplaceType":null`, `"employmentType":"Intern"`,
		`"isListed":false`, `"isListed":null`, `"publishedDate":null`, `"applicationDeadline":null`, `"externalLink":null`,
		`"applyLink":"x"`, `"compensationTierSummary":"x"`, `"shouldDisplayCompensationOnJobBoard":false`,
		`"updatedAt":"2026-01-02T03:04:05.679Z"`,
	}
	for _, change := range changes {
		// Of a member that occurs twice the last counts.
		after, err := DecodePosting([]byte(strings.TrimSuffix(listPosting, "}") + "," + change + "}"))
		if err != nil || string(ListShape(before)) == string(ListShape(after)) {
			t.Errorf("%s makes no difference, err %v", change, err)
		}
	}
}

func FuzzDecodePosting(f *testing.F) {
	for _, seed := range []string{
		infoPosting, listPosting, `{"id":"p1"}`, `null`, `{"id":"p1","isListed":"no"}`, `{"id":"a\u0000b"}`,
		`{"id":"p1","compensation":{"compensationTiers":[{"components":[{"minValue":1e999999,"maxValue":"0.25"}]}]}}`,
		`{"id":"p1","title":"\ud800","author":{},"job":{"id":"j","hiringTeam":[]}}`,
		`{"id":"p1","updatedAt":"9999-12-31T23:59:59-23:59","applicationDeadline":"0000-01-01","publishedDate":"2026-02-30"}`,
	} {
		f.Add([]byte(seed))
	}
	resource, _ := ResourceOf(KindPosting)
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := DecodePosting(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if !plainID.MatchString(p.ID) || !json.Valid(ListShape(p)) || p.LinkedData != nil && !json.Valid(p.LinkedData) {
			t.Fatalf("%q gave %+v", raw, p)
		}
		if _, err := json.Marshal(p); err != nil {
			t.Fatalf("%q cannot be encoded again: %v", raw, err)
		}
		r, err := row(resource, raw, "", time.Time{})
		if err != nil {
			t.Fatalf("%q decodes, and makes no record: %v", raw, err)
		}
		again, err := DecodePosting(r.Raw)
		if err != nil || again.ID != p.ID || strings.Contains(string(r.Raw), "\x00") {
			t.Fatalf("%q became %q: %v", raw, r.Raw, err)
		}
		var o object
		if err := json.Unmarshal(r.Raw, &o); err != nil || o["author"] != nil || o["hiringTeam"] != nil || o.object("job")["hiringTeam"] != nil {
			t.Fatalf("personal fields are left in %q: %v", r.Raw, err)
		}
	})
}

func BenchmarkListing10000(b *testing.B) {
	r, _ := ResourceOf(KindPosting)
	var rowsJSON []string
	for i := range 10000 {
		rowsJSON = append(rowsJSON, strings.Replace(listPosting, `"id":"p1"`, fmt.Sprintf(`"id":"p%d"`, i), 1))
	}
	body := []byte(`{"success":true,"results":[` + strings.Join(rowsJSON, ",") + `]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		a, failure := understand(r.List, 200, nil, body)
		if failure != nil {
			b.Fatal(failure)
		}
		records, _, err := rows(r, a, "")
		if err != nil || len(records) != 10000 {
			b.Fatal(len(records), err)
		}
	}
}
