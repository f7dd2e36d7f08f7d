package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func TestApplyTakesAJobThroughItsLife(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "Engineer")
	b.post("acme", "p1", "Senior Engineer")
	u := b.unit("acme")
	u.Listings = []mirror.Desired{wantClosed("p1"), wantClosed("never-public")}
	if got := b.apply(u); got.Events != 1 {
		t.Errorf("closing made %d events, want 1", got.Events)
	}
	b.post("acme", "p1", "Senior Engineer")

	want := []string{
		"acme/p1 v1 job.published", "acme/p1 v2 job.updated", "acme/p1 v3 job.closed", "acme/p1 v4 job.published",
	}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	out, err := b.n.Pending(t.Context(), nil, 10)
	b.must(err)
	var closed events.JobData
	b.must(json.Unmarshal(out[2].Data, &closed))
	if closed.Reason == nil || *closed.Reason != events.ReasonUnpublished || closed.Job.Title != "Senior Engineer" {
		t.Errorf("closed with %+v", closed)
	}
	listings, err := b.s.Listings(t.Context(), "acme")
	b.must(err)
	got := listings["p1"]
	if len(listings) != 1 || got.State != "open" || got.Version != 4 || got.Job != nil {
		t.Errorf("listings are %+v", listings)
	}
}

func TestApplyWritesRecordsInBulk(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	for i := range 1203 {
		u.Upserts = append(u.Upserts, record("posting", fmt.Sprintf("p%d", i), fmt.Sprintf(`{"id":"p%d"}`, i)))
	}
	u.Upserts[0].ListHash = []byte("as listed")
	if got := b.apply(u); got.Records != 1203 {
		t.Errorf("%d records written, want 1203", got.Records)
	}
	u.Upserts, u.Gone = nil, []mirror.RecordKey{{Kind: "posting", ID: "p1"}, {Kind: "posting", ID: "unknown"}}
	if got := b.apply(u); got.Records != 1 {
		t.Errorf("%d records gone, want 1", got.Records)
	}
	heads, err := b.s.Heads(t.Context(), "acme", "posting")
	b.must(err)
	if len(heads) != 1203 || !heads["p1"].Gone || heads["p2"].Gone || heads["p2"].ListHash != nil ||
		string(heads["p0"].ListHash) != "as listed" || string(heads["p2"].Hash) != string(mirror.Hash([]byte(`{"id":"p2"}`))) {
		t.Errorf("%d heads, p0 %+v p1 %+v p2 %+v", len(heads), heads["p0"], heads["p1"], heads["p2"])
	}
	records, err := b.s.Records(t.Context(), "acme", "posting", []string{"p1", "p2", "unknown"})
	b.must(err)
	if len(records) != 1 || records[0].ID != "p2" || string(records[0].Doc) != `{"id": "p2"}` {
		t.Errorf("records are %+v", records)
	}
	u.Gone, u.Upserts = nil, []mirror.Record{record("posting", "p1", `{"id":"p1"}`)}
	if got := b.apply(u); got.Records != 1 {
		t.Errorf("a record that came back was not written")
	}
}

