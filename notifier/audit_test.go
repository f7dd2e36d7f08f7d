package notifier_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// slowly leaves so much time between two audits that much can happen in it.
func slowly(o *notifier.Options) { o.AuditEvery = time.Second }

// A loss between two audits is noticed even if as many messages came as went.
func TestLossBehindAsManyNewMessages(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	s.commit("c", "lost", 3)
	s.commit("c", "kept", 3)
	r := start(t, s, b, "a", slowly)
	drained(t, s)
	if err := b.DropBefore(t.Context(), "jobs.v1.c.lost", 0); err != nil {
		t.Fatal(err)
	}
	s.commit("c", "kept", 2)
	s.commit("c", "new", 1)
	drained(t, s)
	if info, err := b.JobsInfo(t.Context()); err != nil || info.Messages != 6 || info.Subjects != 2 {
		t.Fatalf("%+v, %v: the loss was to be hidden", info, err)
	}
	bustest.Eventually(t, "the loss is noticed", func() bool {
		return r.labelled(t, "ashbridge_relay_stream_losses_total", "missing") == 1
	})
	bustest.Eventually(t, "and repaired", func() bool { return complete(t, b, s) })
	judge(t, b, s, true)
	r.count(t, "repaired_events_total", 3)
}

// What goes on a subject that is full makes the stream no longer: the relay knows that.
func TestFullSubjectsAreNoLoss(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	r := start(t, s, b, "a")
	for range 5 {
		s.commit("c", "long", bus.KeptPerSubject)
		s.commit("c", "short", 1)
		drained(t, s)
		audited(t, s)
	}
	r.count(t, "resyncs_total", 1)
	r.count(t, "stream_losses_total", 0)
	judge(t, b, s, true)
}

// On a subject with all the messages that are kept, of which the oldest cannot be read, nats-server stores what is
// published, does not answer, and refuses all that is fenced from then on.
func TestUnreadableMessageThatIsDueToGo(t *testing.T) {
	t.Parallel()
	w := newDamaged(t, false)
	// It has just compared everything, and will not soon do so again.
	r := start(t, w.s, w.b, "a", func(o *notifier.Options) { o.AuditEvery = time.Hour })
	w.board = newBoard(t, w.b)
	w.s.commit("c", "early7", 12) // 16 by now
	drained(t, w.s)
	w.s.mu.Lock()
	oldest := w.s.log["jobs.v1.c.early7"][0].EventID
	w.s.mu.Unlock()
	w.restart(func() { w.srv.Flip(oldest) })
	w.s.commit("c", "early7", 1)
	w.s.commit("c", "late7", 1)
	w.check(r, "unreadable")
}

// Postgres was set back to an older copy: the stream has versions that it does not know, and boards have seen them. The
// comparison of the whole stream shows it, which no number does.
func TestDatabaseSetBack(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	s.commit("c", "1", 5)
	s.commit("c", "2", 2)
	s.commit("c", "", 4)
	r := start(t, s, b, "a", func(o *notifier.Options) { o.CompareEvery = 200 * time.Millisecond })
	drained(t, s)
	s.set(func() {
		for _, subject := range []string{"jobs.v1.c.1", "connections.v1.c"} {
			s.log[subject] = s.log[subject][:2]
		}
		delete(s.seqs, "jobs.v1.c.1")
	})
	bustest.Eventually(t, "the job is told anew, above what was seen", func() bool {
		c, err := b.Contents(t.Context())
		return err == nil && c.Places["jobs.v1.c.1"].Version == 6 && s.waiting() == 0
	})
	audited(t, s)
	judge(t, b, s, false)
	if got := r.labelled(t, "ashbridge_relay_stream_losses_total", "foreign"); got != 1 {
		t.Errorf("%v losses", got)
	}
}

// A relay that was started with another database leaves the stream alone.
func TestStreamOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	first := start(t, s, b, "a")
	for i := range 30 {
		s.commit("c", fmt.Sprint(i), 2)
	}
	drained(t, s)
	first.stop()
	second := start(t, newStore(t), b, "b")
	bustest.Eventually(t, "it has looked", func() bool {
		return second.labelled(t, "ashbridge_relay_stream_losses_total", "foreign") == 1
	})
	second.stop()
	judge(t, b, s, true)
}

// Somebody changes the stream's shape; it gets its own again.
func TestShapeIsKept(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	start(t, s, b, "a")
	s.commit("c", "1", 2)
	drained(t, s)
	stream, err := b.JetStream().Stream(t.Context(), events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxAge = 24 * time.Hour
	if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the stream has its shape again", func() bool {
		info, err := b.JobsInfo(t.Context())
		return err == nil && !info.Misshapen
	})
	judge(t, b, s, true)
}

// The network is gone while the stream is damaged, and events wait.
func TestLossBehindAPartition(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	proxy := bustest.StartProxy(t, srv.Addr())
	b := bustest.Ready(t, bustest.Connect(t, proxy.URL()))
	direct := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	history(s)
	r := start(t, s, b, "a")
	drained(t, s)
	proxy.LoseRequests()
	proxy.LoseReplies()
	s.commit("c", "p7", 2)
	if err := direct.DropBefore(t.Context(), "jobs.v1.c.p4", 0); err != nil {
		t.Fatal(err)
	}
	s.commit("c", "p8", 2)
	proxy.Cut()
	drained(t, s)
	bustest.Eventually(t, "the loss is repaired", func() bool {
		return r.labelled(t, "ashbridge_relay_stream_losses_total", "missing") == 1 && complete(t, direct, s)
	})
	judge(t, direct, s, true)
}
