package mirror_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/markup"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

var employer = mirror.Connection{ID: "conn-1", EmployerRef: "acme", EmployerName: "Acme & Sons"}

var places = map[string]ashby.Location{
	"loc-berlin": {ID: "loc-berlin", Name: "BER-1", Address: &ashby.PostalAddress{Country: "DE", Street: "Hauptstr. 1"}},
	"loc-eu": {
		ID: "loc-eu", Name: "EU-REMOTE", ExternalName: "Remote (EU)", WorkplaceType: "Remote",
		Address: &ashby.PostalAddress{Country: "European Union "},
	},
}

func readPosting(t testing.TB) ashby.Posting {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "posting.json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ashby.DecodePosting(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The golden file shows what boards get. Where it changes for the same posting, stored jobs must be translated anew, so
// it is only written together with another translator key.
func TestTranslateGolden(t *testing.T) {
	t.Parallel()
	type golden struct {
		Translator string     `json:"translator"`
		Job        events.Job `json:"job"`
	}
	got := golden{
		Translator: mirror.TranslatorKey(employer),
		Job:        mirror.Translate(employer, readPosting(t), mirror.Refs{Locations: places}, markup.New()),
	}
	path := filepath.Join("testdata", "job.json")
	var want golden
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	if *update {
		if err == nil && want.Translator == got.Translator && !bytes.Equal(encode(t, want.Job), encode(t, got.Job)) {
			t.Fatal("the translation changed: raise the constant translation, then update")
		}
		if err := os.WriteFile(path, append(indented(t, got), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(indented(t, want)), string(indented(t, got))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTranslatorKey(t *testing.T) {
	t.Parallel()
	renamed, moved := employer, employer
	renamed.EmployerName = "Acme"
	moved.Status, moved.PollInterval = mirror.StatusPaused, time.Hour
	if mirror.TranslatorKey(employer) == mirror.TranslatorKey(renamed) {
		t.Error("another employer name, the same key")
	}
	if mirror.TranslatorKey(employer) != mirror.TranslatorKey(moved) {
		t.Error("the key depends on what no job shows")
	}
}

func TestTranslateLocations(t *testing.T) {
	t.Parallel()
	p := readPosting(t)
	without := mirror.Translate(employer, p, mirror.Refs{}, markup.New())
	want := []events.Location{
		{ID: "loc-berlin", Name: "Berlin office", Primary: true, Address: events.Address{Locality: "Berlin", PostalCode: "10115", Country: "Germany", CountryCode: "DE"}},
		{ID: "loc-eu"},
		{ID: "loc-unknown"},
	}
	if diff := cmp.Diff(want, without.Locations); diff != "" {
		t.Errorf("without location records (-want +got):\n%s", diff)
	}

	p.Address, p.LocationName = nil, ""
	with := mirror.Translate(employer, p, mirror.Refs{Locations: places}, markup.New())
	primary := events.Location{ID: "loc-berlin", Name: "BER-1", Primary: true, Address: events.Address{Street: "Hauptstr. 1", Country: "DE", CountryCode: "DE"}}
	if diff := cmp.Diff(primary, with.Locations[0]); diff != "" {
		t.Errorf("primary from its record (-want +got):\n%s", diff)
	}
	second := events.Location{ID: "loc-eu", Name: "Remote (EU)", Remote: true, Address: events.Address{Country: "European Union"}}
	if diff := cmp.Diff(second, with.Locations[1]); diff != "" {
		t.Errorf("external name and remote flag (-want +got):\n%s", diff)
	}
}

// A posting with next to nothing in it has no null where a list belongs, and no pay.
func TestTranslateBare(t *testing.T) {
	t.Parallel()
	j := mirror.Translate(employer, ashby.Posting{ID: "p"}, mirror.Refs{Job: &ashby.Job{ID: "j", EmploymentType: "Intern"}}, markup.New())
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encode(t, j), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"locations", "department_path"} {
		if string(fields[name]) != "[]" {
			t.Errorf("%s is %s", name, fields[name])
		}
	}
	if j.JobID != "j" || j.EmploymentType != "Intern" || j.Pay != nil {
		t.Errorf("%+v", j)
	}
	validate(t, j)
}

func TestTranslatePay(t *testing.T) {
	t.Parallel()
	p := readPosting(t)
	p.ShowCompensation = false
	j := mirror.Translate(employer, p, mirror.Refs{}, markup.New())
	if j.Pay != nil || bytes.Contains(encode(t, j), []byte("90000")) || bytes.Contains(j.JSONLD, []byte("baseSalary")) {
		t.Errorf("pay that is not shown leaked: %s", encode(t, j))
	}
	p.ShowCompensation, p.Compensation = true, nil
	j = mirror.Translate(employer, p, mirror.Refs{}, markup.New())
	if want := (&events.Pay{Summary: "€60K – €90K • 0.25%", Tiers: []events.PayTier{}}); cmp.Diff(want, j.Pay) != "" {
		t.Errorf("summary alone: %+v", j.Pay)
	}
}

func TestTranslateHostile(t *testing.T) {
	t.Parallel()
	p := readPosting(t)
	bad := json.Number("1;alert(1)")
	p.Compensation.Tiers[0].Components[1].MinValue = &bad
	p.Title = "a\x00b\xffc\u2028</script><script>alert(1)</script>"
	p.ApplyLink = "javascript:alert(1)"
	p.PublishedDate = "soon"
	year := time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	p.UpdatedAt = &year
	j := mirror.Translate(employer, p, mirror.Refs{}, markup.New())
	validate(t, j)
	if j.ApplyURL != j.JobURL || j.PublishedOn != nil || j.UpdatedAt != nil || j.Pay.Tiers[0].Components[1].Min != nil {
		t.Errorf("%+v", j)
	}
	if strings.ContainsAny(string(j.JSONLD), "<>&\u2028\x00") {
		t.Errorf("json_ld can end its script element: %s", j.JSONLD)
	}
}

// However long an ad is, its event fits into a message of 1 MiB, and its words stay readable.
func TestTranslateHugeDescription(t *testing.T) {
	t.Parallel()
	p := readPosting(t)
	for name, ad := range map[string]string{
		"words": "<p>" + strings.Repeat("word ", 70_000) + "</p>", "brackets": "<p>" + strings.Repeat("&lt;", 60_000) + "</p>",
		"tags": strings.Repeat("<p><b>é</b></p>", 10_000), "quotes": strings.Repeat(`"`, 60_000), "beyond parsing": strings.Repeat("<p>a &amp; b</p>", 100_000),
	} {
		p.DescriptionHTML = ad
		j := mirror.Translate(employer, p, mirror.Refs{}, markup.New())
		if size := len(encode(t, j)); size > 900_000 || j.DescriptionText == "" || !strings.HasPrefix(j.DescriptionHTML, "<p>") {
			t.Errorf("%s: %d bytes: %.60q", name, size, j.DescriptionHTML)
		}
	}
}

func TestTranslatePlainDescription(t *testing.T) {
	t.Parallel()
	p := readPosting(t)
	p.DescriptionHTML, p.DescriptionPlain = " ", "One <b>\nline.\r\n\r\nTwo."
	j := mirror.Translate(employer, p, mirror.Refs{}, markup.New())
	if want := "<p>One &lt;b&gt;<br/>line.</p><p>Two.</p>"; j.DescriptionHTML != want {
		t.Errorf("html: %s", j.DescriptionHTML)
	}
	if want := "One <b>\nline.\n\nTwo."; j.DescriptionText != want {
		t.Errorf("text: %q", j.DescriptionText)
	}
}

// validate checks the job as the data of an event.
func validate(t *testing.T, j events.Job) {
	t.Helper()
	want := mirror.Desired{Posting: j.ID, Job: &j, ObservedAt: observed, VerifiedAt: observed, VerifiedBy: events.ProofInfo, Translator: "1"}
	_, typ, data := decide(t, nil, want)
	requireValid(t, typ, data)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
