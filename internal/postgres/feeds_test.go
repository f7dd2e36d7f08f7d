package postgres_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
)

func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

func (b *bundle) feed(id string, employers ...string) mirror.Feed {
	b.Helper()
	f, err := b.g.CreateFeed(b.Context(), mirror.NewFeed{ID: id, Name: "Feed " + id, Employers: employers, TokenHash: tokenHash(id)})
	b.must(err)
	return f
}

func TestFeeds(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta", "gone")
	if _, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs); err != nil {
		t.Fatal(err)
	}
	all, one := b.feed("feed_1"), b.feed("feed_2", "acme", "beta")
	if all.Employers != nil || len(one.Employers) != 2 || all.CreatedAt.IsZero() || all.LastReadAt != nil || all.RotatedAt != nil {
		t.Errorf("%+v, %+v", all, one)
	}
	// The jobs of one who disconnected may have stayed.
	_, err := b.g.CreateFeed(t.Context(), mirror.NewFeed{
		ID: "feed_3", Name: "x", Employers: []string{"acme", "gone", "never"}, TokenHash: tokenHash("3"),
	})
	if unknown, ok := errors.AsType[mirror.UnknownConnections](err); !ok || len(unknown) != 1 || unknown[0] != "never" {
		t.Errorf("an unknown employer: %v", err)
	}
	for after, want := range map[string][]mirror.Feed{"": {all, one}, "feed_1": {one}, "feed_2": {}} {
		got, err := b.g.Feeds(t.Context(), after, 2)
		b.must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %q: %s", after, diff)
		}
	}
	found, err := b.g.FeedOf(t.Context(), tokenHash("feed_2"))
	b.must(err)
	if diff := cmp.Diff(one, found); diff != "" {
		t.Error(diff)
	}
	rotated, err := b.g.RotateFeed(t.Context(), "feed_2", tokenHash("new"))
	b.must(err)
	if rotated.RotatedAt == nil || rotated.Name != one.Name {
		t.Errorf("%+v", rotated)
	}
	b.must(b.g.RemoveFeed(t.Context(), "feed_1"))
	for token, known := range map[string]bool{"feed_1": false, "feed_2": false, "new": true, "": false} {
		if _, err := b.g.FeedOf(t.Context(), tokenHash(token)); errors.Is(err, mirror.ErrNotFound) == known {
			t.Errorf("%q: %v", token, err)
		}
	}
	_, err = b.g.RotateFeed(t.Context(), "feed_1", tokenHash("x"))
	for _, err := range []error{err, b.g.RemoveFeed(t.Context(), "feed_1")} {
		if !errors.Is(err, mirror.ErrNotFound) {
			t.Error(err)
		}
	}
}

func TestFeedReadIsNotedOnceAMinute(t *testing.T) {
	b := setup(t)
	b.feed("feed_1")
	read := func() time.Time {
		t.Helper()
		b.must(b.g.FeedRead(t.Context(), "feed_1"))
		f, err := b.g.FeedOf(t.Context(), tokenHash("feed_1"))
		b.must(err)
		return *f.LastReadAt
	}
	first := read()
	if again := read(); !again.Equal(first) {
		t.Errorf("noted at %s and again at %s", first, again)
	}
	b.exec(`UPDATE feeds SET last_read_at = last_read_at - INTERVAL '61 seconds'`)
	if later := read(); !later.After(first) {
		t.Errorf("noted at %s, and a minute later at %s", first, later)
	}
	b.must(b.g.FeedRead(t.Context(), "never"))
}

func (b *bundle) state(employers ...string) mirror.FeedState {
	b.Helper()
	s, err := b.g.FeedState(b.Context(), employers)
	b.must(err)
	return s
}

