package postgres_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
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
		delivery("acme", "6", "posting", ""), delivery("beta", "1", "posting", "p1"),
	}))
	ids, polled := b.open("posting", "p1"), b.open(mirror.HintPoll, "")
	if len(ids) != 2 || len(polled) != 2 {
		t.Fatalf("open: %v for the posting, %v for a poll", ids, polled)
	}
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{delivery("acme", "5", "posting", "p1")}))
	u := b.unit("acme")
	u.InboxDone = ids
	b.apply(u)
	left := b.open("posting", "p1")
	if len(left) != 1 {
		t.Errorf("left open: %v", left)
	}
	u.InboxDone = polled
	b.apply(u)
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE processed_at IS NULL`); n != 3 {
		t.Errorf("%d rows are open, want the late one, the job's and beta's", n)
	}
}

// A delivery that comes again while its object is read, or after that, is open again: the read may have begun before the
// change that it tells of.
func TestDeliveryThatComesAgainIsOpenAgain(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	again := []mirror.Delivery{
		delivery("acme", "1", "posting", "p1"), delivery("acme", "2", "posting", "p1"),
		delivery("acme", "1", "posting", "p1"), delivery("acme", "3", "", ""),
	}
	open := func() []int64 {
		t.Helper()
		return b.open("posting", "p1")
	}
	answer := func(ids []int64) {
		t.Helper()
		u := b.unit("acme")
		u.InboxDone = ids
		b.apply(u)
	}
	b.must(b.g.Commit(t.Context(), again))
	first := open()
	b.must(b.g.Commit(t.Context(), again[:1])) // while the read of the first ones is under way
	answer(first)
	second := open()
	if len(first) != 2 || len(second) != 1 || slices.Contains(first, second[0]) {
		t.Fatalf("open at first %v, after the answer %v", first, second)
	}
	answer(second)
	if left := open(); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
	b.must(b.g.Commit(t.Context(), again)) // after all were answered
	if third := open(); len(third) != 2 {
		t.Errorf("open after all came again: %v", third)
	}
	if n := b.count(`SELECT count(*) FROM webhook_inbox`); n != 3 {
		t.Errorf("%d rows", n)
	}
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE kind = '' AND processed_at IS NOT NULL`); n != 1 {
		t.Errorf("%d rows with nothing to read are processed", n)
	}
}

func TestOneActionMayTouchSeveralObjects(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{
		delivery("acme", "1", "posting", "p1"), delivery("acme", "1", "posting", "p2"),
	}))
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{delivery("acme", "1", "posting", "p3")}))
	for _, posting := range []string{"p1", "p2", "p3"} {
		if ids := b.open("posting", posting); len(ids) != 1 {
			t.Errorf("%s: %v", posting, ids)
		}
	}
}

// Gateways that commit the same deliveries in different orders, while reads answer them, neither fail nor lose any.
func TestCommitsOfTheSameDeliveriesWhileTheyAreAnswered(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	const n = 40
	var group errgroup.Group
	for w := range 4 {
		group.Go(func() error {
			rng := rand.New(rand.NewPCG(2, uint64(w)))
			for range 20 {
				var ds []mirror.Delivery
				for _, i := range rng.Perm(n)[:n/2] { // a part, so that the ids' order becomes another one
					ds = append(ds, delivery("acme", strconv.Itoa(i), "posting", "p1"))
				}
				if err := b.g.Commit(t.Context(), ds); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 2 {
		group.Go(func() error {
			for range 20 {
				u := b.unit("acme")
				open, err := b.s.OpenInbox(t.Context(), "acme", "posting", "p1")
				if err != nil {
					return err
				}
				u.InboxDone = open["p1"]
				if _, err := b.s.Apply(t.Context(), u); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.must(group.Wait())
	if got := b.count(`SELECT count(*) FROM webhook_inbox`); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
	// A session counts its deadlocks, which are tried again in silence, when it ends.
	b.must(b.db.Close())
	for deadline := time.Now().Add(20 * time.Second); b.count(`
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'ashbridge%'`) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the sessions do not end")
		}
	}
	if got := b.count(`SELECT CAST(deadlocks AS int) FROM pg_stat_database WHERE datname = current_database()`); got != 0 {
		t.Errorf("%d deadlocks", got)
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
		hints, err := b.s.OverdueInbox(t.Context(), mirror.Sweep{Parts: parts, Age: age, Limit: limit, PerConnection: 10})
		b.must(err)
		return hints
	}
	if got := overdue(parts, time.Minute, 10); len(got) != 0 {
		t.Errorf("too soon: %v", got)
	}
	want := []mirror.Hint{ // each connection's oldest come first
		{Connection: "acme", Kind: "posting", ID: "p1"},
		{Connection: "beta", Kind: "posting", ID: "p1"},
		{Connection: "acme", Kind: "job", ID: "j1"},
	}
	if diff := cmp.Diff(want, overdue(parts, 0, 10)); diff != "" {
		t.Error(diff)
	}
	few, err := b.s.OverdueInbox(t.Context(), mirror.Sweep{Parts: parts, Limit: 10, PerConnection: 1})
	b.must(err)
	if diff := cmp.Diff(want[:2], few); diff != "" {
		t.Errorf("one of each connection: %s", diff)
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
