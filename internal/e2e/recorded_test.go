package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

// recorded reads a recorded answer of Ashby, which lie beside the repository and are no part of it.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "ashby", "recorded", name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recorded answers of Ashby are not beside this repository (../shared/ashby/recorded)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// rows are the results of a recorded list.
func rows(t *testing.T, name string) []json.RawMessage {
	t.Helper()
	var answer struct {
		Body struct {
			Results []json.RawMessage `json:"results"`
		} `json:"body"`
	}
	if err := json.Unmarshal(recorded(t, name), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Body.Results
}

type boardAddress struct {
	PostalAddress struct{ StreetAddress, PostalCode, AddressCountry, AddressRegion, AddressLocality string }
}

// matches says whether an address is the same, but for space around its parts.
func (a boardAddress) matches(got events.Address) bool {
	p := a.PostalAddress
	return words(p.StreetAddress, p.PostalCode, p.AddressLocality, p.AddressRegion, p.AddressCountry) ==
		words(got.Street, got.PostalCode, got.Locality, got.Region, got.Country)
}

// boardJob is an entry of the recorded public job board.
type boardJob struct {
	ID, Title, Department, Team, Location, JobURL, ApplyURL, DescriptionPlain, EmploymentType, WorkplaceType string
	SecondaryLocations                                                                                       []struct {
		Location string
		Address  boardAddress
	}
	Address                                boardAddress
	ShouldDisplayCompensationOnJobPostings bool
	Compensation                           struct {
		CompensationTiers []struct {
			Title, TierSummary string
			Components         []struct {
				CompensationType, Interval, CurrencyCode string
				MinValue, MaxValue                       *json.Number
			}
		}
	}
}

// TestRecordedAccount sends real answers through everything: simulator, client, mirror, translation, stream.
func TestRecordedAccount(t *testing.T) {
	t.Parallel()
	jobs, departments, board := rows(t, "job.list.json"), rows(t, "department.list.json"), recorded(t, "public-board.json")
	s := start(t)
	org := s.sim.AddOrganization("ramp", "Ramp")
	if err := errors.Join(org.ImportJobs(jobs...), org.ImportDepartments(departments...), org.ImportPublicBoard(board)); err != nil {
		t.Fatal(err)
	}
	e := s.connect(org, "ramp")
	s.synced(e)
	stream := folded(s.agreed(e))
	var onBoard struct{ Jobs []boardJob }
	if err := json.Unmarshal(board, &onBoard); err != nil {
		t.Fatal(err)
	}
	if len(stream) != len(onBoard.Jobs) || len(onBoard.Jobs) == 0 {
		t.Fatalf("%d jobs on the stream for %d on the board", len(stream), len(onBoard.Jobs))
	}
	for _, want := range onBoard.Jobs {
		m := stream[events.JobSubject(e.id, want.ID)]
		eventstest.Validate(t, m.Raw)
		compareBoardJob(t, want, m.Job.Job)
	}
	db := s.sql
	for kind, rows := range map[string][]json.RawMessage{"job": jobs, "department": departments} {
		for _, raw := range rows {
			var want map[string]any
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			var doc string
			if err := db.QueryRowContext(t.Context(), `SELECT doc::text FROM records WHERE connection_id = $1 AND kind = $2 AND id = $3`,
				e.id, kind, want["id"]).Scan(&doc); err != nil {
				t.Errorf("%s %v is not in the mirror: %v", kind, want["id"], err)
				continue
			}
			delete(want, "author")
			delete(want, "hiringTeam")
			var got map[string]any
			if err := json.Unmarshal([]byte(doc), &got); err != nil {
				t.Fatal(err)
			}
			for field, v := range want {
				if !sameValue(got[field], v) {
					t.Errorf("%s %v: %s is %v in the mirror, %v at Ashby", kind, want["id"], field, got[field], v)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s %v has %d fields in the mirror, %d at Ashby", kind, want["id"], len(got), len(want))
			}
		}
	}
}

func sameValue(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func compareBoardJob(t *testing.T, want boardJob, got events.Job) {
	t.Helper()
	team := want.Team
	if team == want.Department { // a posting of the department itself
		team = ""
	}
	if len(got.Locations) != 1+len(want.SecondaryLocations) {
		t.Errorf("%s: %d locations for %d on the board", want.Title, len(got.Locations), 1+len(want.SecondaryLocations))
		return
	}
	if !want.Address.matches(got.Locations[0].Address) || !got.Locations[0].Primary {
		t.Errorf("%s: the primary location is %+v, on the board %+v", want.Title, got.Locations[0], want.Address)
	}
	for i, place := range want.SecondaryLocations {
		g := got.Locations[1+i]
		if g.Name != strings.TrimSpace(place.Location) || g.Primary || !place.Address.matches(g.Address) {
			t.Errorf("%s: secondary location %d is %+v, on the board %+v", want.Title, i, g, place)
		}
	}
	for _, f := range []struct{ name, want, got string }{
		{"title", want.Title, got.Title},
		{"department", want.Department, got.Department},
		{"job_url", want.JobURL, got.JobURL},
		{"apply_url", want.ApplyURL, got.ApplyURL},
		{"employment_type", want.EmploymentType, got.EmploymentType},
		{"workplace_type", want.WorkplaceType, got.WorkplaceType},
		{"team", team, got.Team},
		{"location", want.Location, got.Locations[0].Name},
	} {
		if f.want != f.got {
			t.Errorf("%s: %s is %q, on the board %q", want.Title, f.name, f.got, f.want)
		}
	}
	// Ashby writes headings in capitals in its plain text.
	text := strings.ToLower(strings.Join(strings.Fields(got.DescriptionText), " "))
	for _, word := range strings.Fields(strings.ToLower(want.DescriptionPlain)) {
		if len(word) > 3 && strings.Trim(word, "-*•–") == word && !strings.Contains(text, word) {
			t.Errorf("%s: the description lost %q", want.Title, word)
		}
	}
	if !want.ShouldDisplayCompensationOnJobPostings {
		if got.Pay != nil {
			t.Errorf("%s: pay is shown against the employer's will", want.Title)
		}
		return
	}
	if got.Pay == nil || len(got.Pay.Tiers) != len(want.Compensation.CompensationTiers) {
		t.Errorf("%s: pay %+v for %d tiers on the board", want.Title, got.Pay, len(want.Compensation.CompensationTiers))
		return
	}
	for i, tier := range want.Compensation.CompensationTiers {
		for j, c := range tier.Components {
			g := got.Pay.Tiers[i].Components[j]
			if g.Type != c.CompensationType || g.Interval != c.Interval || g.Currency != c.CurrencyCode || !sameValue(g.Min, c.MinValue) || !sameValue(g.Max, c.MaxValue) {
				t.Errorf("%s: tier %d component %d is %+v, on the board %+v", want.Title, i, j, g, c)
			}
		}
	}
}
