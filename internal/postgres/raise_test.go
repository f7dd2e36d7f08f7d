package postgres_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestRaise(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "open", "One")
	b.post("acme", "open", "Two")
	b.post("acme", "closed", "Three")
	b.post("acme", "other", "Four")
	b.unpost("acme", "closed")
	_, err := b.setStatus("acme", mirror.StatusDegraded, "Ashby is slow.")
	b.must(err)
	b.publishAll()
	b.post("acme", "open", "Three at last") // version 3 waits, and the stream has one of version 7
	b.must(b.n.Raise(t.Context(), []mirror.Place{
		{Connection: "acme", Posting: "open", Version: 7},
		{Connection: "acme", Posting: "closed", Version: 2},
		{Connection: "acme", Version: 4},
		{Connection: "acme", Posting: "none", Version: 4},
		{Connection: "none", Version: 4},
	}))
	want := []string{"acme/ v5 connection.degraded", "acme/closed v3 job.closed", "acme/open v8 job.published"}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	out, err := b.n.Pending(t.Context(), nil, 10)
	b.must(err)
	var data events.JobData
	b.must(json.Unmarshal(out[2].Data, &data))
	if data.Job.Title != "Three at last" || data.Version != 8 || data.Origin != events.OriginRepair {
		t.Errorf("raised to %+v", data)
	}
	var state events.ConnectionData
	b.must(json.Unmarshal(out[0].Data, &state))
	if state.Version != 5 || state.Reason != "Ashby is slow." {
		t.Errorf("raised to %+v", state)
	}
	b.publishAll()
	entries, err := b.g.History(t.Context(), "acme", "open", 0, 1)
	b.must(err)
	if len(entries) != 1 || entries[0].Version != 8 || entries[0].Origin != events.OriginRepair || entries[0].EventID != out[2].EventID {
		t.Errorf("the job's history does not tell of it: %+v", entries)
	}
	// They go on from there.
	b.post("acme", "open", "Four")
	_, err = b.setStatus("acme", mirror.StatusActive, "")
	b.must(err)
	if got := fmt.Sprint(b.pending()); got != "[acme/open v9 job.updated acme/ v6 connection.recovered]" {
		t.Errorf("pending %s", got)
	}
	if got := fmt.Sprint(names(b.logged(2, 100))); got != "[acme/ v5 connection.degraded acme/closed v2 job.closed acme/closed v3 job.closed"+
		" acme/open v8 job.published acme/other v1 job.published]" {
		t.Errorf("history %s", got)
	}
}

// While versions are raised, what refers to the connection is written.
func TestRaiseKeepsNobodyWaiting(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.post("acme", "p1", "One")
	b.post("beta", "p1", "One")
	_, err := b.setStatus("acme", mirror.StatusDegraded, "Ashby is slow.")
	b.must(err)
	b.publishAll()
	// The writer has referred to the connection and has not committed yet: an employer's change that takes long.
	tx, err := b.raw.BeginTxx(t.Context(), nil)
	b.must(err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(t.Context(), `
		INSERT INTO sync_tokens (connection_id, kind, params_hash, token) VALUES ('acme', 'job', 'h', 't')`)
	b.must(err)
	b.must(b.n.Raise(t.Context(), []mirror.Place{
		{Connection: "beta", Posting: "p1", Version: 5},
		{Connection: "acme", Version: 4},
		{Connection: "acme", Posting: "p1", Version: 6},
	}))
	want := []string{"acme/ v5 connection.degraded", "acme/p1 v7 job.published", "beta/p1 v6 job.published"}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
}
