package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Sixteen writers change the same few jobs at once while a relay reads and deletes. Every committed event is read once,
// and each job's versions are read in order without a gap.
func TestOutboxOrderUnderConcurrentWriters(t *testing.T) {
	b := setup(t)
	b.connect("acme", "beta")
	const writers, rounds, jobs = 16, 25, 6

	read := map[string][]int64{}
	done := make(chan struct{})
	relay, ctx := errgroup.WithContext(t.Context())
	relay.Go(func() error {
		var seq uint64
		for last := false; ; {
			out, err := publish(ctx, b.n, &seq, 7)
			if err != nil {
				return err
			}
			for _, o := range out {
				key := o.Connection + "/" + o.Posting
				read[key] = append(read[key], o.Version)
			}
			if len(out) > 0 {
				continue
			}
			if last {
				return nil
			}
			select {
			case <-done:
				last = true
			default:
			}
		}
	})

	var events [writers]int
	group, wctx := errgroup.WithContext(t.Context())
	for w := range writers {
		group.Go(func() error {
			n, err := write(wctx, b, w, rounds, jobs)
			events[w] = n
			return err
		})
	}
	err := group.Wait()
	close(done)
	b.must(errors.Join(err, relay.Wait()))

	total, delivered := 0, 0
	for _, n := range events {
		total += n
	}
	for key, versions := range read {
		for i, v := range versions {
			if v != int64(i+1) {
				t.Fatalf("%s: versions arrived as %v", key, versions)
			}
		}
		delivered += len(versions)
	}
	if total < writers*rounds || delivered != total {
		t.Errorf("%d events committed, %d delivered", total, delivered)
	}
	if n := b.count(`SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d rows left in the outbox", n)
	}
	if n := b.count(`
		SELECT count(*) FROM listings l
		WHERE l.version <> (SELECT max(version) FROM events e
			WHERE e.connection_id = l.connection_id AND e.posting_id = l.posting_id)`); n != 0 {
		t.Errorf("%d listings disagree with the log", n)
	}
}

// write changes several jobs a transaction, in an order of its own.
func write(ctx context.Context, b *bundle, writer, rounds, jobs int) (int, error) {
	rng := rand.New(rand.NewPCG(1, uint64(writer)))
	made := 0
	for round := range rounds {
		connection := []string{"acme", "beta"}[rng.IntN(2)]
		u := b.unit(connection)
		for _, p := range rng.Perm(jobs)[:3] {
			posting := fmt.Sprintf("p%d", p)
			want := wantOpen(connection, posting, fmt.Sprintf("writer %d round %d", writer, round))
			if rng.IntN(4) == 0 {
				want = wantClosed(posting)
			}
			u.Listings = append(u.Listings, want)
			u.Upserts = append(u.Upserts, record("posting", posting, fmt.Sprintf(`{"w":%d,"r":%d}`, writer, round)))
		}
		applied, err := b.s.Apply(ctx, u)
		if err != nil {
			return made, err
		}
		made += applied.Events
	}
	return made, nil
}

// Everything that is applied to a connection while it is removed is either in the log before connection.removed, or
// refused.
func TestRemoveWhileApplying(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	b.post("acme", "p0", "seed")
	started := make(chan struct{}, 64)
	group, ctx := errgroup.WithContext(t.Context())
	for w := range 6 {
		group.Go(func() error {
			for round := 0; ; round++ {
				u := b.unit("acme")
				u.Listings = []mirror.Desired{
					wantOpen("acme", fmt.Sprintf("p%d", round%3), fmt.Sprintf("%d of %d", round, w)),
				}
				_, err := b.s.Apply(ctx, u)
				if errors.Is(err, mirror.ErrRemoved) {
					return nil
				}
				if err != nil {
					return err
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 20 {
		select {
		case <-started:
		case <-ctx.Done(): // a writer failed; Wait below tells why
		}
	}
	n, err := b.g.Remove(t.Context(), "acme", mirror.CloseJobs)
	b.must(err)
	b.must(group.Wait())
	if n < 2 {
		t.Errorf("removal committed %d events", n)
	}
	all, err := b.n.Pending(t.Context(), nil, 100000)
	b.must(err)
	texts := names(all)
	if last := texts[len(texts)-1]; last != "acme/ v1 connection.removed" {
		t.Errorf("the last event is %s", last)
	}
	if open := b.count(`SELECT count(*) FROM listings WHERE state = 'open'`); open != 0 {
		t.Errorf("%d jobs are still open", open)
	}
	if left := b.count(`SELECT count(*) FROM secrets`); left != 0 {
		t.Errorf("%d secrets are left", left)
	}
}

// Two writers meet at a posting that has no row to lock yet: the second waits, finds itself overtaken, and decides anew.
func TestApplyDecidesAnewWhenOvertaken(t *testing.T) {
	b := setup(t)
	b.connect("acme")
	first := b.raw.MustBeginTx(t.Context(), nil)
	defer func() { _ = first.Rollback() }()
	first.MustExecContext(t.Context(), `
		INSERT INTO listings (connection_id, posting_id, state, version, job, hash, translator, changed_at, observed_at,
			verified_at, verified_by, event_id, event_created_at, updated_at)
		VALUES ('acme', 'p1', 'open', 1, '{"id":"p1"}', 'h', 't1', now(), now(), now(), 'mirror', gen_random_uuid(), now(), now())`)
	var applied mirror.Applied
	second, ctx := errgroup.WithContext(t.Context())
	second.Go(func() (err error) {
		u := b.unit("acme")
		u.Listings = []mirror.Desired{wantOpen("acme", "p1", "Engineer")}
		applied, err = b.s.Apply(ctx, u)
		return err
	})
	deadline := time.Now().Add(20 * time.Second)
	for b.count(`
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO listings%'`) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the second writer does not wait for the first")
		}
	}
	b.must(first.Commit())
	b.must(second.Wait())
	if diff := cmp.Diff([]string{"acme/p1 v2 job.updated"}, b.pending()); diff != "" || applied.Events != 1 {
		t.Errorf("applied %+v, %s", applied, diff)
	}
}
