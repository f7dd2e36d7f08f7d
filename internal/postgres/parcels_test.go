package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// due returns what is due to an endpoint, but for what is in hand.
func (b *bundle) due(receiver string, limit int, inHand ...int64) []mirror.Parcel {
	b.Helper()
	parcels, err := b.n.Due(b.Context(), []mirror.Room{{Receiver: receiver, Limit: limit}}, inHand)
	b.must(err)
	return parcels
}

// parcels names parcels as "p1 v2".
func parcels(ps []mirror.Parcel) []string {
	out := []string{}
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%s v%d", p.Event.Posting, p.Event.Version))
	}
	return out
}

func outcome(p mirror.Parcel, state string, retry time.Duration) mirror.ParcelOutcome {
	return mirror.ParcelOutcome{
		ID: p.ID, Receiver: p.Receiver, Tries: p.Tries + 1, State: state, Retry: retry,
		Attempt: mirror.Attempt{At: time.Now().UTC().Truncate(time.Millisecond), Status: 200, Millis: 3},
	}
}

func (b *bundle) note(os ...mirror.ParcelOutcome) {
	b.Helper()
	b.must(b.n.NoteParcels(b.Context(), os, nil))
}

func (b *bundle) states(receiver string) []string {
	b.Helper()
	views, err := b.g.Parcels(b.Context(), mirror.ParcelQuery{Receiver: receiver, Limit: 200})
	b.must(err)
	out := []string{}
	for i := len(views) - 1; i >= 0; i-- {
		out = append(out, fmt.Sprintf("%s v%d %s", views[i].Posting, views[i].Version, views[i].State))
	}
	return out
}

func TestEachEventHasOneDeliveryForEachEndpoint(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.receive("ep_all")
	b.receive("ep_acme", "acme")
	b.receive("ep_paused")
	b.must(b.g.PauseReceiver(t.Context(), "ep_paused", ""))
	b.post("acme", "p1", "Engineer")
	b.post("beta", "p1", "Cook")
	b.post("acme", "p1", "Chief Engineer")
	_, err := b.setStatus("acme", mirror.StatusDegraded, "slow")
	b.must(err)
	out, err := b.n.Pending(t.Context(), nil, 100)
	b.must(err)
	var ps []mirror.Published
	at := time.Now().UTC().Truncate(time.Microsecond)
	for i, o := range out {
		ps = append(ps, mirror.Published{Outgoing: o, Seq: uint64(i + 1), At: at})
	}
	s := mirror.StreamState{CreatedAt: time.Unix(1, 0), LastSeq: uint64(len(ps))}
	b.must(b.n.Published(t.Context(), ps[:1], s))
	b.must(b.n.Published(t.Context(), ps, s))
	b.must(b.n.Published(t.Context(), ps, s)) // as after an answer that was lost
	repaired := ps[0]
	repaired.OutboxID = 0
	b.must(b.n.Published(t.Context(), []mirror.Published{repaired}, s))
	if diff := cmp.Diff([]string{"p1 v1 pending", "p1 v1 pending", "p1 v2 pending", " v1 pending"}, b.states("ep_all")); diff != "" {
		t.Errorf("to all: %s", diff)
	}
	if diff := cmp.Diff([]string{"p1 v1 pending", "p1 v2 pending", " v1 pending"}, b.states("ep_acme")); diff != "" {
		t.Errorf("to one: %s", diff)
	}
	if got := b.states("ep_paused"); len(got) != 0 {
		t.Errorf("to a paused one: %v", got)
	}
	// What is sent is what the stream has, byte for byte.
	for i, p := range b.due("ep_all", 10) {
		want, err := mirror.EncodeEvent(out[i].Envelope(at))
		b.must(err)
		got, err := mirror.EncodeEvent(p.Event.Envelope(p.PublishedAt))
		b.must(err)
		if i < 2 && !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Each job's first alone is due, whatever fails, and nothing else waits for it.
func TestDeliveriesOfAJobAreDueInOrder(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	for i := range 4 {
		b.post("acme", "p1", fmt.Sprint("Title ", i))
		if i < 2 {
			b.post("acme", "p2", fmt.Sprint("Title ", i))
		}
	}
	b.publishAll()
	if diff := cmp.Diff([]string{"p1 v1"}, parcels(b.due("ep_a", 1))); diff != "" {
		t.Errorf("limited: %s", diff)
	}
	first := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p1 v1", "p2 v1"}, parcels(first)); diff != "" {
		t.Fatalf("at first: %s", diff)
	}
	if got := b.due("ep_a", 10, first[0].ID, first[1].ID); len(got) != 0 {
		t.Errorf("with both in hand %v are due", parcels(got))
	}
	b.note(outcome(first[0], mirror.ParcelPending, time.Hour), outcome(first[1], mirror.ParcelDelivered, 0))
	next := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p2 v2"}, parcels(next)); diff != "" {
		t.Errorf("after a failure of p1: %s", diff)
	}
	b.note(outcome(next[0], mirror.ParcelDelivered, 0))
	// Its next try fails for good, and the next version is due at once, although it was put off.
	b.exec(`UPDATE deliveries SET next_at = now() WHERE posting_id = 'p1' AND tries > 0`)
	again := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p1 v1"}, parcels(again)); diff != "" || again[0].Tries != 1 || again[0].FirstTriedAt == nil {
		t.Fatalf("when its time has come: %s %+v", diff, again)
	}
	b.note(outcome(again[0], mirror.ParcelFailed, 0))
	third := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p1 v2"}, parcels(third)); diff != "" {
		t.Errorf("after it was given up: %s", diff)
	}
	b.note(outcome(third[0], mirror.ParcelDelivered, 0))
	b.note(outcome(third[0], mirror.ParcelPending, time.Hour)) // comes too late to count
	if diff := cmp.Diff([]string{
		"p1 v1 superseded", "p2 v1 delivered", "p1 v2 delivered", "p2 v2 delivered", "p1 v3 pending", "p1 v4 pending",
	}, b.states("ep_a")); diff != "" {
		t.Errorf("at the end: %s", diff)
	}
}