// What a board would see changes the digest, and nothing else does.
func TestFeedStateTellsEveryChange(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	if s := b.state(); !s.ChangedAt.IsZero() || s.VerifiedAt != nil || s.Digest == "" {
		t.Errorf("empty: %+v", s)
	}
	seen := map[string]string{b.state().Digest: "nothing"}
	before := b.state()
	step := func(what string, do func()) {
		t.Helper()
		other := b.state("beta").Digest
		do()
		now := b.state()
		if was, ok := seen[now.Digest]; ok {
			t.Errorf("%s looks like %s", what, was)
		}
		if !now.ChangedAt.After(before.ChangedAt) || !now.ChangedAt.After(before.Horizon) {
			t.Errorf("%s at %s, not after %s and the horizon %s", what, now.ChangedAt, before.ChangedAt, before.Horizon)
		}
		if acme := b.state("acme", "beta"); acme.Digest != now.Digest || !acme.ChangedAt.Equal(now.ChangedAt) {
			t.Errorf("%s: both employers are %+v, all %+v", what, acme, now)
		}
		if strings.Contains(what, "acme") != (b.state("beta").Digest == other) {
			t.Errorf("%s, and the state of beta", what)
		}
		seen[now.Digest], before = what, now
	}
	step("a first job of acme", func() { b.post("acme", "p1", "Baker") })
	step("a second job of acme", func() { b.post("acme", "p2", "Cook") })
	step("the same posting id of beta", func() { b.post("beta", "p1", "Baker") })
	step("another title of acme", func() { b.post("acme", "p1", "Chef") })
	step("a closed job of acme", func() {
		u := b.unit("acme")
		u.Listings = []mirror.Desired{wantClosed("p1")}
		b.apply(u)
	})
	step("one of acme open again", func() { b.post("acme", "p1", "Chef") })
	step("beta closed with its removal", func() {
		_, err := b.g.Remove(t.Context(), "beta", mirror.CloseJobs)
		b.must(err)
	})

	b.post("acme", "p1", "Chef")
	b.publishAll()
	b.exec(`UPDATE listings SET translator = 't2'`)
	b.exec(`UPDATE sync_state SET last_verified_at = '2026-11-23T10:00:00Z' WHERE connection_id = 'acme'`)
	now := b.state()
	if now.Digest != before.Digest || !now.ChangedAt.Equal(before.ChangedAt) {
		t.Errorf("without a change: %+v, then %+v", before, now)
	}
	if want := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC); now.VerifiedAt == nil || !now.VerifiedAt.Equal(want) {
		t.Errorf("verified at %v: a removed employer no longer counts", now.VerifiedAt)
	}
	b.connect("new")
	if now := b.state(); now.VerifiedAt != nil {
		t.Errorf("verified at %s, but one employer never was", now.VerifiedAt)
	}
}

// A change that is under way has a time after the horizon, even if it is committed much later.
func TestFeedHorizonLiesBeforeUnfinishedChanges(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p1", "Before")
	slow := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = slow.Rollback() }()
	slow.MustExecContext(t.Context(), `
		UPDATE listings SET version = version + 1, updated_at = clock_timestamp() WHERE posting_id = 'p1'`)
	b.post("acme", "p2", "Fast")
	before := b.state()
	b.must(slow.Commit())
	var at time.Time
	b.must(b.raw.GetContext(t.Context(), &at, `SELECT updated_at FROM listings WHERE posting_id = 'p1'`))
	if !at.After(before.Horizon) || !before.ChangedAt.After(before.Horizon) {
		t.Errorf("horizon %s, the unfinished change at %s, the finished one at %s", before.Horizon, at, before.ChangedAt)
	}
	if b.state().Digest == before.Digest {
		t.Error("the same digest")
	}
}

// walk reads a feed to its end.
func walk(b *bundle, g postgres.Gateway, limit int, between func(page int), employers ...string) []string {
	b.Helper()
	seen := []string{}
	q := mirror.FeedQuery{Employers: employers, Limit: limit}
	for page := 0; ; page++ {
		jobs, err := g.FeedPage(b.Context(), q)
		b.must(err)
		for _, j := range jobs {
			seen = append(seen, fmt.Sprintf("%s/%s v%d", j.Connection, j.Posting, j.Version))
			q.After = j.FeedCursor
			if len(j.Job) == 0 || j.ChangedAt.IsZero() {
				b.Errorf("%+v", j)
			}
		}
		if len(jobs) < limit {
			return seen
		}
		between(page)
	}
}