func TestApplyKeepsDocumentsThatPostgresRefuses(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	u.Upserts = []mirror.Record{record("posting", "p1", `{"a":"x\u0000y","b":"\ud83d\ude00","c":"\ud83d!","d":"\\u0000","e":"`+"\xff"+`"}`)}
	b.apply(u)
	records, err := b.s.Records(t.Context(), "acme", "posting", []string{"p1"})
	b.must(err)
	var got map[string]string
	b.must(json.Unmarshal(records[0].Doc, &got))
	want := map[string]string{"a": "x\ufffdy", "b": "😀", "c": "\ufffd!", "d": `\u0000`, "e": "\ufffd"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestApplyOfAnEmptyUnitTouchesNothing(t *testing.T) {
	b := setup(t)
	b.must(b.db.Close())
	if _, err := b.s.Apply(t.Context(), mirror.Unit{Connection: "acme"}); err != nil {
		t.Error(err)
	}
}

// versions returns where every row version lies and which transaction wrote it, of the tables that unchanged data must
// not touch. A write of any kind, an equal one too, shows as a row version that was not there before.
func (b *bundle) versions() map[string]bool {
	b.Helper()
	var rows []string
	for _, table := range []string{
		"records", "listings", "events", "outbox", "sync_tokens", "holds", "connections", "sync_state", "job_history", "passes",
		"pass_pages", "stale_parents", "quarantine", "module_state", "record_outbox",
	} {
		var some []string
		b.must(b.raw.SelectContext(b.Context(), &some,
			`SELECT concat_ws(' ', CAST(tableoid AS regclass), ctid, xmin) FROM `+table))
		rows = append(rows, some...)
	}
	set := map[string]bool{}
	for _, r := range rows {
		set[r] = true
	}
	return set
}

// writes counts the row versions that are new or gone since before, and forgets them.
func (b *bundle) writes(before *map[string]bool) int {
	b.Helper()
	after := b.versions()
	n := 0
	for r := range after {
		if !(*before)[r] {
			n++
		}
	}
	if len(after) < len(*before) {
		n += len(*before) - len(after)
	}
	*before = after
	return n
}

func TestUnchangedDataWritesNothing(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	u := b.unit("acme")
	u.Token = &mirror.Token{Kind: "job", ParamsHash: []byte("h"), Token: "t"}
	for i := range 50 {
		id := fmt.Sprintf("p%d", i)
		u.Upserts = append(u.Upserts, record("posting", id, `{"id":"`+id+`"}`))
		u.Listings = append(u.Listings, wantOpen("acme", id, "Job "+id))
	}
	if got := b.apply(u); got.Records != 50 || got.Events != 50 {
		t.Fatalf("first apply: %+v", got)
	}
	before := b.versions()
	u.Listings = append(u.Listings, wantClosed("never-public"))
	if got := b.apply(u); got.Records+got.Events > 0 {
		t.Errorf("second apply: %+v", got)
	}
	if n := b.writes(&before); n != 0 {
		t.Errorf("unchanged data wrote %d rows", n)
	}
	for i := range u.Listings {
		u.Listings[i].Translator = "t2"
	}
	if got := b.apply(u); got.Events != 0 {
		t.Errorf("a new translator made %d events", got.Events)
	}
	if n := b.writes(&before); n != 50 {
		t.Errorf("a new translator wrote %d rows, want 50", n)
	}
}

func TestApplyRefusesWhoLostTheLease(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	part := mirror.Part("acme")
	stale := b.unit("acme")
	stale.Listings = []mirror.Desired{wantOpen("acme", "p1", "Engineer")}

	b.exec(`UPDATE partitions SET expires_at = clock_timestamp() - INTERVAL '1 second' WHERE part = $1`, part)
	_, err := b.s.Apply(t.Context(), stale)
	if !errors.Is(err, mirror.ErrLeaseLost) {
		t.Errorf("expired lease: %v", err)
	}
	b.held = b.renew("a")
	if b.held[part].Epoch != stale.Lease.Epoch+1 {
		t.Errorf("epoch %d follows %d", b.held[part].Epoch, stale.Lease.Epoch)
	}
	if _, err = b.s.Apply(t.Context(), stale); !errors.Is(err, mirror.ErrLeaseLost) {
		t.Errorf("stale epoch: %v", err)
	}
	foreign := stale
	foreign.Lease = b.held[part]
	foreign.Lease.Owner = "b"
	if _, err = b.s.Apply(t.Context(), foreign); !errors.Is(err, mirror.ErrLeaseLost) {
		t.Errorf("foreign owner: %v", err)
	}
	if got := b.pending(); len(got) != 0 {
		t.Errorf("refused writes left %v", got)
	}
	fresh := b.unit("acme")
	fresh.Listings = stale.Listings
	b.apply(fresh)
}

func TestAPartitionIsNotTakenWhileAnApplyRuns(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	part := mirror.Part("acme")
	tx := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = tx.Rollback() }()
	// What Apply does first, then the lease expires under it.
	tx.MustExecContext(t.Context(), `SELECT part FROM partitions WHERE part = $1 FOR KEY SHARE`, part)
	b.exec(`UPDATE partitions SET expires_at = '-infinity'`)
	b.exec(`UPDATE replicas SET expires_at = '-infinity'`)
	held := b.renew("b")
	if _, ok := held[part]; ok || len(held) != mirror.Partitions-1 {
		t.Errorf("b took %d partitions, the one under a running apply: %t", len(held), ok)
	}
	b.must(tx.Rollback())
	if held := b.renew("b"); len(held) != mirror.Partitions {
		t.Errorf("b holds %d partitions afterwards", len(held))
	}
}

func TestConnectionsWithEqualPostingIDsStayApart(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.post("acme", "p1", "Engineer")
	b.post("beta", "p1", "Cook")
	b.post("beta", "p1", "Chef")
	want := []string{"acme/p1 v1 job.published", "beta/p1 v1 job.published", "beta/p1 v2 job.updated"}
	if diff := cmp.Diff(want, b.pending()); diff != "" {
		t.Error(diff)
	}
	b.publishAll()
	both, err := b.g.Job(t.Context(), "", "p1")
	b.must(err)
	one, err := b.g.Job(t.Context(), "acme", "p1")
	b.must(err)
	if len(both) != 2 || len(one) != 1 || one[0].Version != 1 || both[1].Version != 2 {
		t.Errorf("both %+v, one %+v", both, one)
	}
}

func TestApplyStoresTokensAndHolds(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	if _, err := b.s.Token(t.Context(), "acme", "job", ""); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("no token: %v", err)
	}
	u := b.unit("acme")
	token := mirror.Token{Kind: "job", ParamsHash: []byte("hash"), Token: "opaque"}
	u.Token, u.SetHold = &token, &mirror.Hold{Postings: []string{"p1", "p2"}, PublicCount: 3, Reason: "vanished"}
	b.apply(u)
	got, err := b.s.Token(t.Context(), "acme", "job", "")
	b.must(err)
	if diff := cmp.Diff(token, got); diff != "" {
		t.Error(diff)
	}
	hold, err := b.s.Hold(t.Context(), "acme")
	b.must(err)
	if hold == nil || len(hold.Postings) != 2 || hold.PublicCount != 3 || hold.CreatedAt.IsZero() {
		t.Fatalf("hold is %+v", hold)
	}
	u = b.unit("acme")
	u.SetHold = &mirror.Hold{Postings: []string{"p2"}, PublicCount: 3, Reason: "vanished", CreatedAt: hold.CreatedAt}
	b.apply(u)
	again, err := b.s.Hold(t.Context(), "acme")
	b.must(err)
	if !again.CreatedAt.Equal(hold.CreatedAt) || len(again.Postings) != 1 {
		t.Errorf("replaced hold is %+v", again)
	}
	u = b.unit("acme")
	u.EndHold, u.Token = mirror.HoldRecovered, &mirror.Token{Kind: "job"}
	b.apply(u)
	if hold, err := b.s.Hold(t.Context(), "acme"); err != nil || hold != nil {
		t.Errorf("cleared hold: %+v, %v", hold, err)
	}
	if _, err := b.s.Token(t.Context(), "acme", "job", ""); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("forgotten token: %v", err)
	}
}
