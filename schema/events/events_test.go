package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The golden files are what a board may rely on: a change of theirs is a change of the contract.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, typ := range events.Types() {
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			got := message(t, typ)
			eventstest.Validate(t, got)
			path := filepath.Join("testdata", string(typ)+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("differs from %s, which holds the contract (-want +got):\n%s", path, diff)
			}
		})
	}
}

// A golden file read into the Go types and written again is the same: no field of the contract is missing in Go.
func TestGoldenRoundTrip(t *testing.T) {
	t.Parallel()
	for typ, data := range map[events.Type]any{
		events.JobUpdated: &events.JobData{}, events.RecordChanged: &events.RecordData{}, events.RecordGone: &events.RecordData{},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", string(typ)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var e events.Event
		decode(t, raw, &e)
		decode(t, e.Data, data)
		e.Data = encode(t, data)
		if diff := cmp.Diff(string(raw), string(indent(t, encode(t, e)))); diff != "" {
			t.Errorf("%s (-file +Go):\n%s", typ, diff)
		}
	}
}

func TestRecordTooLarge(t *testing.T) {
	t.Parallel()
	m := decoded(t, events.RecordChanged)
	at(m, "data")["record"], at(m, "data")["too_large"] = nil, true
	eventstest.Validate(t, encode(t, m))
}

func TestRecordSubject(t *testing.T) {
	t.Parallel()
	if got := events.RecordSubject("c", "job", "1"); got != "records.v1.c.job.1" {
		t.Errorf("subject %q", got)
	}
}

// A message with a field that no version of the contract knows is still valid: the contract grows by adding.
func TestUnknownFieldsAreAllowed(t *testing.T) {
	t.Parallel()
	m := decoded(t, events.JobUpdated)
	m["extension"] = "x"
	at(m, "data")["more"] = 1
	at(m, "data", "job")["salary_currency"] = "EUR"
	eventstest.Validate(t, encode(t, m))
}

func TestBadMessages(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	tests := []struct {
		name  string
		typ   events.Type
		spoil func(m object)
	}{
		{"unknown type", events.JobUpdated, func(m object) { m["type"] = "job.renamed" }},
		{"other spec version", events.JobUpdated, func(m object) { m["specversion"] = "0.3" }},
		{"id is no UUID v7", events.JobUpdated, func(m object) { m["id"] = "3b241101-e2bb-4255-8caf-4136c566a962" }},
		{"no source", events.JobUpdated, func(m object) { delete(m, "source") }},
		{"foreign source", events.JobUpdated, func(m object) { m["source"] = "https://a.example" }},
		{"empty subject", events.JobUpdated, func(m object) { m["subject"] = "" }},
		{"time is no time", events.JobUpdated, func(m object) { m["time"] = "yesterday" }},
		{"no data", events.JobUpdated, func(m object) { delete(m, "data") }},
		{"null data", events.ConnectionSynced, func(m object) { m["data"] = nil }},
		{"version 0", events.JobPublished, func(m object) { at(m, "data")["version"] = 0 }},
		{"version as text", events.JobPublished, func(m object) { at(m, "data")["version"] = "1" }},
		{"unknown origin", events.JobPublished, func(m object) { at(m, "data")["origin"] = "guess" }},
		{"published with a reason", events.JobPublished, func(m object) { at(m, "data")["reason"] = "draft" }},
		{"published with changes", events.JobPublished, func(m object) { at(m, "data")["changed"] = []string{"title"} }},
		{"changed is null", events.JobPublished, func(m object) { at(m, "data")["changed"] = nil }},
		{"updated without changes", events.JobUpdated, func(m object) { at(m, "data")["changed"] = []string{} }},
		{"updated twice the same", events.JobUpdated, func(m object) { at(m, "data")["changed"] = []string{"title", "title"} }},
		{"updated as the first version", events.JobUpdated, func(m object) { at(m, "data")["version"] = 1 }},
		{"closed without a reason", events.JobClosed, func(m object) { at(m, "data")["reason"] = nil }},
		{"closed with an unknown reason", events.JobClosed, func(m object) { at(m, "data")["reason"] = "absent" }},
		{"closed without the job", events.JobClosed, func(m object) { delete(at(m, "data"), "job") }},
		{"job without a title", events.JobUpdated, func(m object) { delete(at(m, "data", "job"), "title") }},
		{"null locations", events.JobUpdated, func(m object) { at(m, "data", "job")["locations"] = nil }},
		{"script as a URL", events.JobUpdated, func(m object) { at(m, "data", "job")["job_url"] = "javascript:alert(1)" }},
		{"country code in small letters", events.JobUpdated, func(m object) { place(m, 0)["country_code"] = "de" }},
		{"no country code", events.JobUpdated, func(m object) { delete(place(m, 0), "country_code") }},
		{"no organization slug", events.JobUpdated, func(m object) { delete(at(m, "data", "job"), "organization_slug") }},
		{"not verified", events.JobUpdated, func(m object) { delete(at(m, "data"), "verified_at") }},
		{"verified by nothing", events.JobUpdated, func(m object) { at(m, "data")["verified_by"] = "" }},
		{"published_on is a time", events.JobUpdated, func(m object) { at(m, "data", "job")["published_on"] = "2026-07-07T00:00:00Z" }},
		{"updated_at is a date", events.JobUpdated, func(m object) { at(m, "data", "job")["updated_at"] = "2026-07-07" }},
		{"json_ld of another type", events.JobUpdated, func(m object) { at(m, "data", "job", "json_ld")["@type"] = "Person" }},
		{"pay without tiers", events.JobUpdated, func(m object) { delete(at(m, "data", "job", "pay"), "tiers") }},
		{"synced without counts", events.ConnectionSynced, func(m object) { delete(at(m, "data"), "counts") }},
		{"negative counts", events.ConnectionSynced, func(m object) { at(m, "data", "counts")["held"] = -1 }},
		{"degraded and active", events.ConnectionDegraded, func(m object) { at(m, "data")["status"] = "active" }},
		{"record id of another form", events.RecordChanged, func(m object) { m["id"] = "0198c0de-1234-7abc-8def-0123456789ab" }},
		{"record of version 0", events.RecordChanged, func(m object) { at(m, "data")["version"] = 0 }},
		{"record that is a list", events.RecordChanged, func(m object) { at(m, "data")["record"] = []int{1} }},
		{"record missing", events.RecordChanged, func(m object) { delete(at(m, "data"), "record") }},
		{"record null without a reason", events.RecordChanged, func(m object) { at(m, "data")["record"] = nil }},
		{"sealed record in the open", events.RecordChanged, func(m object) { at(m, "data")["sealed"] = true }},
		{"too large and there", events.RecordChanged, func(m object) { at(m, "data")["too_large"] = true }},
		{"record id of two tokens", events.RecordGone, func(m object) { at(m, "data")["id"] = "a.b" }},
		{"record that does not say if it is sealed", events.RecordGone, func(m object) { delete(at(m, "data"), "sealed") }},
		{"removed without a choice", events.ConnectionRemoved, func(m object) { delete(at(m, "data"), "jobs") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := decoded(t, tt.typ)
			tt.spoil(m)
			if err := eventstest.Check(encode(t, m)); err == nil {
				t.Errorf("the contract lets it pass: %s", encode(t, m))
			}
		})
	}
}