func TestFeedPages(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta", "none", "zeta")
	for _, c := range []string{"zeta", "acme", "beta"} {
		for _, p := range []string{"p3", "p1", "p2"} {
			b.post(c, p, "Job")
		}
	}
	u := b.unit("beta")
	u.Listings = []mirror.Desired{wantClosed("p2")}
	b.apply(u)
	nothing := func(int) {}
	acme, beta := []string{"acme/p1 v1", "acme/p2 v1", "acme/p3 v1"}, []string{"beta/p1 v1", "beta/p3 v1"}
	zeta := []string{"zeta/p1 v1", "zeta/p2 v1", "zeta/p3 v1"}
	for limit := 1; limit <= 9; limit++ {
		for _, c := range []struct{ employers, want []string }{
			{nil, append(append(append([]string{}, acme...), beta...), zeta...)},
			{[]string{"zeta", "none", "beta"}, append(append([]string{}, zeta...), beta...)},
			{[]string{"none"}, []string{}},
		} {
			if diff := cmp.Diff(c.want, walk(b, b.g, limit, nothing, c.employers...)); diff != "" {
				t.Errorf("%v, %d a page: %s", c.employers, limit, diff)
			}
		}
	}
	if _, err := b.g.FeedPage(t.Context(), mirror.FeedQuery{Limit: 0}); err == nil {
		t.Error("a page of nothing")
	}
	if _, err := b.g.Feeds(t.Context(), "", 201); err == nil {
		t.Error("a limit above 200")
	}
}

// Jobs change, open and close between the pages; those that are open throughout come once.
func TestFeedPagesAmongChanges(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	for i := range 12 {
		b.post("acme", fmt.Sprintf("p%02d", i), "Job")
	}
	got := walk(b, b.g, 2, func(page int) {
		b.post("acme", fmt.Sprintf("p%02d", page), fmt.Sprint("Changed ", page))
		b.post("acme", fmt.Sprintf("p%02d", 11-page), fmt.Sprint("Changed ", page))
		b.post("acme", fmt.Sprintf("p%02da", page), "New")
		u := b.unit("acme")
		u.Listings = []mirror.Desired{wantClosed(fmt.Sprintf("p%02da", page-1))}
		b.apply(u)
	}, "acme")
	times := map[string]int{}
	for _, name := range got {
		posting, _, _ := strings.Cut(name, " ")
		times[posting]++
	}
	for i := range 12 {
		if n := times[fmt.Sprintf("acme/p%02d", i)]; n != 1 {
			t.Errorf("p%02d came %d times: %v", i, n, got)
		}
	}
	for name, n := range times {
		if n > 1 {
			t.Errorf("%s came %d times", name, n)
		}
	}
}

// The state is answered from indexes, and a page reads no more rows than it returns.
func TestFeedQueriesUseIndexes(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	tx := b.raw.MustBeginTx(t.Context(), nil)
	// Rows of a commit that is not flushed yet would not be marked as visible to all, which is what spares the table.
	tx.MustExecContext(t.Context(), `SET LOCAL synchronous_commit = on`)
	tx.MustExecContext(t.Context(), `
		INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at,
			event_id, event_created_at, updated_at)
		SELECT (ARRAY['acme', 'beta'])[1 + n % 2], 'p' || n, CASE WHEN n % 10 < 6 THEN 'closed' ELSE 'open' END, 1,
			CAST('"' || (SELECT string_agg(md5(CAST(n * i AS text)), '') FROM generate_series(1, 50) AS i) || '"' AS json), 'h', 't1', now(), now(), gen_random_uuid(), now(),
			clock_timestamp()
		FROM generate_series(1, 5000) AS n`)
	b.must(tx.Commit())
	b.exec(`VACUUM ANALYZE listings`)
	for name, c := range map[string]struct {
		query  string
		args   []any
		want   []string
		refuse []string
	}{
		"state of all":        {postgres.FeedStateQuery, []any{nil}, []string{"Index Only Scan using listings_open_versions"}, []string{"Seq Scan on listings"}},
		"state of one":        {postgres.FeedStateQuery, []any{"{acme}"}, []string{"Index Only Scan using listings_open_versions"}, []string{"Seq Scan on listings"}},
		"page of all":         {postgres.FeedPageQuery, []any{"acme", "p5", 100}, []string{"Index Scan using listings_open_versions"}, []string{"Sort", "Seq Scan"}},
		"page of an employer": {postgres.FeedEmployerQuery, []any{"acme", "p5", 100}, []string{"Index Scan using listings_open_versions"}, []string{"Sort", "Seq Scan"}},
	} {
		var lines []string
		b.must(b.raw.SelectContext(t.Context(), &lines, `EXPLAIN `+c.query, c.args...))
		plan := strings.Join(lines, "\n")
		for _, want := range c.want {
			if !strings.Contains(plan, want) {
				t.Errorf("%s: no %s in\n%s", name, want, plan)
			}
		}
		for _, bad := range c.refuse {
			if strings.Contains(plan, bad) {
				t.Errorf("%s: %s in\n%s", name, bad, plan)
			}
		}
	}
}
