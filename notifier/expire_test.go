package notifier_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// often makes the relay look for long closed jobs all the time.
func often(o *notifier.Options) { o.ExpireEvery = 10 * time.Millisecond }

func longAgo() time.Time { return time.Now().Add(-mirror.ClosedKept - time.Hour) }

// closings commits jobs of every kind that matters: n that were closed long ago after some versions, one closed not so
// long ago, one open for long, one that was closed long ago and opened since, and the connection's own events.
func closings(s *memStore, n int) {
	for i := range n {
		posting := fmt.Sprintf("old%d", i)
		s.commit("c", posting, 1+i%4)
		s.commitAt("c", posting, events.JobClosed, longAgo())
	}
	s.commit("c", "closed", 2)
	s.commitAt("c", "closed", events.JobClosed, longAgo().Add(2*time.Hour))
	s.commitAt("c", "open", events.JobPublished, longAgo())
	s.commitAt("c", "again", events.JobPublished, longAgo())
	s.commitAt("c", "again", events.JobClosed, longAgo())
	s.commitAt("c", "again", events.JobPublished, longAgo())
	s.commit("c", "", 3)
}

func (r running) count(t *testing.T, name string, want int) {
	t.Helper()
	if got := r.metric(t, "ashbridge_relay_"+name); got != float64(want) {
		t.Errorf("%s is %v, want %d", name, got, want)
	}
}

// audited waits until the relay must have audited the stream since.
func audited(t *testing.T, s *memStore) {
	t.Helper()
	reads := s.readCount()
	bustest.Eventually(t, "the stream is audited", func() bool { return s.readCount() > reads+30 })
}

func expired(t *testing.T, s *memStore) {
	t.Helper()
	drained(t, s)
	bustest.Eventually(t, "the long closed jobs are forgotten", func() bool { return s.placed() == 0 })
}

func TestLongClosedJobsLeaveTheStream(t *testing.T) {
	t.Parallel()
	const n = 230 // several batches
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	closings(s, n)
	r := start(t, s, b, "a", often)
	expired(t, s)
	audited(t, s)
	judge(t, b, s, true)
	r.count(t, "expired_total", n)
	r.count(t, "stream_losses_total", 0)
	r.count(t, "repaired_events_total", 0)
	r.count(t, "failures_total", 0)
	r.count(t, "resyncs_total", 1)

	// A loss is still noticed.
	if err := b.DropBefore(t.Context(), "jobs.v1.c.open", 0); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the loss is repaired", func() bool {
		return r.metric(t, "ashbridge_relay_repaired_events_total") == 1
	})
	judge(t, b, s, true)
}

// What was due before this process began to relay goes soon, whatever the pause.
func TestExpiryAtStart(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	first := start(t, s, b, "a")
	closings(s, 0)
	s.commit("c", "old", 2)
	s.commitAt("c", "old", events.JobClosed, time.Now())
	drained(t, s)
	first.stop()
	s.set(func() {
		l := s.log["jobs.v1.c.old"]
		l[len(l)-1].CreatedAt = longAgo()
	})
	second := start(t, s, b, "b")
	expired(t, s)
	judge(t, b, s, true)
	second.count(t, "stream_losses_total", 0)
}

func TestExpiredJobOpensAgain(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	first := start(t, s, b, "a", often)
	closings(s, 3)
	expired(t, s)
	s.commitAt("c", "old1", events.JobPublished, time.Now()) // version 4 after three that are gone
	s.commitAt("c", "old1", events.JobUpdated, time.Now())
	drained(t, s)
	audited(t, s)
	judge(t, b, s, false)
	msgs := readStream(t, b)["jobs.v1.c.old1"]
	if len(msgs) != 2 || msgs[0].version != 4 || msgs[1].version != 5 {
		t.Errorf("%d messages after opening again", len(msgs))
	}
	first.count(t, "stream_losses_total", 0)
	first.stop()

	// The comparison at the beginning of a term takes its history for whole.
	second := start(t, s, b, "b", often)
	s.commitAt("c", "old1", events.JobUpdated, time.Now())
	drained(t, s)
	judge(t, b, s, false)
	second.count(t, "repaired_events_total", 0)
	second.count(t, "dropped_histories_total", 0)
}