func TestSchemaOfUnknownType(t *testing.T) {
	t.Parallel()
	for _, typ := range []events.Type{"", "job", "../job.updated", "job.renamed"} {
		if _, err := events.Schema(typ); err == nil {
			t.Errorf("Schema(%q) returned no error", typ)
		}
	}
	for _, typ := range events.Types() {
		if raw, err := events.Schema(typ); err != nil || !json.Valid(raw) {
			t.Errorf("Schema(%q): %v", typ, err)
		}
	}
}

// message is an example of a type, made by the Go types alone.
func message(t *testing.T, typ events.Type) []byte {
	t.Helper()
	const connection = "0198c0de-0000-7000-8000-00000000c0de"
	e := events.Event{
		SpecVersion: events.SpecVersion, ID: "0198c0de-1234-7abc-8def-0123456789ab", Source: "/connections/" + connection,
		Type: typ, Subject: connection, Time: time.Date(2026, 11, 23, 12, 0, 0, 250_000_000, time.UTC),
		DataContentType: "application/json",
	}
	switch typ {
	case events.JobPublished, events.JobUpdated, events.JobClosed:
		e.Subject = "8e7c9a3e-52cf-4d2a-9d3c-6f6c3f1f0a11"
		e.Data = encode(t, jobData(typ, connection, e.Subject))
	case events.RecordChanged, events.RecordGone:
		data := recordData(typ, connection)
		e.Subject = data.Kind + "/" + data.ID
		e.ID = fmt.Sprintf("%s.%s.%s.%d", connection, data.Kind, data.ID, data.Version)
		e.Data = encode(t, data)
	default:
		e.Data = encode(t, connectionData(typ))
	}
	return indent(t, encode(t, e))
}

func jobData(typ events.Type, connection, posting string) events.JobData {
	data := events.JobData{
		Version: 1, Origin: events.OriginSeed, Changed: []string{}, Job: job(connection, posting),
		ChangedAt:  time.Date(2026, 11, 23, 11, 59, 58, 0, time.UTC),
		ObservedAt: time.Date(2026, 11, 23, 11, 59, 59, 500_000_000, time.UTC),
		VerifiedAt: time.Date(2026, 11, 23, 11, 59, 59, 500_000_000, time.UTC), VerifiedBy: events.ProofInfo,
	}
	switch typ {
	case events.JobUpdated:
		data.Version, data.Origin, data.Changed = 2, events.OriginWebhook, []string{"json_ld", "title", "updated_at"}
	case events.JobClosed:
		reason := events.ReasonUnlisted
		data.Version, data.Origin, data.Reason = 3, events.OriginPoll, &reason
	}
	return data
}

