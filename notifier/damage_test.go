package notifier_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// damaged is a stream of several block files, a relay that fed it, and a board that has read it.
type damaged struct {
	t     *testing.T
	srv   *bustest.Server
	b     *bus.Bus
	s     *memStore
	board *board
	saved string
}

// newDamaged fills JOBS: the first block holds the jobs early0 to early9, some with several versions, one with more than
// are kept; the last block holds late0 to late9. Where several blocks are wanted, large ones lie between.
func newDamaged(t *testing.T, several bool) *damaged {
	t.Helper()
	w := &damaged{t: t, srv: bustest.StartServer(t), s: newStore(t)}
	w.b = bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: w.srv.URL(), MaxBytesJobs: 16 << 20}))
	for i := range 10 {
		w.s.commit("c", fmt.Sprintf("early%d", i), 1+i%4)
	}
	w.s.commit("c", "long", 20)
	w.s.commit("c", "", 2)
	for i := range 5 {
		if several {
			w.s.large("c", fmt.Sprintf("large%d", i), 900<<10)
		}
	}
	for i := range 10 {
		w.s.commit("c", fmt.Sprintf("late%d", i), 1+i%3)
	}
	return w
}

// id is the event id of a job's latest version.
func (w *damaged) id(posting string) string {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	l := w.s.log[events.JobSubject("c", posting)]
	return l[len(l)-1].EventID
}

// restart damages the files of the stopped server.
func (w *damaged) restart(damage func()) {
	w.srv.Stop()
	damage()
	w.srv.Start()
}

func (w *damaged) stream() jetstream.Stream {
	w.t.Helper()
	s, err := w.b.JetStream().Stream(w.t.Context(), bus.StreamJobs)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *damaged) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// foreign publishes as somebody who has the relay's permissions and is not the relay.
func (w *damaged) foreign(subject string, headers ...string) {
	w.t.Helper()
	m := nats.NewMsg(subject)
	m.Data = []byte(`{"what":"not ours"}`)
	for i := 0; i < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	_, err := w.b.JetStream().PublishMsg(w.t.Context(), m)
	w.must(err)
}

// When a damage happens, and what it needs.
const (
	up     = 1 << iota // while the relay runs
	down               // while it does not
	blocks             // several block files
	copied             // an older copy of the store
)

// damages are what can happen to a stream, with the kind as which it is reported.
var damages = []struct {
	name string
	when int
	kind string
	do   func(w *damaged)
}{
	{"store wiped", down, "recreated", func(w *damaged) { w.restart(w.srv.Wipe) }},
	{"stream deleted", down, "recreated", func(w *damaged) {
		w.must(w.b.JetStream().DeleteStream(w.t.Context(), bus.StreamJobs))
	}},
	{"stream made by another", up, "recreated", func(w *damaged) {
		bustest.Eventually(w.t, "made before the relay makes it", func() bool {
			_ = w.b.JetStream().DeleteStream(w.t.Context(), bus.StreamJobs)
			_, err := w.b.JetStream().CreateStream(w.t.Context(), jetstream.StreamConfig{
				Name: bus.StreamJobs, Subjects: events.Subjects(), MaxMsgsPerSubject: 1,
			})
			return err == nil
		})
	}},
	{"stream purged", up | down, "purged", func(w *damaged) { w.must(w.stream().Purge(w.t.Context())) }},
	{"first half purged", up, "missing", func(w *damaged) {
		w.must(w.stream().Purge(w.t.Context(), jetstream.WithPurgeSequence(20)))
	}},
	{"subject purged", down, "missing", func(w *damaged) { w.must(w.b.DropBefore(w.t.Context(), "jobs.v1.c.early7", 0)) }},
	{"history purged", up | down, "missing", func(w *damaged) {
		w.must(w.stream().Purge(w.t.Context(), jetstream.WithPurgeSubject("jobs.v1.c.early7"), jetstream.WithPurgeKeep(1)))
	}},
	{"kept per subject lowered", up, "missing", func(w *damaged) {
		cfg := w.stream().CachedInfo().Config
		cfg.MaxMsgsPerSubject = 1
		_, err := w.b.JetStream().UpdateStream(w.t.Context(), cfg)
		w.must(err)
	}},
	{"bit flipped in first block", up | down | blocks, "unreadable", func(w *damaged) {
		w.restart(func() { w.srv.Flip(w.id("early7")) })
	}},
	{"bit flipped in last block", up | blocks, "unreadable", func(w *damaged) {
		w.restart(func() { w.srv.Flip(w.id("late4")) })
	}},
	{"bit flipped in first block, server killed", down | blocks, "missing", func(w *damaged) {
		w.restart(func() { w.srv.Flip(w.id("early7")); w.srv.DropIndex() })
	}},
	{"bit flipped in last block, server killed", up | blocks, "truncated", func(w *damaged) {
		w.restart(func() { w.srv.Flip(w.id("late4")); w.srv.DropIndex() })
	}},
	{"first block cut", down | blocks, "", func(w *damaged) { w.restart(func() { w.srv.Cut(w.id("early7")) }) }},
	{"last block cut", up | blocks, "", func(w *damaged) { w.restart(func() { w.srv.Cut(w.id("late4")) }) }},
	{"index deleted", up, "none", func(w *damaged) { w.restart(w.srv.DropIndex) }},
	{"older copy", down | copied, "truncated", func(w *damaged) { w.restart(func() { w.srv.Restore(w.saved) }) }},
	{"older copy, written to since", up | copied, "", func(w *damaged) {
		w.restart(func() { w.srv.Restore(w.saved) })
		bustest.Eventually(w.t, "the server is back", func() bool { return w.b.Connected() })
		for i := range 30 {
			_, _ = w.b.JetStream().Publish(w.t.Context(), "jobs.v1.c.early1", fmt.Appendf(nil, `{"i":%d}`, i))
		}
	}},
	{"foreign message", up | down, "foreign", func(w *damaged) { w.foreign("jobs.v1.c.early7") }},
	{"foreign subject", up, "foreign", func(w *damaged) { w.foreign("jobs.v1.c.nobody", events.HeaderVersion, "1", "Nats-Msg-Id", "x") }},
	{"message of another stream", up | down, "foreign", func(w *damaged) {
		js := w.b.JetStream()
		_, err := js.Publish(w.t.Context(), "spill.a", []byte("{}"))
		w.must(err)
		odd, err := js.CreateConsumer(w.t.Context(), bus.StreamSpill, jetstream.ConsumerConfig{Name: "odd", AckPolicy: jetstream.AckExplicitPolicy})
		w.must(err)
		w.must(w.b.Conn().PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+bus.StreamSpill+".odd", "jobs.v1.c.nobody", nil))
		bustest.Eventually(w.t, "it is sent to JOBS", func() bool {
			info, err := odd.Info(w.t.Context())
			return err == nil && info.Delivered.Consumer == 1
		})
	}},
	{"forged version", down, "foreign", func(w *damaged) {
		w.foreign("jobs.v1.c.early7", events.HeaderVersion, "99", "Nats-Msg-Id", "forged")
	}},
}

