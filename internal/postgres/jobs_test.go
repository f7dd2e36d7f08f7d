package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/internal/postgres"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func (b *bundle) titles(q mirror.JobQuery) []string {
	b.Helper()
	return titles(b, b.g, q)
}

func titles(b *bundle, g postgres.Gateway, q mirror.JobQuery) []string {
	b.Helper()
	jobs, err := g.Jobs(b.Context(), q)
	b.must(err)
	titles := []string{}
	for _, j := range jobs {
		var job events.Job
		b.must(json.Unmarshal(j.Job, &job))
		titles = append(titles, job.Title)
	}
	return titles
}

func TestJobs(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	u := b.unit("acme") // one transaction: equal times, so the cursor's other fields decide
	for i := range 5 {
		u.Listings = append(u.Listings, wantOpen("acme", fmt.Sprintf("p%d", i), fmt.Sprintf("A%d", i)))
	}
	b.apply(u)
	b.post("beta", "p0", "B0")
	var between time.Time
	b.must(b.raw.GetContext(t.Context(), &between, `SELECT clock_timestamp()`))
	u.Listings = []mirror.Desired{wantClosed("p1")}
	b.apply(u)

	for _, c := range []struct {
		query mirror.JobQuery
		want  []string
	}{
		{mirror.JobQuery{Limit: 200}, []string{"A0", "A2", "A3", "A4", "B0", "A1"}},
		{mirror.JobQuery{Limit: 2}, []string{"A0", "A2"}},
		{mirror.JobQuery{Limit: 200, Connection: "beta"}, []string{"B0"}},
		{mirror.JobQuery{Limit: 200, State: "closed"}, []string{"A1"}},
		{mirror.JobQuery{Limit: 200, State: "open", Connection: "acme"}, []string{"A0", "A2", "A3", "A4"}},
		{mirror.JobQuery{Limit: 200, UpdatedSince: between}, []string{"A1"}},
	} {
		if diff := cmp.Diff(c.want, b.titles(c.query)); diff != "" {
			t.Errorf("%+v: %s", c.query, diff)
		}
	}
	page, err := b.g.Jobs(t.Context(), mirror.JobQuery{Limit: 2})
	b.must(err)
	after := mirror.JobCursor{UpdatedAt: page[1].UpdatedAt, Connection: "acme", Posting: "p2"}
	if diff := cmp.Diff([]string{"A3", "A4"}, b.titles(mirror.JobQuery{Limit: 2, After: after})); diff != "" {
		t.Errorf("second page: %s", diff)
	}
	if _, err := b.g.Jobs(t.Context(), mirror.JobQuery{Limit: 201}); err == nil {
		t.Error("a limit above 200 was accepted")
	}
	closed, err := b.g.Job(t.Context(), "acme", "p1")
	b.must(err)
	if len(closed) != 1 || closed[0].State != "closed" || closed[0].Version != 2 || closed[0].Reason != events.ReasonUnpublished {
		t.Errorf("closed job %+v", closed)
	}
	if none, err := b.g.Job(t.Context(), "", "never"); err != nil || len(none) != 0 {
		t.Errorf("unknown: %+v, %v", none, err)
	}
}

// A change whose transaction began first and is committed last has the earlier time. Whoever follows the list must not
// have gone past that time before it shows.
func TestJobsHoldBackWhatAnUnfinishedChangeMayPrecede(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p0", "Before")
	b.exec(`CREATE ROLE ` + readerRole(b) + `; GRANT SELECT ON listings, sync_state TO ` + readerRole(b))
	// A gateway whose role may not see when the sessions of others began.
	reader := open(t, postgres.Options{URL: b.url + "&options=-c%20role%3D" + readerRole(b)}).Gateway()
	listed := func(g postgres.Gateway) []string {
		t.Helper()
		return titles(b, g, mirror.JobQuery{Limit: 200})
	}

	idle := b.raw.MustBeginTx(t.Context(), nil) // reads only, and so holds nothing back
	defer func() { _ = idle.Rollback() }()
	idle.MustExecContext(t.Context(), `SELECT 1`)
	slow := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = slow.Rollback() }()
	slow.MustExecContext(t.Context(), `
		INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at,
			verified_at, verified_by, event_id, event_created_at, updated_at)
		VALUES ('acme', 'p1', 'open', 1, '{"title":"Slow"}', 'h', 't1', now(), now(), now(), 'mirror', gen_random_uuid(), now(),
			clock_timestamp())`)
	b.post("acme", "p2", "Fast")
	if diff := cmp.Diff([]string{"Before"}, listed(b.g)); diff != "" {
		t.Errorf("while a change is under way: %s", diff)
	}
	if got := listed(reader); slices.Contains(got, "Fast") {
		t.Errorf("to a role that sees no sessions: %v", got)
	}
	b.must(slow.Commit())
	for _, g := range []postgres.Gateway{b.g, reader} {
		if diff := cmp.Diff([]string{"Before", "Slow", "Fast"}, listed(g)); diff != "" {
			t.Errorf("after it: %s", diff)
		}
	}
}