func TestEveryAttemptIsLogged(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	b.post("acme", "p1", "Engineer")
	b.publishAll()
	for i := range 25 {
		p := b.due("ep_a", 1)[0]
		o := outcome(p, mirror.ParcelPending, 0)
		o.Attempt.Error, o.Attempt.Answer = "server", fmt.Sprint("no\x00 ", i)
		b.note(o)
	}
	views, err := b.g.Parcels(t.Context(), mirror.ParcelQuery{Receiver: "ep_a", Limit: 1, State: mirror.ParcelPending})
	b.must(err)
	log := views[0].Attempts
	if len(log) != 20 || log[0].Answer != "no\uFFFD 5" || log[19].Answer != "no\uFFFD 24" || views[0].Tries != 25 {
		t.Errorf("%d attempts, %d tries: %+v", len(log), views[0].Tries, log)
	}
	if views, err := b.g.Parcels(t.Context(), mirror.ParcelQuery{Receiver: "ep_a", Limit: 10, Before: views[0].ID}); err != nil || len(views) != 0 {
		t.Errorf("before the first: %v, %v", views, err)
	}
}

// The log keeps events for 30 days. A job that has not changed since is sent from its listing, an event that a newer one
// followed cannot be made any more.
func TestEventsThatLeftTheLog(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	b.post("acme", "p1", "Engineer")
	b.post("acme", "p2", "Cook")
	b.publishAll()
	b.post("acme", "p2", "Chef")
	b.exec(`DELETE FROM events WHERE version = 1 AND posting_id <> ''`)
	due := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p1 v1", "p2 v1"}, parcels(due)); diff != "" {
		t.Fatal(diff)
	}
	var data events.JobData
	b.must(json.Unmarshal(due[0].Event.Data, &data))
	if data.Job.Title != "Engineer" || data.Version != 1 || string(due[1].Event.Data) != "null" {
		t.Errorf("from the listing: %+v; from nowhere: %s", data, due[1].Event.Data)
	}
}