// A process that dies between the removal and the store's forgetting leaves jobs in the store that are gone from the
// stream.
func TestCrashBeforeForgetting(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"another_takes_over", "the_same_goes_on"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
			s := newStore(t)
			var once sync.Once
			crashed := make(chan struct{})
			s.set(func() {
				s.beforeForgotten = func() error {
					once.Do(func() { close(crashed) })
					return errCrash
				}
			})
			closings(s, 5)
			r := start(t, s, b, "a", often)
			<-crashed
			if name == "another_takes_over" {
				r.stop()
				r = start(t, s, b, "b", often)
			}
			audited(t, s)
			r.count(t, "expired_total", 0)
			if s.placed() == 0 {
				t.Error("forgotten in spite of the fault")
			}
			s.set(func() { s.beforeForgotten = nil })
			expired(t, s)
			audited(t, s)
			judge(t, b, s, true)
			r.count(t, "expired_total", 5)
			r.count(t, "stream_losses_total", 0)
			r.count(t, "repaired_events_total", 0)
		})
	}
}

func TestRebuildWithoutExpiredJobs(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	closings(s, 20)
	r := start(t, s, b, "a", often)
	expired(t, s)
	srv.Stop()
	srv.Wipe()
	srv.Start()
	bustest.Eventually(t, "the latest of all is back", func() bool { return complete(t, b, s) })
	audited(t, s)
	judge(t, b, s, true)
	r.count(t, "expired_total", 20)
	r.count(t, "stream_losses_total", 1)
}

// An older copy of the stream brings back jobs that had left it, here as open ones.
func TestOlderCopyWithExpiredJobs(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	closings(s, 0)
	s.commit("c", "old", 3)
	r := start(t, s, b, "a", often)
	drained(t, s)
	srv.Stop()
	saved := srv.Save()
	srv.Start()
	bustest.Ready(t, b)
	s.commitAt("c", "old", events.JobClosed, longAgo())
	expired(t, s)
	bustest.Eventually(t, "it is counted", func() bool { return r.metric(t, "ashbridge_relay_expired_total") == 1 })
	srv.Stop()
	srv.Restore(saved)
	srv.Start()
	bustest.Eventually(t, "it is removed again", func() bool { return r.metric(t, "ashbridge_relay_expired_total") == 2 })
	audited(t, s)
	judge(t, b, s, true)
	r.count(t, "stream_losses_total", 1)
}

// The answer to a removal may get lost.
func TestUnknownOutcomeOfExpiry(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	direct := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	proxy := bustest.StartProxy(t, srv.Addr())
	b := bustest.Ready(t, bustest.Connect(t, proxy.URL()))
	s := newStore(t)
	removal, err := direct.Conn().Subscribe("$JS.API.STREAM.PURGE."+bus.StreamJobs, func(*nats.Msg) { proxy.LoseReplies() })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(removal.AutoUnsubscribe(1), direct.Conn().Flush()); err != nil {
		t.Fatal(err)
	}
	const n = 50 // enough for the loss to begin among them
	closings(s, n)
	r := start(t, s, b, "a", often)
	drained(t, s)
	bustest.Eventually(t, "an answer got lost", func() bool { return proxy.Lost() > 0 })
	proxy.Cut()
	expired(t, s)
	audited(t, s)
	judge(t, direct, s, true)
	r.count(t, "expired_total", n)
	r.count(t, "stream_losses_total", 0)
	r.count(t, "repaired_events_total", 0)
}

// A relay that stood still past its lease before it removed a job leaves the job alone that another published since.
func TestPausedExpiry(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	s := newStore(t)
	var once sync.Once
	standby, resume := make(chan struct{}), make(chan struct{})
	s.set(func() {
		s.afterExpired = func() {
			once.Do(func() {
				close(standby)
				<-resume
			})
		}
	})
	a := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	old := start(t, credulous{s}, a, "a", often)
	s.commit("c", "other", 2)
	s.commit("c", "old", 2)
	s.commitAt("c", "old", events.JobClosed, longAgo())
	<-standby
	s.commitAt("c", "old", events.JobPublished, time.Now())
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	start(t, s, b, "b")
	drained(t, s)
	resyncs := old.metric(t, "ashbridge_relay_resyncs_total")
	close(resume)
	bustest.Eventually(t, "the first relay notices", func() bool {
		return old.metric(t, "ashbridge_relay_resyncs_total") > resyncs
	})
	judge(t, b, s, false)
	old.count(t, "expired_total", 0)
}

// Removing the last message of the stream leaves the relay's place where it was.
func TestExpiryAtTheEnd(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	s := newStore(t)
	r := start(t, s, b, "a", often)
	s.commit("c", "other", bus.KeptPerSubject)
	s.commit("c", "old", 2)
	s.commitAt("c", "old", events.JobClosed, longAgo())
	expired(t, s)
	srv.Stop()
	srv.Start()
	bustest.Eventually(t, "the relay is back", func() bool { return r.metric(t, "ashbridge_relay_resyncs_total") > 1 })
	s.commit("c", "other", 1)
	drained(t, s)
	judge(t, b, s, true)
	r.count(t, "stream_losses_total", 0)
}
