package postgres_test

import (
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// partitions returns the days of the event log's partitions, from the oldest on.
func (b *bundle) partitions() []string {
	b.Helper()
	var names []string
	b.must(b.raw.SelectContext(b.Context(), &names, `
		SELECT relname FROM pg_class WHERE relname ~ '^events_\d{8}$' AND relispartition ORDER BY relname`))
	return names
}

func TestMaintainKeepsPartitionsComingAndGoing(t *testing.T) {
	b := setup(t)
	today := time.Now().UTC()
	made := b.partitions()
	if len(made) != 9 || made[0] != today.AddDate(0, 0, -1).Format("events_20060102") {
		t.Fatalf("after migrating: %v", made)
	}
	b.exec(`DROP TABLE ` + made[8])
	old := func(days int) string {
		t.Helper()
		day := today.AddDate(0, 0, -days)
		name := day.Format("events_20060102")
		b.exec(`CREATE TABLE ` + name + ` PARTITION OF events FOR VALUES FROM ('` + day.Format(time.DateOnly) +
			` 00:00:00+00') TO ('` + day.AddDate(0, 0, 1).Format(time.DateOnly) + ` 00:00:00+00')`)
		return name
	}
	kept, dropped, awaited := old(30), old(31), old(40)
	b.exec(`INSERT INTO outbox (event_id, event_created_at) VALUES (gen_random_uuid(), $1)`, today.AddDate(0, 0, -40))
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { return b.db.Maintain(t.Context()) })
	}
	b.must(group.Wait())
	got := b.partitions()
	if len(got) != 11 || got[0] != awaited || got[1] != kept || got[10] != made[8] {
		t.Errorf("partitions %v; want %s kept and %s dropped", got, kept, dropped)
	}
}

func TestMaintainPurges(t *testing.T) {
	b := setup(t)
	b.connect("acme", "gone")
	b.must(b.g.Commit(t.Context(), []mirror.Delivery{
		delivery("acme", "old", "", ""), delivery("acme", "new", "", ""), delivery("acme", "open", "posting", "p1"),
		delivery("gone", "orphan", "posting", "p1"),
	}))
	_, err := b.g.Remove(t.Context(), "gone", mirror.KeepJobs)
	b.must(err)
	b.exec(`UPDATE webhook_inbox SET processed_at = clock_timestamp() - INTERVAL '4 days' WHERE dedupe = 'old'`)
	b.exec(`UPDATE webhook_inbox SET processed_at = NULL WHERE dedupe = 'orphan'`)
	b.exec(`UPDATE webhook_inbox SET received_at = clock_timestamp() - INTERVAL '4 days'`)
	b.renew("dead")
	b.exec(`UPDATE replicas SET expires_at = '-infinity' WHERE owner = 'dead'`)
	b.must(b.db.Maintain(t.Context()))
	if n := b.count(`SELECT count(*) FROM webhook_inbox WHERE dedupe IN ('new', 'open')`); n != 2 {
		t.Errorf("%d of 2 rows were kept", n)
	}
	if n := b.count(`SELECT count(*) FROM webhook_inbox`); n != 2 {
		t.Errorf("%d rows are left, want 2", n)
	}
	if n := b.count(`SELECT count(*) FROM replicas`); n != 1 {
		t.Errorf("%d replicas, want 1", n)
	}
}
