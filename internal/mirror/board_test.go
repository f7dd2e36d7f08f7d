package mirror_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// recordedBoard is a recorded answer of Ashby's keyless board API: real descriptions, addresses and pay.
const recordedBoard = "../../../shared/ashby/recorded/public-board.json"

type boardAddress struct {
	Postal struct {
		Country    string `json:"addressCountry"`
		Region     string `json:"addressRegion"`
		Locality   string `json:"addressLocality"`
		PostalCode string `json:"postalCode"`
		Street     string `json:"streetAddress"`
	} `json:"postalAddress"`
}

type boardJob struct {
	ID, Title, Department, Team, EmploymentType, Location, WorkplaceType string
	PublishedAt, JobURL, ApplyURL, DescriptionHTML, DescriptionPlain     string
	IsListed, IsRemote, ShouldDisplayCompensationOnJobPostings           bool
	Address                                                              boardAddress
	SecondaryLocations                                                   []struct {
		Location string
		Address  boardAddress
	}
	Compensation struct {
		CompensationTierSummary string
		CompensationTiers       []struct {
			Title, TierSummary, AdditionalInformation string
			Components                                []struct {
				Summary, CompensationType, Interval, CurrencyCode string
				MinValue, MaxValue                                *json.Number
			}
		}
	}
}

// Real postings go through decoding, translation and cleaning without losing a field or a word.
func TestRecordedBoard(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(recordedBoard)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recorded answers of Ashby are not on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Jobs []json.RawMessage }
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Jobs) == 0 {
		t.Fatal("the recording has no jobs")
	}
	for _, entry := range board.Jobs {
		var b boardJob
		if err := json.Unmarshal(entry, &b); err != nil {
			t.Fatal(err)
		}
		t.Run(b.Title, func(t *testing.T) {
			t.Parallel()
			p, err := ashby.DecodePosting(infoShape(t, entry, b))
			if err != nil {
				t.Fatal(err)
			}
			job := &ashby.Job{ID: "job-1", Status: "Open"}
			if public, reason, err := mirror.Public(p, job); !public || err != nil {
				t.Fatalf("not public: %s %v", reason, err)
			}
			j := mirror.Translate(employer, p, mirror.Refs{Job: job, Locations: recordsOf(b)}, markup.New())
			validate(t, j)
			requireNothingLost(t, b, j)
		})
	}
}

// infoShape turns an entry of the board API into an answer of jobPosting.info, renaming and adding fields and leaving
// values as they are.
func infoShape(t *testing.T, entry json.RawMessage, b boardJob) []byte {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(entry, &fields); err != nil {
		t.Fatal(err)
	}
	for board, info := range map[string]string{
		"department": "departmentName", "team": "teamName", "location": "locationName", "jobUrl": "externalLink",
		"applyUrl": "applyLink", "publishedAt": "updatedAt",
		"shouldDisplayCompensationOnJobPostings": "shouldDisplayCompensationOnJobBoard",
	} {
		fields[info] = fields[board]
		delete(fields, board)
	}
	delete(fields, "secondaryLocations")
	secondary, hierarchy := []string{}, []string{b.Department}
	if b.Team != b.Department {
		hierarchy = append(hierarchy, b.Team)
	}
	for _, l := range b.SecondaryLocations {
		secondary = append(secondary, "loc-"+l.Location)
	}
	for name, value := range map[string]any{
		"jobId": "job-1", "status": "Published", "publishedDate": b.PublishedAt[:10],
		"teamNameHierarchy": hierarchy,
		"locationIds":       map[string]any{"primaryLocationId": "loc-" + b.Location, "secondaryLocationIds": secondary},
	} {
		fields[name] = encode(t, value)
	}
	return encode(t, fields)
}

func recordsOf(b boardJob) map[string]ashby.Location {
	known := map[string]ashby.Location{}
	for _, l := range b.SecondaryLocations {
		a := l.Address.Postal
		known["loc-"+l.Location] = ashby.Location{
			ID: "loc-" + l.Location, Name: l.Location,
			Address: &ashby.PostalAddress{Country: a.Country, Region: a.Region, Locality: a.Locality, PostalCode: a.PostalCode, Street: a.Street},
		}
	}
	return known
}

