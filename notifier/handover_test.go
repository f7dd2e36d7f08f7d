package notifier_test

import (
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/notifier"
)

// impatient relays without NATS for a moment only.
func impatient(o *notifier.Options) { o.BusPatience = 200 * time.Millisecond }

func (r running) relays(t *testing.T) bool {
	t.Helper()
	return r.metric(t, "ashbridge_relay_lease_held") == 1
}

func (r running) terms(t *testing.T) float64 {
	t.Helper()
	return r.metric(t, "ashbridge_relay_terms_total")
}

// NATS that is away from the process that relays stops nothing where another has it, and nothing changes hands where it is
// away from all.
func TestLeaseGoesToWhoHasNATS(t *testing.T) {
	t.Parallel()
	srv, away := bustest.StartServer(t), bustest.NewServer(t)
	s := newStore(t)
	s.commit("c", "1", 2)
	first := start(t, s, bustest.Connect(t, away.URL()), "a", impatient)
	bustest.Eventually(t, "one without NATS relays while there is no other", func() bool { return first.relays(t) })
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	second := start(t, s, b, "b", impatient)
	drained(t, s)
	judge(t, b, s, true)

	srv.Stop()
	s.commit("c", "1", 1)
	began, reads := time.Now(), s.readCount()
	bustest.Eventually(t, "the outbox is looked at while NATS is away from both", func() bool {
		return s.readCount() > reads+2 && time.Since(began) > 2*time.Second
	})
	if first.terms(t) != 1 || second.terms(t) != 1 || !second.relays(t) || first.relays(t) {
		t.Errorf("terms %v and %v", first.terms(t), second.terms(t))
	}
	if second.metric(t, "ashbridge_relay_outbox_age_seconds") <= 0 {
		t.Error("the outbox's age is not shown")
	}
	srv.Start()
	drained(t, s)
	judge(t, b, s, true)
}

// Of those that stand by, one with NATS takes over; without one, any.
func TestWhoHasNoNATSStandsBack(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	free := func(until time.Time) { s.set(func() { s.owner, s.until = "stranger", until }) }
	free(time.Now().Add(time.Hour))
	without := start(t, s, bustest.Connect(t, bustest.NewServer(t).URL()), "a")
	with := start(t, s, bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL())), "b")
	announced := func() bool {
		owner, err := s.LeaseOwner(t.Context(), notifier.StandbyLease)
		return err == nil && owner == "b"
	}
	for range 3 {
		bustest.Eventually(t, "the one with NATS says so", announced)
		free(time.Time{})
		bustest.Eventually(t, "it takes over", func() bool { return with.relays(t) })
		bustest.Eventually(t, "it stands by no more", func() bool { return !announced() })
		free(time.Now().Add(time.Hour))
		bustest.Eventually(t, "it loses the lease", func() bool { return !with.relays(t) })
	}
	if n := without.terms(t); n != 0 {
		t.Errorf("the one without NATS relayed %v times", n)
	}
	bustest.Eventually(t, "the one with NATS says so", announced)
	with.stop()
	if announced() {
		t.Error("one that ended still stands by")
	}
	free(time.Time{})
	bustest.Eventually(t, "the one without NATS takes over", func() bool { return without.relays(t) })
}
