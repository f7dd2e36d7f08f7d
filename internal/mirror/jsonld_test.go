package mirror_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

type object = map[string]any

// jsonLDOf is the JobPosting of the recorded posting after a change of it.
func jsonLDOf(t *testing.T, places map[string]ashby.Location, change func(p *ashby.Posting)) object {
	t.Helper()
	p := readPosting(t)
	change(&p)
	j := mirror.Translate(employer, p, mirror.Refs{Locations: places}, markup.New())
	validate(t, j)
	var doc object
	d := json.NewDecoder(bytes.NewReader(j.JSONLD))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The properties that Google's guide requires and recommends, of a job that has them all:
// https://developers.google.com/search/docs/appearance/structured-data/job-posting
func TestJSONLD(t *testing.T) {
	t.Parallel()
	doc := jsonLDOf(t, places, func(*ashby.Posting) {})
	want := object{
		"@context": "https://schema.org", "@type": "JobPosting", "title": "Senior Engineer, R&D </script>",
		"description":        doc["description"],
		"identifier":         object{"@type": "PropertyValue", "name": "Acme & Sons", "value": "posting-1"},
		"hiringOrganization": object{"@type": "Organization", "name": "Acme & Sons", "sameAs": "https://acme.example/about"},
		"datePosted":         "2026-11-20", "validThrough": "2026-12-31T22:00:00Z", "employmentType": "FULL_TIME",
		"jobLocation": []any{
			object{"@type": "Place", "name": "Berlin office", "address": object{
				"@type": "PostalAddress", "addressLocality": "Berlin", "postalCode": "10115", "addressCountry": "DE",
			}},
			object{"@type": "Place", "name": "Remote (EU)", "address": object{"@type": "PostalAddress", "addressCountry": "European Union"}},
		},
		"baseSalary": object{"@type": "MonetaryAmount", "currency": "EUR", "value": object{
			"@type": "QuantitativeValue", "minValue": json.Number("60000.0"), "maxValue": json.Number("90000.50"), "unitText": "YEAR",
		}},
		"directApply": true, "url": "https://jobs.ashbyhq.com/acme/posting-1",
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, _ := doc["description"].(string); len(text) < 50 || text[0] != '<' {
		t.Errorf("description %q", doc["description"])
	}
}

// What Ashby does not tell is absent: an empty value would be an invalid one.
func TestJSONLDBare(t *testing.T) {
	t.Parallel()
	doc := jsonLDOf(t, nil, func(p *ashby.Posting) { *p = ashby.Posting{ID: "p", Title: "Baker"} })
	want := object{
		"@context": "https://schema.org", "@type": "JobPosting", "title": "Baker", "description": "", "directApply": false,
		"identifier":         object{"@type": "PropertyValue", "name": "Acme & Sons", "value": "p"},
		"hiringOrganization": object{"@type": "Organization", "name": "Acme & Sons"},
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A remote job says where applicants may live, each country once, whatever it is called.
func TestJSONLDRemote(t *testing.T) {
	t.Parallel()
	office := func(id, country string, remote bool) ashby.Location {
		l := ashby.Location{ID: id, Name: id, IsRemote: remote}
		if country != "" {
			l.Address = &ashby.PostalAddress{Country: country}
		}
		return l
	}
	country := func(name string) object { return object{"@type": "Country", "name": name} }
	for _, tt := range []struct {
		name      string
		places    []ashby.Location
		areas     []any
		locations int
	}{
		{
			"offices and the union",
			[]ashby.Location{office("a", "Germany", false), office("b", "European Union", true)},
			[]any{object{"@type": "AdministrativeArea", "name": "European Union"}},
			1,
		},
		{
			"one country under two names",
			[]ashby.Location{office("a", "USA", true), office("b", "United States", true), office("c", "Canada", true)},
			[]any{country("USA"), country("Canada")},
			0,
		},
		{
			"offices alone",
			[]ashby.Location{office("a", "Germany", false), office("b", "France", false)},
			[]any{country("Germany"), country("France")},
			2,
		},
		{"no country", []ashby.Location{office("a", "", true)}, nil, 0},
	} {
		known, ids := map[string]ashby.Location{}, []string{}
		for _, l := range tt.places {
			known[l.ID], ids = l, append(ids, l.ID)
		}
		doc := jsonLDOf(t, known, func(p *ashby.Posting) {
			p.WorkplaceType, p.Address, p.LocationName = "Remote", nil, ""
			p.PrimaryLocationID, p.SecondaryLocations = ids[0], ids[1:]
		})
		if doc["jobLocationType"] != "TELECOMMUTE" {
			t.Errorf("%s: type %v", tt.name, doc["jobLocationType"])
		}
		areas, _ := doc["applicantLocationRequirements"].([]any)
		locations, _ := doc["jobLocation"].([]any)
		if cmp.Diff(tt.areas, areas) != "" || len(locations) != tt.locations {
			t.Errorf("%s: areas %v, locations %v", tt.name, areas, locations)
		}
	}
	for _, workplace := range []string{"Hybrid", "OnSite"} {
		doc := jsonLDOf(t, places, func(p *ashby.Posting) { p.WorkplaceType, p.IsRemote = workplace, true })
		if doc["jobLocationType"] != nil || doc["applicantLocationRequirements"] != nil {
			t.Errorf("%s: said to be remote: %v", workplace, doc)
		}
	}
}

// A place without an address makes a search engine reject the posting, so it is left out where another has one.
func TestJSONLDPlacesWithoutAddress(t *testing.T) {
	t.Parallel()
	bare := map[string]ashby.Location{"loc-berlin": places["loc-berlin"], "loc-eu": {ID: "loc-eu", Name: "Paris"}}
	names := func(doc object) (all []any) {
		list, _ := doc["jobLocation"].([]any)
		for _, place := range list {
			p, _ := place.(object)
			all = append(all, p["name"])
		}
		return all
	}
	if got := names(jsonLDOf(t, bare, func(*ashby.Posting) {})); cmp.Diff([]any{"Berlin office"}, got) != "" {
		t.Errorf("one with an address: %v", got)
	}
	delete(bare, "loc-berlin")
	got := names(jsonLDOf(t, bare, func(p *ashby.Posting) { p.Address = nil }))
	if cmp.Diff([]any{"Berlin office", "Paris"}, got) != "" {
		t.Errorf("none with an address: %v", got)
	}
}

func TestJSONLDSalary(t *testing.T) {
	t.Parallel()
	number := func(s string) *json.Number { n := json.Number(s); return &n }
	salary := func(interval, currency string, low, high *json.Number) ashby.CompensationComponent {
		return ashby.CompensationComponent{Type: "Salary", Interval: interval, CurrencyCode: currency, MinValue: low, MaxValue: high}
	}
	for _, tt := range []struct {
		name  string
		part  ashby.CompensationComponent
		value object
	}{
		{
			"range", salary("1 HOUR", "USD", number("20.5"), number("30")),
			object{"minValue": json.Number("20.5"), "maxValue": json.Number("30"), "unitText": "HOUR"},
		},
		{"one value", salary("1 MONTH", "EUR", number("4000"), number("4000")), object{"value": json.Number("4000"), "unitText": "MONTH"}},
		{"from", salary("1 DAY", "EUR", number("400"), nil), object{"minValue": json.Number("400"), "unitText": "DAY"}},
		{"up to", salary("1 WEEK", "EUR", nil, number("900")), object{"maxValue": json.Number("900"), "unitText": "WEEK"}},
		{"an interval without a word in schema.org", salary("2 WEEK", "EUR", number("1"), number("2")), nil},
		{"no currency", salary("1 YEAR", "", number("1"), number("2")), nil},
		{"no amount", salary("1 YEAR", "EUR", nil, nil), nil},
		{"no salary", ashby.CompensationComponent{Type: "Bonus", Interval: "1 YEAR", CurrencyCode: "EUR", MinValue: number("1")}, nil},
	} {
		doc := jsonLDOf(t, nil, func(p *ashby.Posting) {
			p.Compensation = &ashby.Compensation{Tiers: []ashby.CompensationTier{{Components: []ashby.CompensationComponent{tt.part}}}}
		})
		amount, shown := doc["baseSalary"].(object)
		if tt.value == nil {
			if shown {
				t.Errorf("%s: %v", tt.name, amount)
			}
			continue
		}
		tt.value["@type"] = "QuantitativeValue"
		want := object{"@type": "MonetaryAmount", "currency": tt.part.CurrencyCode, "value": tt.value}
		if diff := cmp.Diff(want, amount); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// The employer's site comes from Ashby's own JobPosting; an address that is none, and all else of it, stays out.
func TestJSONLDEmployerSite(t *testing.T) {
	t.Parallel()
	for linked, want := range map[string]any{
		``: nil, `null`: nil, `[]`: nil, `{"hiringOrganization": "Acme"}`: nil, `{"hiringOrganization": {"sameAs": ["https://a.example"]}}`: nil,
		`{"hiringOrganization": {"sameAs": "javascript:alert(1)"}}`: nil,
		`{"hiringOrganization": {"sameAs": "https://a.example"}}`:   "https://a.example",
	} {
		doc := jsonLDOf(t, nil, func(p *ashby.Posting) { p.LinkedData = json.RawMessage(linked) })
		organization, _ := doc["hiringOrganization"].(object)
		if organization["sameAs"] != want {
			t.Errorf("%s: %v", linked, organization["sameAs"])
		}
	}
}
