package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// member connects an employer that was registered and verified some time ago; never verified where that is negative.
func (b *bundle) member(id string, status mirror.Status, registered, verified time.Duration) {
	b.Helper()
	b.connect(id)
	b.exec(`UPDATE connections SET status = $2, created_at = now() - make_interval(secs => $3) WHERE id = $1`,
		id, status, registered.Seconds())
	if verified >= 0 {
		b.exec(`
			UPDATE sync_state SET first_synced_at = now(), last_verified_at = now() - make_interval(secs => $2)
			WHERE connection_id = $1`, id, verified.Seconds())
	}
}

// hook puts a webhook into the inbox that came some time ago.
func (b *bundle) hook(connection string, ago time.Duration) {
	b.Helper()
	b.exec(`
		INSERT INTO webhook_inbox (connection_id, part, action, dedupe, kind, object_id, received_at)
		VALUES ($1, 0, 'jobPostingUpdate', gen_random_uuid()::text, 'posting', 'p', now() - make_interval(secs => $2))`,
		connection, ago.Seconds())
}

func (b *bundle) fleet(named int) mirror.Fleet {
	b.Helper()
	f, err := b.n.Fleet(b.Context(), named)
	b.must(err)
	return f
}

func ids(cs []mirror.FleetConnection) []string {
	var all []string
	for _, c := range cs {
		all = append(all, c.ID)
	}
	return all
}

// about says that an age is what it was set to, but for the time that the test took.
func about(got, want time.Duration) bool { return got >= want && got < want+time.Minute }

func TestFleetTellsWhoIsFresh(t *testing.T) {
	b := setup(t)
	const day = 24 * time.Hour
	b.member("fresh", mirror.StatusActive, 9*day, 64*time.Minute)
	b.member("stale", mirror.StatusActive, 8*day, 66*time.Minute)
	b.member("slow", mirror.StatusDegraded, 7*day, 3*time.Hour) // polled every four hours
	b.exec(`UPDATE connections SET poll_interval_s = 4 * 3600 WHERE id = 'slow'`)
	b.member("new", mirror.StatusActive, 30*time.Minute, -1)    // in its first synchronisation
	b.member("never", mirror.StatusActive, 100*time.Minute, -1) // which should be over
	b.member("paused", mirror.StatusPaused, 6*day, 5*day)
	b.member("locked", mirror.StatusUnauthorized, 5*day, 4*day)
	b.member("gone", mirror.StatusRemoved, 10*day, 9*day)
	b.hook("fresh", 50*time.Second)
	b.hook("slow", 70*time.Second)
	b.hook("slow", 10*time.Second)
	b.hook("paused", day) // waits until the connection is resumed

	f := b.fleet(4)
	want := map[mirror.Status]int{
		mirror.StatusActive: 4, mirror.StatusDegraded: 1, mirror.StatusPaused: 1, mirror.StatusUnauthorized: 1, mirror.StatusRemoved: 1,
	}
	if fmt.Sprint(f.Connections) != fmt.Sprint(want) {
		t.Errorf("connections %v, want %v", f.Connections, want)
	}
	if f.Watched != 4 || f.FreshByPoll != 2 || f.FreshByWebhook != 3 {
		t.Errorf("%d watched, %d fresh by poll, %d by webhook; want 4, 2, 3", f.Watched, f.FreshByPoll, f.FreshByWebhook)
	}
	if !about(f.OldestVerified, 3*time.Hour) {
		t.Errorf("verified longest ago: %s", f.OldestVerified)
	}
	if got := ids(f.Worst); !slices.Equal(got, []string{"never", "stale", "fresh", "slow"}) {
		t.Errorf("the worst are %v", got)
	}
	if w := f.Worst[3]; !about(w.Verified, 3*time.Hour) || !about(w.Overdue, -65*time.Minute) {
		t.Errorf("polled seldom: %+v", w)
	}
	if w := f.Worst[0]; w.EmployerRef != "ref-never" || !about(w.Verified, 100*time.Minute) || !about(w.Overdue, 35*time.Minute) {
		t.Errorf("never verified: %+v", w)
	}
	if f.Inbox.Rows != 3 || !about(f.Inbox.Oldest, 70*time.Second) {
		t.Errorf("inbox %+v", f.Inbox)
	}
	if got := ids(f.Named); !slices.Equal(got, []string{"fresh", "stale", "slow", "paused"}) {
		t.Errorf("named are %v", got)
	}
	if c := f.Named[3]; c.Status != mirror.StatusPaused || c.InboxRows != 1 || !about(c.Verified, 5*day) {
		t.Errorf("paused: %+v", c)
	}
	first, err := b.db.FirstConnections(t.Context(), 4)
	if b.must(err); !slices.Equal(first, ids(f.Named)) {
		t.Errorf("the first are %v", first)
	}
}

func TestFleetCountsWhatWaits(t *testing.T) {
	b := setup(t)
	b.connect("acme", "globex")
	b.post("acme", "p1", "One")
	b.post("acme", "p2", "Two")
	b.post("globex", "p3", "Three")
	b.exec(`UPDATE outbox SET event_created_at = now() - interval '10 minutes' WHERE id = (SELECT min(id) FROM outbox)`)
	b.exec(`
		INSERT INTO holds (connection_id, posting_ids, public_count, reason, opened_at, state)
		VALUES ('acme', '{p1}', 1, 'x', now() - interval '2 hours', 'open'), ('globex', '{p3}', 1, 'x', now() - interval '9 hours', 'approved'),
			('acme', '{p2}', 1, 'x', now() - interval '20 hours', 'ended')`)
	b.exec(`
		INSERT INTO quarantine (connection_id, kind, id, reason, shape)
		VALUES ('acme', 'posting', '1', 'x', '{}'), ('acme', 'posting', '2', 'x', '{}'), ('globex', 'job', '1', 'x', '{}')`)
	b.exec(`UPDATE partitions SET expires_at = now() - interval '1 second' WHERE part < 3`)

	f := b.fleet(10)
	if f.Outbox.Rows != 3 || !about(f.Outbox.Oldest, 10*time.Minute) {
		t.Errorf("outbox %+v", f.Outbox)
	}
	if f.Holds.Rows != 1 || !about(f.Holds.Oldest, 2*time.Hour) {
		t.Errorf("holds %+v", f.Holds)
	}
	if f.Quarantined["posting"] != 2 || f.Quarantined["job"] != 1 {
		t.Errorf("quarantine %v", f.Quarantined)
	}
	if f.PartitionsHeld != mirror.Partitions-3 || f.Syncers != 1 || f.DatabaseBytes < 1<<20 {
		t.Errorf("%d partitions of %d syncers, %d bytes", f.PartitionsHeld, f.Syncers, f.DatabaseBytes)
	}
	public := 0
	for _, c := range f.Named {
		public += c.PublicJobs
	}
	if n, err := b.n.PublicJobs(t.Context()); err != nil || n != 3 || public != 3 {
		t.Errorf("%d public jobs, %d of the connections, %v", n, public, err)
	}
	b.exec(`DELETE FROM outbox`)
	if f := b.fleet(0); f.Outbox != (mirror.Waiting{}) || len(f.Named) != 0 {
		t.Errorf("nothing waits: %+v", f.Outbox)
	}
}