func connectionData(typ events.Type) events.ConnectionData {
	data := events.ConnectionData{Version: 1, EmployerRef: "acme", Status: "active"}
	switch typ {
	case events.ConnectionSynced:
		data.Counts = &events.Counts{AtAshby: 42, Mirrored: 42, Public: 40, Held: 0}
	case events.ConnectionDegraded:
		data.Version, data.Status, data.Reason = 2, "unauthorized", "Ashby refuses the API key."
	case events.ConnectionRecovered:
		data.Version = 3
	case events.ConnectionRemoved:
		data.Version, data.Status, data.Jobs = 4, "removed", "keep"
	}
	return data
}

// recordData is an open record that changed and a sealed one that is gone.
func recordData(typ events.Type, connection string) events.RecordData {
	updated := time.Date(2026, 11, 23, 11, 59, 58, 0, time.UTC)
	data := events.RecordData{
		Version: 7, Kind: "job", ID: "5b0f6a38-8f2f-4e37-a3f5-3e9a1a0d7c22", Connection: connection, UpdatedAt: &updated,
		ObservedAt: time.Date(2026, 11, 23, 11, 59, 59, 500_000_000, time.UTC),
		Record:     json.RawMessage(`{"id":"5b0f6a38-8f2f-4e37-a3f5-3e9a1a0d7c22","title":"Senior Engineer, R&D","status":"Open"}`),
	}
	if typ == events.RecordGone {
		data.Version, data.Kind, data.ID = 12, "candidate_note", "0d1f2b3c-4e5a-4f60-8a7b-9c0d1e2f3a4b"
		data.Parent, data.UpdatedAt = "c4d1a7be-2a0f-4d55-9a2e-7f8b6c5d4e3f", nil
		data.Record, data.Sealed = nil, true
	}
	return data
}

func job(connection, posting string) events.Job {
	date, updated := "2026-11-20", time.Date(2026, 11, 23, 11, 59, 58, 0, time.UTC)
	deadline := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	low, high, equity := json.Number("151000"), json.Number("231000.5"), json.Number("0.25")
	return events.Job{
		ID: posting, JobID: "5b0f6a38-8f2f-4e37-a3f5-3e9a1a0d7c22", Connection: connection,
		OrganizationSlug: "acme", EmployerRef: "acme", EmployerName: "Acme & Sons", Title: "Senior Engineer, R&D",
		DescriptionHTML: "<p>Build <strong>rockets</strong>.</p>", DescriptionText: "Build rockets.",
		Department: "Engineering", Team: "Propulsion", DepartmentPath: []string{"Engineering", "Propulsion"},
		Locations: []events.Location{
			{ID: "loc-1", Name: "Berlin", Primary: true, Address: events.Address{
				Street: "Hauptstr. 1", Locality: "Berlin", Region: "BE", PostalCode: "10115", Country: "Germany",
				CountryCode: "DE",
			}},
			{ID: "loc-2", Name: "Remote (EU)", Remote: true},
		},
		WorkplaceType: "Hybrid", EmploymentType: "FullTime",
		Pay: &events.Pay{Summary: "€151K – €231K • 0.25%", Tiers: []events.PayTier{{
			Title: "Berlin", Summary: "€151K – €231K", Note: "75/25 split", Components: []events.PayComponent{
				{Type: "Salary", Summary: "€151K – €231K", Interval: "1 YEAR", Currency: "EUR", Min: &low, Max: &high},
				{Type: "EquityPercentage", Label: "Equity", Summary: "0.25%", Interval: "NONE", Min: &equity},
			},
		}}},
		JobURL: "https://jobs.ashbyhq.com/acme/1", ApplyURL: "https://jobs.ashbyhq.com/acme/1/application",
		PublishedOn: &date, UpdatedAt: &updated, ApplicationDeadline: &deadline,
		JSONLD: json.RawMessage(`{"@context":"https://schema.org","@type":"JobPosting","title":"Senior Engineer, R&D"}`),
	}
}

func decoded(t *testing.T, typ events.Type) map[string]any {
	t.Helper()
	var m map[string]any
	decode(t, message(t, typ), &m)
	return m
}

func at(m map[string]any, path ...string) map[string]any {
	for _, key := range path {
		m, _ = m[key].(map[string]any)
	}
	return m
}

// place is the address of a location of a job event.
func place(m map[string]any, n int) map[string]any {
	all, _ := at(m, "data", "job")["locations"].([]any)
	location, _ := all[n].(map[string]any)
	return at(location, "address")
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func indent(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}