// Writers commit while a reader follows the list from the largest time seen; it sees the last version of every job.
func TestFollowedJobsMissNoChange(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	var writers errgroup.Group
	done := make(chan struct{})
	for w := range 8 {
		writers.Go(func() error {
			_, err := write(t.Context(), b, w, 20, 12)
			return err
		})
	}
	var reader errgroup.Group
	seen := map[string]int64{}
	reader.Go(func() error {
		var since time.Time
		for last := false; ; {
			jobs, err := follow(t.Context(), b.g, &since, seen)
			if err != nil || last && jobs == 0 {
				return err
			}
			select {
			case <-done:
				// What lies at the largest time comes again and again, so one more pass sees all there is.
				if last {
					return nil
				}
				last = true
			default:
			}
		}
	})
	err := writers.Wait()
	close(done)
	b.must(errors.Join(err, reader.Wait()))
	var rows []struct {
		Connection string `db:"connection_id"`
		Posting    string `db:"posting_id"`
		Version    int64  `db:"version"`
	}
	b.must(b.raw.SelectContext(t.Context(), &rows, `SELECT connection_id, posting_id, version FROM listings`))
	for _, r := range rows {
		if got := seen[r.Connection+"/"+r.Posting]; got != r.Version {
			t.Errorf("%s/%s: saw version %d of %d", r.Connection, r.Posting, got, r.Version)
		}
	}
}

// follow reads what changed since and notes the versions.
func follow(ctx context.Context, g postgres.Gateway, since *time.Time, seen map[string]int64) (int, error) {
	jobs, err := g.Jobs(ctx, mirror.JobQuery{UpdatedSince: *since, Limit: 200})
	for _, j := range jobs {
		var job events.Job
		if err := json.Unmarshal(j.Job, &job); err != nil {
			return 0, err
		}
		seen[job.Connection+"/"+job.ID] = j.Version
		*since = j.UpdatedAt
	}
	return len(jobs), err
}

// readerRole is a name of a role, which all databases of the server share.
func readerRole(b *bundle) string {
	b.Helper()
	var name string
	b.must(b.raw.GetContext(b.Context(), &name, `SELECT current_database() || '_reader'`))
	return name
}

func TestPostingsOf(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	u := b.unit("acme")
	u.Upserts = []mirror.Record{
		record("posting", "p1", `{"jobId":"j1","locationIds":{"primaryLocationId":"l1","secondaryLocationIds":["l2"]}}`),
		record("posting", "p2", `{"jobId":"j2","locationIds":{"primaryLocationId":"l2","secondaryLocationIds":[]}}`),
		record("posting", "p3", `{"jobId":"j3","locationIds":null}`),
		record("posting", "p4", `{"jobId":"j1"}`),
		record("job", "j1", `{"jobId":"j1"}`),
	}
	u.Gone = []mirror.RecordKey{{Kind: "posting", ID: "p4"}}
	b.apply(u)
	u = b.unit("beta")
	u.Upserts = []mirror.Record{record("posting", "q1", `{"jobId":"j1"}`)}
	b.apply(u)
	for _, c := range []struct{ jobs, locations, want []string }{
		{[]string{"j1"}, nil, []string{"p1"}},
		{nil, []string{"l2"}, []string{"p1", "p2"}},
		{[]string{"j3"}, []string{"l1"}, []string{"p1", "p3"}},
		{[]string{"j1"}, []string{"l2"}, []string{"p1", "p2"}},
		{nil, nil, []string{}},
		{[]string{"never"}, []string{`"`}, []string{}},
	} {
		got, err := b.s.PostingsOf(t.Context(), "acme", c.jobs, c.locations)
		b.must(err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v, %v: %s", c.jobs, c.locations, diff)
		}
	}
}
