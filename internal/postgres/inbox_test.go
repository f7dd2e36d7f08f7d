package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func delivery(connection, dedupe string, kind mirror.HintKind, object string) mirror.Delivery {
	return mirror.Delivery{
		Connection: connection, Action: "jobPostingUpdate", Dedupe: dedupe, Kind: kind, Object: object,
	}
}

func TestInboxTakesEachDeliveryOnce(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta", "gone")
	_, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs)
	b.must(err)
	batch := []mirror.Delivery{
		delivery("acme", "1", "posting", "p1"),
		delivery("acme", "1", "posting", "p1"),
		delivery("acme", "2", "posting", "p1"),
		delivery("acme", "3", "", ""),
		delivery("beta", "1", "posting", "p1"),
		delivery("gone", "1", "posting", "p1"),
		delivery("never", "1", "posting", "p1"),
	}
	var group errgroup.Group
	for range 6 {
		group.Go(func() error { return b.g.Commit(t.Context(), batch) })
	}
	b.must(group.Wait())
	b.must(b.g.Commit(t.Context(), nil))
	if n := b.count(`SELECT count(*) FROM webhook_inbox`); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE processed_at IS NOT NULL AND kind = ''`); n != 1 {
		t.Errorf("%d rows are processed, want 1", n)
	}
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE part <> $1 AND connection_id = 'acme'`, mirror.Part("acme")); n != 0 {
		t.Errorf("%d rows lie in a wrong partition", n)
	}
}

func TestApplyFinishesTheInboxRowsItAnswers(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{
		delivery("acme", "1", "posting", "p1"), delivery("acme", "2", "posting", "p1"),
		delivery("acme", "3", "job", "p1"), delivery("acme", "4", mirror.HintPoll, ""),
		delivery("beta", "1", "posting", "p1"),
	}))
	ids, err := b.s.OpenInbox(t.Context(), "acme", "posting", "p1")
	b.must(err)
	all, err := b.s.OpenInbox(t.Context(), "acme", mirror.HintPoll, "")
	b.must(err)
	if len(ids) != 2 || len(all) != 4 {
		t.Fatalf("open: %v of %v", ids, all)
	}
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{delivery("acme", "5", "posting", "p1")}))
	u := b.unit("acme")
	u.InboxDone = ids
	b.apply(u)
	left, err := b.s.OpenInbox(t.Context(), "acme", "posting", "p1")
	b.must(err)
	if len(left) != 1 {
		t.Errorf("left open: %v", left)
	}
	u.InboxDone = all
	b.apply(u)
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE processed_at IS NULL`); n != 2 {
		t.Errorf("%d rows are open, want the late one and beta's", n)
	}
}

func TestOverdueInbox(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{
		delivery("acme", "1", "posting", "p1"), delivery("acme", "2", "posting", "p1"),
		delivery("acme", "3", "job", "j1"), delivery("acme", "4", "", ""), delivery("beta", "1", "posting", "p1"),
	}))
	parts := []int{mirror.Part("acme"), mirror.Part("beta")}
	overdue := func(parts []int, age time.Duration, limit int) []mirror.Hint {
		t.Helper()
		hints, err := b.s.OverdueInbox(t.Context(), parts, age, limit)
		b.must(err)
		return hints
	}
	if got := overdue(parts, time.Minute, 10); len(got) != 0 {
		t.Errorf("too soon: %v", got)
	}
	want := []mirror.Hint{
		{Connection: "acme", Kind: "posting", ID: "p1"},
		{Connection: "acme", Kind: "job", ID: "j1"},
		{Connection: "beta", Kind: "posting", ID: "p1"},
	}
	if diff := cmp.Diff(want, overdue(parts, 0, 10)); diff != "" {
		t.Error(diff)
	}
	if got := overdue(parts, 0, 1); len(got) != 1 {
		t.Errorf("limit 1: %v", got)
	}
	if got := overdue([]int{}, 0, 10); len(got) != 0 {
		t.Errorf("no partitions: %v", got)
	}
	paused := true
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{Paused: &paused}))
	if got := overdue(parts, 0, 10); len(got) != 1 {
		t.Errorf("paused: %v", got)
	}
}

func TestEndpoint(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	e, err := b.g.Endpoint(t.Context(), "token-acme")
	b.must(err)
	if e.Connection != "acme" || string(e.Secret) != "sealed secret acme" || e.Previous != nil || e.Removed {
		t.Errorf("endpoint %+v", e)
	}
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{WebhookSecret: []byte("second")}))
	b.must(b.g.Patch(t.Context(), "acme", mirror.ConnectionPatch{WebhookSecret: []byte("third")}))
	after, err := b.g.Endpoint(t.Context(), "token-acme")
	b.must(err)
	if string(after.Secret) != "third" || string(after.Previous) != "second" || !after.SecretChangedAt.After(e.SecretChangedAt) {
		t.Errorf("after two changes %+v", after)
	}
	_, err = b.g.Remove(t.Context(), "acme", mirror.KeepJobs)
	b.must(err)
	e, err = b.g.Endpoint(t.Context(), "token-acme")
	if err != nil || !e.Removed || e.Secret != nil {
		t.Errorf("removed: %+v, %v", e, err)
	}
	if _, err := b.g.Endpoint(t.Context(), "other"); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown token: %v", err)
	}
}

func TestSeen(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.must(b.g.Seen(t.Context(), "acme", "jobUpdate", true))
	b.must(b.g.Seen(t.Context(), "acme", "jobUpdate", false))
	before := b.count(`SELECT CAST(CAST(xmin AS text) AS int) FROM webhook_setup`)
	b.must(b.g.Seen(t.Context(), "acme", "jobUpdate", false))
	if after := b.count(`SELECT CAST(CAST(xmin AS text) AS int) FROM webhook_setup`); after != before {
		t.Error("a delivery right after another one was written down again")
	}
	view, err := b.g.View(t.Context(), "acme")
	b.must(err)
	if len(view.Webhooks) != 1 || view.Webhooks[0].PingedAt == nil || view.Webhooks[0].LastSeenAt == nil {
		t.Errorf("webhooks %+v", view.Webhooks)
	}
	if err := b.g.Seen(t.Context(), "nobody", "jobUpdate", true); !errors.Is(err, mirror.ErrNotFound) {
		t.Errorf("unknown connection: %v", err)
	}
}