func requireNothingLost(t *testing.T, b boardJob, j events.Job) {
	t.Helper()
	got := map[string]string{
		"title": j.Title, "department": j.Department, "team": j.Team, "employment type": j.EmploymentType,
		"workplace type": j.WorkplaceType, "job url": j.JobURL, "apply url": j.ApplyURL, "published on": *j.PublishedOn,
		"updated at": j.UpdatedAt.Format("2006-01-02T15:04:05.000+00:00"), "slug": j.OrganizationSlug,
	}
	team := b.Team
	if team == b.Department { // Ashby repeats the department where there is no team
		team = ""
	}
	want := map[string]string{
		"title": b.Title, "department": b.Department, "team": team, "employment type": b.EmploymentType,
		"workplace type": b.WorkplaceType, "job url": b.JobURL, "apply url": b.ApplyURL, "published on": b.PublishedAt[:10],
		"updated at": b.PublishedAt, "slug": "ramp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-Ashby +ours):\n%s", diff)
	}
	if diff := cmp.Diff(wantLocations(b), j.Locations); diff != "" {
		t.Errorf("locations (-Ashby +ours):\n%s", diff)
	}
	if diff := cmp.Diff(wantPay(b), j.Pay); diff != "" {
		t.Errorf("pay (-Ashby +ours):\n%s", diff)
	}
	if diff := cmp.Diff(words(b.DescriptionPlain), words(j.DescriptionText)); diff != "" {
		t.Errorf("words of the description (-Ashby +ours):\n%s", diff)
	}
	if len(words(j.DescriptionText)) < 100 {
		t.Errorf("only %d words", len(words(j.DescriptionText)))
	}
	for _, tag := range []string{"<h1>", "<p>", "<ul>", "<li>", "<strong>"} {
		if strings.Count(j.DescriptionHTML, tag) != strings.Count(b.DescriptionHTML, tag[:len(tag)-1]+">")+strings.Count(b.DescriptionHTML, tag[:len(tag)-1]+" ") {
			t.Errorf("%s: not as many as at Ashby", tag)
		}
	}
	if strings.Contains(j.DescriptionHTML, "style=") {
		t.Error("a style survived")
	}
}

// recordedCodes are the codes of all countries in the recording.
var recordedCodes = map[string]string{"USA": "US", "United States": "US", "United Kingdom": "GB"}

func wantLocations(b boardJob) []events.Location {
	a := b.Address.Postal
	list := []events.Location{{
		ID: "loc-" + b.Location, Name: b.Location, Primary: true, Remote: b.WorkplaceType == "Remote",
		Address: events.Address{
			Street: a.Street, Locality: a.Locality, Region: a.Region, PostalCode: a.PostalCode, Country: a.Country,
			CountryCode: recordedCodes[a.Country],
		},
	}}
	for _, l := range b.SecondaryLocations {
		a := l.Address.Postal
		list = append(list, events.Location{ID: "loc-" + l.Location, Name: l.Location, Address: events.Address{
			Street: a.Street, Locality: a.Locality, Region: strings.TrimSpace(a.Region), PostalCode: a.PostalCode, Country: a.Country,
			CountryCode: recordedCodes[a.Country],
		}})
	}
	return list
}

func wantPay(b boardJob) *events.Pay {
	if !b.ShouldDisplayCompensationOnJobPostings {
		return nil
	}
	p := &events.Pay{Summary: b.Compensation.CompensationTierSummary, Tiers: []events.PayTier{}}
	for _, t := range b.Compensation.CompensationTiers {
		tier := events.PayTier{Title: t.Title, Summary: t.TierSummary, Note: t.AdditionalInformation, Components: []events.PayComponent{}}
		for _, c := range t.Components {
			tier.Components = append(tier.Components, events.PayComponent{
				Type: c.CompensationType, Summary: c.Summary, Interval: c.Interval, Currency: c.CurrencyCode, Min: c.MinValue, Max: c.MaxValue,
			})
		}
		p.Tiers = append(p.Tiers, tier)
	}
	return p
}

// words are the words of a text in their order, without what a rendering adds to them: Ashby's writes headings in
// capitals.
func words(text string) []string {
	var list []string
	for _, w := range strings.Fields(text) {
		w = strings.TrimFunc(strings.ToLower(w), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if w != "" {
			list = append(list, w)
		}
	}
	return list
}
