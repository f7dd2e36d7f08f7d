package notifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
	"github.com/bebitcoiner/ashbridge/schema/events/eventstest"
)

// The database runs without fsync: no test here takes its power away. A NATS server that is stopped in the middle of an
// atomic batch leaves the goroutines of the batch's store behind.
func TestMain(m *testing.M) {
	const server = "github.com/nats-io/nats-server/v2/server"
	localtest.Main(m, localtest.Volatile(), localtest.IgnoreLeaks(
		goleak.IgnoreAnyFunction(server+".(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction(server+".(*msgBlock).flushLoop"),
		goleak.IgnoreAnyFunction(server+"/ats.Register.func1"),
	))
}

// ttl is long enough for a loaded machine and short enough for tests that wait for a lease to end.
const ttl = time.Second

type running struct {
	registry *prometheus.Registry
	stop     func()
}

// start runs a notifier until stop, or until the test ends.
func start(t testing.TB, store notifier.Store, b *bus.Bus, owner string, change ...func(*notifier.Options)) running {
	t.Helper()
	r := running{registry: prometheus.NewRegistry()}
	o := notifier.Options{
		Store: store, Bus: b, Owner: owner, LeaseTTL: ttl, Idle: 5 * time.Millisecond, AuditEvery: 50 * time.Millisecond,
		Registerer: r.registry,
	}
	for _, c := range change {
		c(&o)
	}
	n, err := notifier.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	r.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(r.stop)
	return r
}

// metric adds up all values of a metric.
func (r running) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// labelled adds up the values of a metric that have a label of this value.
func (r running) labelled(t *testing.T, name, value string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == value {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// stored is a message of JOBS.
type stored struct {
	seq     uint64
	id      string
	version int64
	event   events.Event
}

// readStream reads all of JOBS by its own means.
func readStream(t *testing.T, b *bus.Bus) map[string][]stored {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := b.JetStream().Stream(ctx, events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	state := s.CachedInfo().State
	subjects, validated := map[string][]stored{}, 0
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		raw, err := s.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		m := stored{seq: seq, id: raw.Header.Get("Nats-Msg-Id")}
		if m.version, err = strconv.ParseInt(raw.Header.Get(events.HeaderVersion), 10, 64); err != nil {
			t.Errorf("message %d: %v", seq, err)
		}
		if err := json.Unmarshal(raw.Data, &m.event); err != nil {
			t.Errorf("message %d: %v", seq, err)
		}
		if m.event.ID != m.id || string(m.event.Type) != raw.Header.Get(events.HeaderType) {
			t.Errorf("message %d: headers and body tell different things", seq)
		}
		if validated++; validated <= 300 && len(raw.Data) < 64<<10 { // more would tell nothing new, and take long
			eventstest.Validate(t, raw.Data)
		}
		subjects[raw.Subject] = append(subjects[raw.Subject], m)
	}
	return subjects
}

// judge holds the stream against the log: no event twice, per subject no gap and the order of versions from the oldest
// one kept, the latest version there, the ids those of the log, and as much history as is kept where whole says so.
func judge(t *testing.T, b *bus.Bus, s *memStore, whole bool) {
	t.Helper()
	if n := s.waiting(); n != 0 {
		t.Errorf("%d events are still in the outbox", n)
	}
	subjects := readStream(t, b)
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]uint64{}
	for subject, l := range s.log {
		if s.longClosed(subject) {
			continue // whatever the stream has of it is left over below
		}
		msgs := subjects[subject]
		delete(subjects, subject)
		if len(msgs) == 0 || msgs[len(msgs)-1].version != l[len(l)-1].Version {
			t.Errorf("%s: %d messages, of which the last is not version %d", subject, len(msgs), l[len(l)-1].Version)
			continue
		}
		if want := min(len(l), bus.KeptPerSubject); whole && len(msgs) != want {
			t.Errorf("%s: %d messages, want %d", subject, len(msgs), want)
		}
		for i, m := range msgs {
			if earlier, twice := seen[m.id]; twice {
				t.Errorf("%s: event %s stands at %d and %d", subject, m.id, earlier, m.seq)
			}
			seen[m.id] = m.seq
			if i > 0 && m.version != msgs[i-1].version+1 {
				t.Errorf("%s: version %d follows %d", subject, m.version, msgs[i-1].version)
			}
			if m.version < 1 || int(m.version) > len(l) || l[m.version-1].EventID != m.id {
				t.Errorf("%s: version %d has another id than in the log", subject, m.version)
			}
		}
		last := msgs[len(msgs)-1]
		if p := s.seqs[subject]; p.Seq != last.seq || p.Version != last.version {
			t.Errorf("%s: noted version %d at %d, in the stream %d at %d", subject, p.Version, p.Seq, last.version, last.seq)
		}
	}
	for subject := range subjects {
		t.Errorf("%s stands in the stream but not in the log, or expired", subject)
	}
}

// drained waits until the outbox is empty.
func drained(t *testing.T, s *memStore) {
	t.Helper()
	bustest.Eventually(t, "the outbox is empty", func() bool { return s.waiting() == 0 })
}
