package notifier_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// history commits jobs with few and with many versions, and connection events.
func history(s *memStore) {
	for i := range 60 {
		s.commit("c", fmt.Sprintf("p%d", i), 1+i%5)
	}
	s.commit("c", "long", 40)
	s.commit("c", "", 3)
}

func TestRepair(t *testing.T) {
	t.Parallel()
	type world struct {
		srv *bustest.Server
		b   *bus.Bus
		s   *memStore
	}
	for name, lose := range map[string]func(t *testing.T, w world){
		"wiped_directory": func(_ *testing.T, w world) {
			w.srv.Stop()
			w.srv.Wipe()
			w.srv.Start()
		},
		"wiped_while_events_wait": func(_ *testing.T, w world) {
			w.srv.Stop()
			w.srv.Wipe()
			history(w.s)
			w.srv.Start()
		},
		"purged": func(t *testing.T, w world) {
			stream, err := w.b.JetStream().Stream(t.Context(), bus.StreamJobs)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"one_subject_purged": func(t *testing.T, w world) {
			if err := w.b.DropBefore(t.Context(), "jobs.v1.c.p4", 0); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, w world) {
			if err := w.b.JetStream().DeleteStream(t.Context(), bus.StreamJobs); err != nil {
				t.Fatal(err)
			}
		},
		"older_copy": func(t *testing.T, w world) {
			w.srv.Stop()
			saved := w.srv.Save()
			w.srv.Start()
			bustest.Ready(t, w.b)
			for i := range 20 {
				w.s.commit("c", fmt.Sprintf("p%d", i), 3)
			}
			w.s.commit("c", "new", 2)
			w.s.commit("c", "long", 30)
			drained(t, w.s)
			w.srv.Stop()
			w.srv.Restore(saved)
			w.s.commit("c", "p3", 2)
			w.srv.Start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{srv: bustest.StartServer(t), s: newStore(t)}
			w.b = bustest.Ready(t, bustest.Connect(t, w.srv.URL()))
			r := start(t, w.s, w.b, "a")
			history(w.s)
			drained(t, w.s)
			bustest.Eventually(t, "an audit has seen the stream", func() bool { return w.s.readCount() > 30 })

			lose(t, w)
			bustest.Eventually(t, "the loss is repaired", func() bool {
				return r.metric(t, "ashbridge_relay_repaired_events_total") > 0
			})
			drained(t, w.s)
			bustest.Eventually(t, "the latest of all is back", func() bool { return complete(t, w.b, w.s) })
			judge(t, w.b, w.s, name != "older_copy")
			if got := r.metric(t, "ashbridge_relay_stream_losses_total"); got < 1 {
				t.Errorf("%v repairs counted", got)
			}
			w.s.commit("c", "p1", 2)
			w.s.commit("c", "", 1)
			drained(t, w.s)
			judge(t, w.b, w.s, name != "older_copy")
		})
	}
}

// complete says whether the last version of each subject is in the stream.
func complete(t *testing.T, b *bus.Bus, s *memStore) bool {
	c, err := b.Contents(t.Context())
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for subject, l := range s.log {
		if !s.longClosed(subject) && c.Places[subject].Version != l[len(l)-1].Version {
			return false
		}
	}
	return true
}

