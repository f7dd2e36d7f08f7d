package syncer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := New(Options{MaxPolls: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Leases", "Schedule", "Store", "Progress", "Bus", "NewClient", "Seal", "Cleaner",
		"Owner", "Logger", "Metrics", "negative",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %q", want, err)
		}
	}
}

func TestRunHoldsPartitionsAndGivesThemUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.pass(time.Second)
		if got := len(b.syncer.Parts()); got != mirror.Partitions {
			t.Fatalf("%d partitions", got)
		}
		began := time.Now()
		b.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopping took %s", took)
		}
		for part, p := range b.parts {
			if p.owner != "" {
				t.Fatalf("partition %d still belongs to %s", part, p.owner)
			}
		}
		b.leases(mirror.Partitions, 0, mirror.Partitions)
	})
}

func TestRunEndsInTheMiddleOfWorkAndAnotherGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.publish("a", "b")
		b.setHold(func(ctx context.Context, method, id string) {
			if method == "jobPosting.info" && id == "b" {
				<-ctx.Done()
			}
		})
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		began := time.Now()
		b.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopping took %s", took)
		}
		if got := b.sync().LastError; got != "" {
			t.Errorf("a stop counts as failure: %q", got)
		}
		b.setHold(nil)
		b.start("two")
		b.pass(10 * time.Second)
		if len(b.events("a")) != 1 || len(b.events("b")) != 1 || b.sync().FirstSyncedAt == nil {
			t.Errorf("events %+v", b.events(""))
		}
	})
}

// A partition that was given up is worked on again at once, and not when the leases are renewed next.
func TestVacantPartitionsAreTakenAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const look = 300 * time.Millisecond
		b := setup(t, func(o *Options) { o.LookEvery = look })
		part := mirror.Part(conn)
		b.pass(time.Second)
		b.steal(part, time.Minute)
		b.pass(20 * time.Second)
		if b.syncer.partition(part) != nil {
			t.Fatal("two have it")
		}
		b.steal(part, 0) // and gives it up
		b.pass(look)
		if b.syncer.partition(part) == nil {
			t.Error("nobody has it")
		}
	})
}

func TestLeaseLostInTheMiddleOfAPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a", "b")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		part := mirror.Part(conn)
		b.setHold(func(_ context.Context, method, _ string) {
			if method == "jobPosting.info" {
				b.setHold(nil)
				b.steal(part, 30*time.Second)
			}
		})
		b.pollNow()
		if got := len(b.events("a")); got != 1 {
			t.Fatalf("%d events: written without a lease", got)
		}
		if b.sync().LastError != "" {
			t.Error("a lost lease counts as a failed poll")
		}
		if b.syncer.partition(part) != nil {
			t.Error("the partition is still worked on")
		}
		b.pass(10 * time.Minute) // the thief's lease ends, and the partition comes back
		if b.syncer.partition(part) == nil || len(b.events("a")) != 2 {
			t.Errorf("not taken up again: %d events", len(b.events("a")))
		}
		b.leases(mirror.Partitions+1, 1, 0)
	})
}

// TestFormerOwnerNotesNothing: the poll finds nothing to apply, so that only its own progress is left to refuse.
func TestFormerOwnerNotesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		before := b.sync()
		part := mirror.Part(conn)
		b.setHold(func(_ context.Context, method, _ string) {
			if method == "job.list" {
				b.setHold(nil)
				b.steal(part, 30*time.Second)
			}
		})
		b.pollNow()
		if s := b.sync(); !s.LastVerifiedAt.Equal(*before.LastVerifiedAt) || s.LastError != "" {
			t.Errorf("noted without a lease: %+v", s)
		}
		if b.syncer.partition(part) != nil {
			t.Error("the partition is still worked on")
		}
	})
}

func TestPartitionsAreDroppedWhenRenewingFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.world.mu.Lock()
		b.noLeases = true
		b.world.mu.Unlock()
		b.pass(9 * time.Second)
		if len(b.syncer.Parts()) == 0 {
			t.Error("dropped while the leases are still good")
		}
		b.pass(7 * time.Second)
		if got := b.syncer.Parts(); len(got) != 0 {
			t.Errorf("%d partitions are worked on after their leases ended", len(got))
		}
		b.world.mu.Lock()
		b.noLeases = false
		b.world.mu.Unlock()
		b.pass(10 * time.Second)
		if got := len(b.syncer.Parts()); got != mirror.Partitions {
			t.Errorf("%d partitions after recovery", got)
		}
		b.leases(2*mirror.Partitions, mirror.Partitions, 0)
	})
}

// leases says how often partitions are to have been taken, lost and released.
func (b *bundle) leases(taken, lost, released int) {
	b.t.Helper()
	for change, want := range map[string]int{leaseTaken: taken, leaseLost: lost, leaseReleased: released} {
		if got := b.count("lease_changes_total", change); got != float64(want) {
			b.t.Errorf("%s %g times, want %d", change, got, want)
		}
	}
}

func TestWorkGoesOnWithoutTheBus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t)
		b.bus.down = true
		b.publish("a")
		b.connect(conn, "key")
		b.pass(3 * time.Second)
		if len(b.events("a")) != 1 || b.sync().FirstSyncedAt == nil {
			t.Fatal("no poll without the bus")
		}
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.webhook(ashby.KindPosting, "a")
		b.pass(10 * time.Second)
		if len(b.events("a")) != 2 || b.openRows() != 0 {
			t.Error("the inbox is not drained without the bus")
		}
		if b.count("direct_hints_total", "") == 0 {
			t.Error("not counted")
		}
	})
}

func TestLostHintsAreGivenAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := synced(t, "a")
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed"})
		b.deliver(mirror.Hint{Connection: conn, Kind: "posting", ID: "a"})
		b.pass(10 * time.Second)
		if len(b.events("a")) != 2 || b.openRows() != 0 {
			t.Error("a webhook whose hint was lost stays unanswered")
		}
		// A bus that takes hints and delivers none is gone around.
		b.bus.mu.Lock()
		b.bus.deaf = true
		b.bus.mu.Unlock()
		b.put(ashby.KindPosting, "a", map[string]any{"title": "Changed again"})
		b.deliver(mirror.Hint{Connection: conn, Kind: "posting", ID: "a"})
		b.pass(time.Minute)
		if len(b.events("a")) != 3 || b.openRows() != 0 {
			t.Error("a deaf bus keeps a webhook unanswered")
		}
	})
}

func TestPollsAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := setup(t, func(o *Options) { o.MaxPolls = 2 })
		gate := make(chan struct{})
		b.setHold(func(context.Context, string, string) { <-gate })
		for _, id := range []string{"c1", "c2", "c3", "c4", "c5", "c6"} {
			b.connect(id, "key")
		}
		b.pass(5 * time.Second)
		if calls := b.called(); len(calls) != 2 {
			t.Errorf("calls %v at once, want one of each of two polls", calls)
		}
		close(gate)
		b.pass(10 * time.Second)
		if got := b.count("polls_total", "ok"); got != 6 {
			t.Errorf("%v polls", got)
		}
	})
}
