package postgres_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestHistoryTellsFieldByField(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	u := b.unit("acme")
	u.Listings = []mirror.Desired{wantOpen("acme", "p1", "Engineer")}
	if diff := cmp.Diff([]mirror.Made{{Posting: "p1", Type: events.JobPublished}}, b.apply(u).Made); diff != "" {
		t.Error(diff)
	}
	if made := b.apply(u).Made; len(made) != 0 {
		t.Errorf("what is equal made %v", made)
	}
	b.post("acme", "p1", "Senior Engineer")
	u.Listings = []mirror.Desired{wantClosed("p1"), wantClosed("never-public")}
	made := b.apply(u).Made
	if diff := cmp.Diff([]mirror.Made{{Posting: "p1", Type: events.JobClosed, Reason: events.ReasonUnpublished}}, made); diff != "" {
		t.Error(diff)
	}
	u.Origin = events.OriginWebhook
	u.Listings = []mirror.Desired{wantOpen("acme", "p1", "Principal Engineer")}
	b.apply(u)
	b.post("beta", "p1", "Cook")

	history, err := b.g.History(t.Context(), "acme", "p1", 0, 10)
	b.must(err)
	title := func(before, after string) []mirror.FieldChange {
		return []mirror.FieldChange{{Field: "title", Before: json.RawMessage(before), After: json.RawMessage(after)}}
	}
	want := []mirror.HistoryEntry{
		{Version: 4, Type: events.JobPublished, Origin: events.OriginWebhook, Changes: title(`"Senior Engineer"`, `"Principal Engineer"`)},
		{Version: 3, Type: events.JobClosed, Origin: events.OriginPoll, Reason: events.ReasonUnpublished, Changes: []mirror.FieldChange{}},
		{Version: 2, Type: events.JobUpdated, Origin: events.OriginPoll, Changes: title(`"Engineer"`, `"Senior Engineer"`)},
		{Version: 1, Type: events.JobPublished, Origin: events.OriginPoll, Changes: []mirror.FieldChange{}},
	}
	out, err := b.n.Pending(t.Context(), nil, 10)
	b.must(err)
	for i := range want {
		event := out[3-i]
		want[i].Connection, want[i].Posting = "acme", "p1"
		var data events.JobData
		b.must(json.Unmarshal(event.Data, &data))
		want[i].EventID, want[i].RecordedAt = event.EventID, event.CreatedAt
		want[i].ChangedAt, want[i].ObservedAt = data.ChangedAt, data.ObservedAt
	}
	if diff := cmp.Diff(want, history); diff != "" {
		t.Error(diff)
	}
	older, err := b.g.History(t.Context(), "acme", "p1", 4, 2)
	b.must(err)
	if diff := cmp.Diff(want[1:3], older); diff != "" {
		t.Error(diff)
	}
	all, err := b.g.History(t.Context(), "", "p1", 0, 200)
	b.must(err)
	if len(all) != 5 || !slices.ContainsFunc(all, func(e mirror.HistoryEntry) bool { return e.Connection == "beta" }) {
		t.Errorf("of all connections: %+v", all)
	}
	if _, err := b.g.History(t.Context(), "", "p1", 0, 0); err == nil {
		t.Error("a limit of 0 was accepted")
	}
	_, err = b.g.Remove(t.Context(), "beta", mirror.CloseJobs)
	b.must(err)
	closed, err := b.g.History(t.Context(), "beta", "p1", 0, 1)
	if err != nil || len(closed) != 1 || closed[0].Reason != events.ReasonDisconnected || closed[0].Origin != events.OriginRepair {
		t.Errorf("of a removed connection: %+v, %v", closed, err)
	}
}