func TestReplaySnapshot(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.receive("ep_a", "acme")
	_, err := b.setStatus("acme", mirror.StatusDegraded, "slow")
	b.must(err)
	b.post("acme", "open", "Engineer")
	b.post("acme", "closed", "Cook")
	b.post("acme", "old", "Smith")
	b.post("beta", "other", "Baker")
	u := b.unit("acme")
	u.Listings = []mirror.Desired{wantClosed("closed"), wantClosed("old")}
	b.apply(u)
	b.post("acme", "open", "Chief Engineer")
	b.publishAll()
	b.exec(`UPDATE listings SET updated_at = now() - INTERVAL '100 days' WHERE posting_id = 'old'`)
	for _, p := range b.due("ep_a", 10) {
		state := mirror.ParcelDelivered
		if p.Event.Posting == "open" {
			state = mirror.ParcelFailed
		}
		b.note(outcome(p, state, 0))
	}
	replayed, err := b.g.Replay(t.Context(), "ep_a", mirror.Replay{Snapshot: true})
	b.must(err)
	if diff := cmp.Diff(mirror.Replayed{Queued: 3, Superseded: 1}, replayed); diff != "" {
		t.Errorf("replayed %s", diff)
	}
	if diff := cmp.Diff([]string{
		" v1 pending", "open v1 superseded", "closed v1 delivered", "old v1 delivered", "closed v2 pending", "old v2 pending",
		"open v2 pending",
	}, b.states("ep_a")); diff != "" {
		t.Errorf("queued %s", diff)
	}
	b.receive("ep_new")
	replayed, err = b.g.Replay(t.Context(), "ep_new", mirror.Replay{Snapshot: true, OpenOnly: true})
	b.must(err)
	if diff := cmp.Diff([]string{"open v2 pending", "other v1 pending", " v1 pending"}, b.states("ep_new")); diff != "" || replayed.Queued != 3 {
		t.Errorf("queued %d %s", replayed.Queued, diff)
	}
}

func TestReplaySinceAndFailed(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.receive("ep_a", "acme")
	b.post("acme", "p1", "One")
	b.publishAll()
	since := time.Now()
	b.post("acme", "p1", "Two")
	b.post("acme", "p2", "One")
	b.post("beta", "p3", "One")
	b.publishAll()
	b.post("acme", "p2", "Two") // still in the outbox
	for range 2 {
		for _, p := range b.due("ep_a", 10) {
			if p.HadBefore {
				t.Errorf("%s v%d is said to have been delivered before", p.Event.Posting, p.Event.Version)
			}
			b.note(outcome(p, mirror.ParcelDelivered, 0))
		}
	}
	replayed, err := b.g.Replay(t.Context(), "ep_a", mirror.Replay{Since: since})
	b.must(err)
	if diff := cmp.Diff([]string{"p1 v1 delivered", "p1 v2 pending", "p2 v1 pending"}, b.states("ep_a")); diff != "" || replayed.Queued != 2 {
		t.Errorf("since: %d %s", replayed.Queued, diff)
	}
	for _, p := range b.due("ep_a", 10) {
		if !p.HadBefore {
			t.Errorf("%s v%d is said to be new", p.Event.Posting, p.Event.Version)
		}
		b.note(outcome(p, mirror.ParcelFailed, 0))
	}
	if v := b.receiver("ep_a"); v.Failed != 2 || v.Waiting != 0 {
		t.Errorf("%d failed, %d wait", v.Failed, v.Waiting)
	}
	replayed, err = b.g.Replay(t.Context(), "ep_a", mirror.Replay{Failed: true})
	b.must(err)
	if due := b.due("ep_a", 10); replayed.Queued != 2 || len(due) != 2 || due[0].Tries != 0 {
		t.Errorf("failed: %+v, %v", replayed, parcels(due))
	}
}