// A loss while no relay ran is found when one begins.
func TestRepairAtStart(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	s := newStore(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	first := start(t, s, b, "a")
	history(s)
	drained(t, s)
	first.stop()
	srv.Stop()
	srv.Wipe()
	srv.Start()
	s.commit("c", "p1", 1)
	start(t, s, b, "b")
	drained(t, s)
	bustest.Eventually(t, "the latest of all is back", func() bool { return complete(t, b, s) })
	judge(t, b, s, true)
}

// What a flipped bit in the middle of the stream leaves: some subjects lost their first versions, some a middle one, some
// their last, some all. The sequences still look right.
func TestRepairOfHoles(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	first := start(t, s, b, "a")
	for _, posting := range []string{"first", "middle", "last", "all", "none"} {
		s.commit("c", posting, 5)
	}
	drained(t, s)
	first.stop()

	var kept []bus.Msg
	for subject, msgs := range readStream(t, b) {
		for _, m := range msgs {
			lost := subject == events.JobSubject("c", "first") && m.version <= 2 ||
				subject == events.JobSubject("c", "middle") && m.version == 3 ||
				subject == events.JobSubject("c", "last") && m.version >= 4 ||
				subject == events.JobSubject("c", "all")
			if lost {
				continue
			}
			kept = append(kept, bus.Msg{Subject: subject, ID: m.id, Version: m.version, Type: m.event.Type, Data: body(t, m)})
		}
	}
	if err := b.JetStream().DeleteStream(t.Context(), bus.StreamJobs); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	last, err := b.PublishBatch(t.Context(), kept, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := b.JobsInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.state.CreatedAt, s.state.LastSeq = info.Created, last })

	second := start(t, s, b, "b")
	bustest.Eventually(t, "the latest of all is back", func() bool { return complete(t, b, s) })
	s.commit("c", "middle", 1)
	drained(t, s)
	// Events that were never lost keep the sequence of this rebuilt stream, which nobody noted.
	s.set(func() {
		for subject, msgs := range readStream(t, b) {
			p := s.seqs[subject]
			p.Seq = msgs[len(msgs)-1].seq
			s.seqs[subject] = p
		}
	})
	judge(t, b, s, false)
	if got := second.metric(t, "ashbridge_relay_dropped_histories_total"); got != 1 {
		t.Errorf("%v histories dropped, want the one with a hole in the middle", got)
	}
	if got := second.metric(t, "ashbridge_relay_repaired_events_total"); got != 7 {
		t.Errorf("%v events repaired, want 2 of last and 5 of all", got)
	}
}

// Everything at once: relays die, the network breaks, NATS restarts, is purged, wiped and set back.
func TestChaos(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	proxy := bustest.StartProxy(t, srv.Addr())
	s := newStore(t)
	b := bustest.Connect(t, proxy.URL())
	direct := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	rng := rand.New(rand.NewPCG(7, 7))
	relay := start(t, s, b, "relay-0")
	saved := ""
	for step := range 25 {
		for range 1 + rng.IntN(30) {
			s.commit(fmt.Sprintf("c%d", rng.IntN(3)), fmt.Sprint(rng.IntN(20)), 1+rng.IntN(3))
		}
		switch rng.IntN(9) {
		case 0:
			relay.stop()
			relay = start(t, s, b, fmt.Sprintf("relay-%d", step))
		case 1:
			lost := proxy.Lost()
			proxy.LoseReplies()
			bustest.Eventually(t, "the relay heard nothing", func() bool { return proxy.Lost() > lost || s.waiting() == 0 })
			proxy.Cut()
		case 2:
			proxy.Cut()
		case 3:
			srv.Stop()
			if saved == "" {
				saved = srv.Save()
			} else if rng.IntN(2) == 0 {
				srv.Restore(saved)
				saved = ""
			}
			srv.Start()
		case 4:
			srv.Stop()
			if rng.IntN(3) == 0 {
				srv.Wipe()
				saved = ""
			}
			srv.Start()
		case 5:
			bustest.Ready(t, direct)
			if stream, err := direct.JetStream().Stream(t.Context(), bus.StreamJobs); err == nil {
				_ = stream.Purge(t.Context())
			}
		case 6:
			drained(t, s)
		}
	}
	drained(t, s)
	bustest.Ready(t, direct)
	bustest.Eventually(t, "the latest of all is there", func() bool { return complete(t, direct, s) && s.waiting() == 0 })
	judge(t, direct, s, false)
}

func body(t *testing.T, m stored) []byte {
	t.Helper()
	raw, err := json.Marshal(m.event)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
