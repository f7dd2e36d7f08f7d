package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

var recordStart = time.Date(2026, 11, 1, 0, 0, 0, 123456000, time.UTC)

// putRecord stores a record, sealed where its kind is personal.
func (b *bundle) putRecord(connection, kind, id, doc string, at time.Time) {
	b.t.Helper()
	r := mirror.RecordState{
		Record:  mirror.Record{Kind: kind, ID: id, Parent: "parent-1", UpdatedAt: &at, Doc: json.RawMessage(doc)},
		Version: 2, ChangedAt: at,
	}
	if resource, _ := ashby.ResourceOf(ashby.Kind(kind)); resource.Personal {
		sealed, err := b.keyset.Seal(ashby.Secret(doc), connection, mirror.RecordSecret(kind, id))
		if err != nil {
			b.t.Fatal(err)
		}
		r.Doc, r.Sealed = nil, sealed
	}
	b.store.change(func() {
		if b.store.records == nil {
			b.store.records = map[string][]mirror.RecordState{}
		}
		b.store.records[connection] = append(b.store.records[connection], r)
	})
}

// withModules gives a connection modules without the way through the API.
func (b *bundle) withModules(connection string, modules ...string) {
	b.store.change(func() { b.store.conns[connection].Modules = modules })
}

func TestRecordsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	for i := range 7 {
		// Two of each time, so that time alone is no position.
		b.putRecord(e.ID, "location", fmt.Sprint("l", i), fmt.Sprintf(`{"id":"l%d","pay":72000.10}`, i),
			recordStart.Add(time.Duration(i/2)*time.Hour))
	}
	b.putRecord(e.ID, "job", "j1", `{}`, recordStart)
	base := "/v1/records/location?connection=" + e.ID
	var ids []string
	path := base + "&limit=3"
	for path != "" {
		var page recordsJSON
		b.call(request{method: "GET", path: path}).into(t, &page)
		for _, r := range page.Records {
			ids = append(ids, r.ID)
			if r.Kind != "location" || r.Connection != e.ID || r.Parent != "parent-1" || r.Version != 2 || r.Gone ||
				r.Error != "" || string(r.Record) != fmt.Sprintf(`{"id":"%s","pay":72000.10}`, r.ID) {
				t.Errorf("%+v", r)
			}
		}
		path = ""
		if page.NextCursor != nil {
			path = base + "&limit=3&cursor=" + *page.NextCursor
		}
	}
	if fmt.Sprint(ids) != "[l0 l1 l2 l3 l4 l5 l6]" {
		t.Errorf("listed %v", ids)
	}
	var page recordsJSON
	since := url.QueryEscape(recordStart.Add(time.Hour).Format(time.RFC3339Nano))
	b.call(request{method: "GET", path: base + "&updated_since=" + since}).into(t, &page)
	if len(page.Records) != 5 {
		t.Errorf("%d since", len(page.Records))
	}
	for _, bad := range []string{"limit=0", "updated_since=today", "cursor=1!", "cursor=1eyJpIjoiXHUwMDAwIn0", "kind=job"} {
		b.call(request{method: "GET", path: base + "&" + bad}).problem(t, 400, "invalid-request")
	}
	for _, path := range []string{"/v1/records/location", "/v1/records/location/l1", "/v1/records/location?connection=.."} {
		b.call(request{method: "GET", path: path}).problem(t, 400, "invalid-request")
	}
}

func TestRecordsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	p := b.call(request{method: "GET", path: "/v1/records/canary?connection=" + e.ID}).problem(t, 404, "unknown-kind")
	if !slices.Contains(p.Kinds, "candidate") || len(p.Kinds) != len(ashby.Catalogue()) {
		t.Errorf("kinds %v", p.Kinds)
	}
	p = b.call(request{method: "GET", path: "/v1/records/candidate/c1?connection=" + e.ID}).problem(t, 409, "module-off")
	if !strings.Contains(p.Detail, "candidates") {
		t.Errorf("the module is not named: %s", p.Detail)
	}
	b.call(request{method: "GET", path: "/v1/records/job?connection=none"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/records/job/none?connection=" + e.ID}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/records/job/%20?connection=" + e.ID}).problem(t, 404, "not-found")
	b.call(request{method: "DELETE", path: "/v1/connections/" + e.ID + "?jobs=keep"})
	b.call(request{method: "GET", path: "/v1/records/job?connection=" + e.ID}).problem(t, 410, "removed")
}

func TestSealedRecordsAreOpenedOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	b.withModules(e.ID, "candidates", "jobs")
	const person = `{"id":"c1","name":"canary-person"}`
	b.putRecord(e.ID, "candidate", "c1", person, recordStart)
	b.putRecord(e.ID, "candidate", "c2", person, recordStart)
	b.putRecord(e.ID, "candidate", "c3", person, recordStart)
	b.putRecord(e.ID, "candidate", "c4", person, recordStart)
	b.putRecord(e.ID, "candidate", "c5", "canary-no-json", recordStart)
	b.store.change(func() {
		all := b.store.records[e.ID]
		all[1].Sealed = all[0].Sealed // one that was moved does not open
		all[2].Sealed, all[2].Gone = mirror.Sealed{}, true
	})
	var page recordsJSON
	b.call(request{method: "GET", path: "/v1/records/candidate?connection=" + e.ID}).into(t, &page)
	for i, want := range []recordJSON{
		{ID: "c1", Record: json.RawMessage(person)},
		{ID: "c2", Record: json.RawMessage("null"), Error: unopened},
		{ID: "c3", Record: json.RawMessage("null"), Gone: true},
		{ID: "c4", Record: json.RawMessage(person)},
		{ID: "c5", Record: json.RawMessage("null"), Error: unopened},
	} {
		got := page.Records[i]
		if got.ID != want.ID || string(got.Record) != string(want.Record) || got.Error != want.Error || got.Gone != want.Gone {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	a := b.call(request{method: "GET", path: "/v1/records/candidate/c2?connection=" + e.ID})
	var one recordJSON
	a.into(t, &one)
	if a.status != http.StatusOK || one.Error != unopened {
		t.Errorf("%d %s", a.status, a.body)
	}
	if logs := b.logs.String(); strings.Contains(logs, "canary-") || !strings.Contains(logs, `"record":"c2"`) {
		t.Errorf("the log: %s", logs)
	}
}