// Each damage, with the relay running or not, while new events are committed: afterwards the stream tells what the
// database does, with the same ids and versions, and a board's consumer that had read everything gets what is new.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, d := range damages {
		for _, when := range []int{up, down} {
			if d.when&when == 0 {
				continue
			}
			name := strings.ReplaceAll(d.name, " ", "_") + map[int]string{up: "/up", down: "/down"}[when]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newDamaged(t, d.when&blocks > 0)
				r := start(t, w.s, w.b, "a")
				w.board = newBoard(t, w.b)
				drained(t, w.s)
				if d.when&blocks > 0 && len(w.srv.Blocks()) != 2 {
					t.Fatalf("%d blocks, want 2", len(w.srv.Blocks()))
				}
				if d.when&copied > 0 {
					w.restart(func() { w.saved = w.srv.Save() })
				}
				w.s.commit("c", "early2", 2)
				w.s.commit("c", "late2", 1)
				drained(t, w.s)
				w.board.catchUp(w.s)
				if when == down {
					r.stop()
				}
				var writer sync.WaitGroup
				writer.Go(func() {
					for i := range 40 {
						w.s.commit("c", fmt.Sprintf("early%d", i%7), 1)
						w.s.commit("c", fmt.Sprintf("new%d", i%5), 1)
					}
				})
				d.do(w)
				writer.Wait()
				if when == down {
					r = start(t, w.s, w.b, "b")
				}
				w.check(r, d.kind)
			})
		}
	}
}

// check waits for the repair and judges what it made.
func (w *damaged) check(r running, kind string) {
	t := w.t
	t.Helper()
	bustest.Eventually(t, "the damage is noticed", func() bool {
		switch kind {
		case "":
			return r.metric(t, "ashbridge_relay_stream_losses_total") > 0
		case "none":
			return r.metric(t, "ashbridge_relay_resyncs_total") > 0
		}
		return r.labelled(t, "ashbridge_relay_stream_losses_total", kind) > 0
	})
	drained(t, w.s)
	bustest.Eventually(t, "the latest of all is there", func() bool { return complete(t, w.b, w.s) && w.s.waiting() == 0 })
	audited(t, w.s)
	judge(t, w.b, w.s, false)
	w.board.catchUp(w.s)
	w.s.commit("c", "late1", 3)
	w.s.commit("c", "early7", 20)
	drained(t, w.s)
	judge(t, w.b, w.s, false)
	w.board.catchUp(w.s)
	if w.board.made > 1 && kind != "recreated" {
		t.Error("the board's consumer did not survive")
	}
	if kind == "none" {
		r.count(t, "stream_losses_total", 0)
		r.count(t, "repaired_events_total", 0)
	}
}
