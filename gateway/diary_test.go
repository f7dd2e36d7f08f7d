package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestQuarantineIsListed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	now := b.clock.now()
	for i := range 3 {
		row := mirror.Quarantined{
			BadRow:      mirror.BadRow{Kind: "posting", ID: fmt.Sprint("p", i), Reason: "title is a number"},
			FirstSeenAt: now, LastSeenAt: now, Times: 2,
		}
		if i == 0 {
			row.Shape = map[string]string{"id": "string", "title": "number"}
		}
		b.store.change(func() { b.store.conns[e.ID].rows = append(b.store.conns[e.ID].rows, row) })
	}
	path := "/v1/connections/" + e.ID + "/quarantine"
	var list quarantineJSON
	b.call(request{method: "GET", path: path + "?limit=2"}).into(t, &list)
	if len(list.Quarantine) != 2 || list.Total != 3 || list.Quarantine[0].Shape["title"] != "number" ||
		list.Quarantine[0].Times != 2 || list.Quarantine[0].Reason == "" {
		t.Errorf("%+v", list)
	}
	var c connectionJSON
	b.call(request{method: "GET", path: "/v1/connections/" + e.ID}).into(t, &c)
	if c.Quarantined != 3 {
		t.Errorf("quarantined %d", c.Quarantined)
	}
	b.call(request{method: "GET", path: path + "?limit=0"}).problem(t, 400, "invalid-request")
	b.call(request{method: "GET", path: "/v1/connections/none/quarantine"}).problem(t, 404, "not-found")
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.connect("acme")
	started := b.clock.now()
	for id := int64(5); id > 0; id-- {
		run := mirror.Run{
			ID: id, Connection: e.ID, Trigger: mirror.TriggerSchedule, Task: "poll", StartedAt: started,
			FinishedAt: started.Add(1500 * time.Millisecond), Outcome: "ok", Requests: 4, Rows: 17, Changed: 2, Events: 1,
		}
		if id == 4 {
			run.Task, run.Object, run.Trigger, run.RequestIDs = "posting", "p1", mirror.TriggerWebhook, []string{"r1"}
			run.Outcome, run.Reason = "unavailable", "Ashby cannot be reached or fails."
			run.FinishedAt = started.Add(-time.Second) // a clock that was set back
		}
		b.store.change(func() { b.store.conns[e.ID].runs = append(b.store.conns[e.ID].runs, run) })
	}
	base := "/v1/connections/" + e.ID + "/runs"
	var ids []int64
	path := base + "?limit=2"
	for path != "" {
		var page runsJSON
		b.call(request{method: "GET", path: path}).into(t, &page)
		for _, r := range page.Runs {
			ids = append(ids, r.ID)
		}
		path = ""
		if page.NextCursor != nil {
			path = base + "?limit=2&cursor=" + *page.NextCursor
		}
	}
	if fmt.Sprint(ids) != "[5 4 3 2 1]" {
		t.Errorf("listed %v", ids)
	}
	var page runsJSON
	b.call(request{method: "GET", path: base + "?task=posting"}).into(t, &page)
	if len(page.Runs) != 1 || page.Runs[0].Object != "p1" || page.Runs[0].DurationMS != 0 ||
		fmt.Sprint(page.Runs[0].RequestIDs) != "[r1]" || page.Runs[0].Reason == "" {
		t.Errorf("%+v", page)
	}
	b.call(request{method: "GET", path: base + "?task=poll&limit=1"}).into(t, &page)
	if r := page.Runs[0]; r.DurationMS != 1500 || r.Requests != 4 || r.Rows != 17 || r.Changed != 2 || r.Events != 1 ||
		r.RequestIDs == nil {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{"?task=sleep", "?cursor=1e30", "?trigger=schedule"} {
		b.call(request{method: "GET", path: base + bad}).problem(t, 400, "invalid-request")
	}
	b.call(request{method: "GET", path: "/v1/connections/none/runs"}).problem(t, 404, "not-found")
}

func TestHistoryTellsWhatChangedAndHowItWasSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := b.clock.now()
	b.store.jobs = []mirror.JobState{
		jobState(t, "c1", "p1", "closed", at), jobState(t, "c2", "p1", "open", at), jobState(t, "c1", "p2", "open", at),
	}
	origins := []events.Origin{events.OriginRepair, events.OriginPoll, events.OriginWebhook, events.OriginSeed}
	for i, origin := range origins {
		entry := mirror.HistoryEntry{
			Connection: "c1", Posting: "p1", Version: int64(4 - i), EventID: fmt.Sprint("e", i), Type: events.JobUpdated,
			Origin: origin, ChangedAt: at, ObservedAt: at, RecordedAt: at,
			Changes: mirror.FieldChanges(json.RawMessage(`{"title":"Baker"}`), json.RawMessage(`{"title":"Cook","team":null}`), []string{"team", "title"}),
		}
		switch origin {
		case events.OriginRepair:
			entry.Type, entry.Reason = events.JobClosed, events.ReasonDeleted
		case events.OriginSeed:
			entry.Type, entry.Changes = events.JobPublished, nil
		}
		b.store.history = append(b.store.history, entry)
	}
	var said, versions []string
	path := "/v1/jobs/p1/history?connection=c1&limit=3"
	for path != "" {
		var page historyJSON
		a := b.call(request{method: "GET", path: path})
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a.into(t, &page)
		for _, v := range page.History {
			versions, said = append(versions, fmt.Sprint(v.Version)), append(said, v.SeenThrough)
			if (v.Reason != nil) != (v.Type == events.JobClosed) || (len(v.Changes) == 0) != (v.Type == events.JobPublished) {
				t.Errorf("%+v", v)
			}
		}
		path = ""
		if page.NextCursor != nil {
			path = "/v1/jobs/p1/history?connection=c1&limit=3&cursor=" + *page.NextCursor
		}
	}
	if fmt.Sprint(versions) != "[4 3 2 1]" || fmt.Sprint(said) != "[seen through a repair seen through a poll "+
		"seen through a webhook seen through the first synchronisation]" {
		t.Errorf("%v, %v", versions, said)
	}
	var page historyJSON
	b.call(request{method: "GET", path: "/v1/jobs/p2/history"}).into(t, &page)
	if page.Connection != "c1" || page.History == nil || len(page.History) != 0 {
		t.Errorf("%+v", page)
	}
	b.call(request{method: "GET", path: "/v1/jobs/p1/history"}).problem(t, 409, "ambiguous")
	b.call(request{method: "GET", path: "/v1/jobs/p3/history"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/jobs/%20/history"}).problem(t, 404, "not-found")
	b.call(request{method: "GET", path: "/v1/jobs/p1/history?cursor=1IngiCg"}).problem(t, 400, "invalid-request")
}
