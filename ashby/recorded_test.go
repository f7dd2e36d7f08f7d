package ashby

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shared reads a file of recorded answers or of Ashby's own document. They are data beside the project and no part of
// it, so a test without them says so and skips.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "shared", "ashby", name))
	if err != nil {
		t.Skipf("the recorded answers are not beside this checkout: %v", err)
	}
	return content
}

// loseNothing compares what was decoded with the raw object, path by path. A null or an absent member must have decoded
// to nothing; all else must be there unchanged.
func loseNothing(t *testing.T, raw []byte, fields map[string]any) {
	t.Helper()
	var doc any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for path, got := range fields {
		want := at(doc, path)
		if p, ok := got.(*time.Time); ok {
			got = nil
			if p != nil {
				got = p.Format(time.RFC3339Nano)
			}
			if s, ok := want.(string); ok {
				if instant, err := time.Parse(time.RFC3339, s); err == nil {
					want = instant.UTC().Format(time.RFC3339Nano)
				}
			}
		}
		// An empty string, an empty list and null are the same nothing.
		if text(t, got) != text(t, want) {
			t.Errorf("%s: decoded %s, Ashby sent %s", path, text(t, got), text(t, want))
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	switch s := string(doc); s {
	case `""`, `[]`, `false`:
		return "null"
	default:
		return s
	}
}

// at returns the value at a dotted path, nil if there is none.
func at(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func postingFields(p Posting) map[string]any {
	fields := map[string]any{
		"id": p.ID, "jobId": p.JobID, "title": p.Title, "status": p.Status, "departmentName": p.DepartmentName,
		"teamName": p.TeamName, "teamNameHierarchy": p.TeamNameHierarchy,
		"locationIds.primaryLocationId": p.PrimaryLocationID, "locationIds.secondaryLocationIds": p.SecondaryLocations,
		"workplaceType": p.WorkplaceType, "employmentType": p.EmploymentType, "isRemote": p.IsRemote, "isListed": p.IsListed,
		"publishedDate": p.PublishedDate, "applicationDeadline": p.ApplicationDeadline, "externalLink": p.ExternalLink,
		"applyLink": p.ApplyLink, "updatedAt": p.UpdatedAt, "descriptionHtml": p.DescriptionHTML,
		"descriptionPlain": p.DescriptionPlain, "linkedData": p.LinkedData,
	}
	if p.Compensation == nil {
		fields["compensation"] = nil
		return withAddress(fields, "address", p.Address)
	}
	fields["compensation.compensationTierSummary"] = p.Compensation.TierSummary
	for i, tier := range p.Compensation.Tiers {
		in := "compensation.compensationTiers." + strconv.Itoa(i)
		fields[in+".id"], fields[in+".title"] = tier.ID, tier.Title
		fields[in+".additionalInformation"], fields[in+".tierSummary"] = tier.AdditionalInformation, tier.TierSummary
		for k, part := range tier.Components {
			of := in + ".components." + strconv.Itoa(k)
			fields[of+".summary"], fields[of+".label"], fields[of+".compensationType"] = part.Summary, part.Label, part.Type
			fields[of+".interval"], fields[of+".currencyCode"] = part.Interval, part.CurrencyCode
			fields[of+".minValue"], fields[of+".maxValue"] = part.MinValue, part.MaxValue
		}
	}
	return withAddress(fields, "address", p.Address)
}

func withAddress(fields map[string]any, in string, a *PostalAddress) map[string]any {
	if a == nil {
		a = &PostalAddress{}
	}
	in += ".postalAddress."
	fields[in+"addressCountry"], fields[in+"addressRegion"], fields[in+"addressLocality"] = a.Country, a.Region, a.Locality
	fields[in+"postalCode"], fields[in+"streetAddress"] = a.PostalCode, a.Street
	return fields
}

func jobFields(j Job) map[string]any {
	return map[string]any{
		"id": j.ID, "title": j.Title, "status": j.Status, "confidential": j.Confidential, "employmentType": j.EmploymentType,
		"locationId": j.LocationID, "departmentId": j.DepartmentID, "jobPostingIds": j.JobPostingIDs, "updatedAt": j.UpdatedAt,
	}
}

func locationFields(l Location) map[string]any {
	return withAddress(map[string]any{
		"id": l.ID, "name": l.Name, "externalName": l.ExternalName, "isArchived": l.IsArchived, "isRemote": l.IsRemote,
		"workplaceType": l.WorkplaceType,
	}, "address", l.Address)
}

func departmentFields(d Department) map[string]any {
	return map[string]any{
		"id": d.ID, "name": d.Name, "externalName": d.ExternalName, "parentId": d.ParentID, "isArchived": d.IsArchived,
	}
}

// decodedFields decodes an object of a kind and returns its fields by the paths that they have at Ashby.
func decodedFields(t *testing.T, kind Kind, raw []byte) map[string]any {
	t.Helper()
	switch kind {
	case KindPosting:
		p, err := DecodePosting(raw)
		if err != nil {
			t.Fatal(err)
		}
		fields := postingFields(p)
		if name := at(mustAny(t, raw), "locationExternalName"); name == nil {
			fields["locationName"] = p.LocationName
		}
		return fields
	case KindJob:
		j, err := DecodeJob(raw)
		if err != nil {
			t.Fatal(err)
		}
		return jobFields(j)
	case KindLocation:
		l, err := DecodeLocation(raw)
		if err != nil {
			t.Fatal(err)
		}
		return locationFields(l)
	default:
		d, err := DecodeDepartment(raw)
		if err != nil {
			t.Fatal(err)
		}
		return departmentFields(d)
	}
}

func mustAny(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file string
		kind Kind
		rows int
	}{{"job.list.json", KindJob, 20}, {"department.list.json", KindDepartment, 1}} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			var recorded struct {
				Body struct {
					Results   []json.RawMessage
					SyncToken string
				}
			}
			var raw struct{ Body json.RawMessage }
			for _, v := range []any{&recorded, &raw} {
				if err := json.Unmarshal(shared(t, filepath.Join("recorded", tc.file)), v); err != nil {
					t.Fatal(err)
				}
			}
			page, err := newTestClient(t, says(200, string(raw.Body)), nil).Page(t.Context(), tc.kind, PageRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Records) != tc.rows || len(page.Records) != len(recorded.Body.Results) || len(page.Bad) != 0 ||
				page.Next == "" && page.SyncToken != recorded.Body.SyncToken {
				t.Fatalf("%d of %d rows, %d bad, token %q", len(page.Records), len(recorded.Body.Results), len(page.Bad), page.SyncToken)
			}
			for i, r := range page.Records {
				loseNothing(t, recorded.Body.Results[i], decodedFields(t, tc.kind, r.Raw))
				if strings.Contains(string(r.Raw), "@example.com") {
					t.Errorf("an employee's address is left in %s", r.ID)
				}
				// Nothing but the personal fields may be gone.
				sent, _ := mustAny(t, recorded.Body.Results[i]).(map[string]any)
				delete(sent, "author")
				delete(sent, "hiringTeam")
				if text(t, sent) != text(t, mustAny(t, r.Raw)) {
					t.Errorf("%s: kept %s of %s", r.ID, r.Raw, recorded.Body.Results[i])
				}
			}
		})
	}
}

// A public board shows postings in another shape, with real descriptions, addresses and pay under the same names.
func TestRecordedPublicBoard(t *testing.T) {
	t.Parallel()
	var board struct{ Jobs []json.RawMessage }
	if err := json.Unmarshal(shared(t, filepath.Join("recorded", "public-board.json")), &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Jobs) != 4 {
		t.Fatalf("%d jobs", len(board.Jobs))
	}
	paid := 0
	for _, raw := range board.Jobs {
		p, err := DecodePosting(raw)
		if err != nil {
			t.Fatal(err)
		}
		loseNothing(t, raw, postingFields(p))
		if p.DescriptionHTML == "" || p.Address == nil {
			t.Errorf("%s has no description or address", p.ID)
		}
		if p.ShowCompensation && p.Compensation != nil && len(p.Compensation.Tiers) > 0 {
			paid++
		}
	}
	if paid == 0 {
		t.Error("no job shows its pay")
	}
}