// What a replay makes due again is not to follow a newer version of its job that is in hand meanwhile.
func TestReplayWhileANewerVersionIsInHand(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	for i := range 4 {
		b.post("acme", "p1", fmt.Sprint("Title ", i))
	}
	b.publishAll()
	b.note(outcome(b.due("ep_a", 10)[0], mirror.ParcelFailed, 0))
	inHand := b.due("ep_a", 10)[0] // v2
	replay := func(r mirror.Replay, want int) {
		t.Helper()
		replayed, err := b.g.Replay(t.Context(), "ep_a", r)
		b.must(err)
		if replayed.Queued != want {
			t.Errorf("%d events are queued instead of %d", replayed.Queued, want)
		}
	}
	replay(mirror.Replay{Failed: true}, 1)
	b.note(outcome(inHand, mirror.ParcelPending, 0)) // not taken: the older one comes first
	older := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p1 v1"}, parcels(older)); diff != "" {
		t.Fatalf("after a try: %s", diff)
	}
	b.note(outcome(inHand, mirror.ParcelDelivered, 0))
	if diff := cmp.Diff([]string{"p1 v1 superseded", "p1 v2 delivered", "p1 v3 pending", "p1 v4 pending"}, b.states("ep_a")); diff != "" {
		t.Errorf("what was given up: %s", diff)
	}
	next := b.due("ep_a", 10)
	if diff := cmp.Diff([]string{"p1 v3"}, parcels(next)); diff != "" {
		t.Fatalf("after the delivery: %s", diff)
	}
	replay(mirror.Replay{Since: time.Now().Add(-time.Hour)}, 4)
	b.note(outcome(older[0], mirror.ParcelFailed, 0), outcome(next[0], mirror.ParcelDelivered, 0))
	if diff := cmp.Diff([]string{"p1 v1 superseded", "p1 v2 superseded", "p1 v3 delivered", "p1 v4 pending"}, b.states("ep_a")); diff != "" {
		t.Errorf("from a time on: %s", diff)
	}
	if diff := cmp.Diff([]string{"p1 v4"}, parcels(b.due("ep_a", 10))); diff != "" {
		t.Errorf("at the end: %s", diff)
	}
	if n := b.count(`SELECT count(*) FROM deliveries WHERE state = 'superseded' AND finished_at IS NULL`); n != 0 {
		t.Errorf("%d superseded ones will be kept for ever", n)
	}
}

// The same where the replay is under way while the delivery is noted.
func TestReplayMeetsTheDeliveryOfANewerVersion(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.receive("ep_a")
	b.post("acme", "p1", "One")
	b.post("acme", "p1", "Two")
	b.publishAll()
	b.note(outcome(b.due("ep_a", 10)[0], mirror.ParcelFailed, 0))
	inHand := b.due("ep_a", 10)[0]
	replay := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = replay.Rollback() }()
	replay.MustExecContext(t.Context(), `UPDATE deliveries SET state = 'pending', finished_at = NULL WHERE state = 'failed'`)
	noting, ctx := errgroup.WithContext(t.Context())
	noting.Go(func() error {
		return b.n.NoteParcels(ctx, []mirror.ParcelOutcome{outcome(inHand, mirror.ParcelDelivered, 0)}, nil)
	})
	deadline := time.Now().Add(20 * time.Second)
	for b.count(`
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE deliveries%'`) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the note does not wait for the replay")
		}
	}
	b.must(replay.Commit())
	b.must(noting.Wait())
	if diff := cmp.Diff([]string{"p1 v1 superseded", "p1 v2 delivered"}, b.states("ep_a")); diff != "" {
		t.Error(diff)
	}
}

func TestBacklog(t *testing.T) {
	b := setup(t)
	if got, err := b.n.Backlog(t.Context()); err != nil || got.Waiting != 0 || got.OldestAt != nil {
		t.Errorf("without endpoints: %+v, %v", got, err)
	}
	b.connect("acme")
	b.receive("ep_a")
	b.receive("ep_b")
	b.post("acme", "p1", "Engineer")
	b.publishAll()
	b.must(b.g.PauseReceiver(t.Context(), "ep_b", ""))
	got, err := b.n.Backlog(t.Context())
	b.must(err)
	if got.Waiting != 1 || got.OldestAt == nil || got.Receivers["active"] != 1 || got.Receivers["paused"] != 1 {
		t.Errorf("%+v", got)
	}
}
