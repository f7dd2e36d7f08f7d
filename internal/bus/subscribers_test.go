package bus_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	natsconf "github.com/bebitcoiner/ashbridge/ops/nats"
)

// stock publishes versions 1 to n of some jobs, one after the other, and of both connections, and returns the last
// sequence.
func stock(t *testing.T, b *bus.Bus, n int64, jobs ...string) uint64 {
	t.Helper()
	info, err := b.JobsInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seq := info.LastSeq
	for v := int64(1); v <= n; v++ {
		for _, job := range jobs {
			seq = publish(t, b, seq, msg("jobs.v1."+job, fmt.Sprintf("%s-%d", job, v), v))
		}
	}
	return seq
}

// take fetches everything that a consumer has to give, "<posting>.<version>" each, and acknowledges what ack agrees to.
func take(t *testing.T, js jetstream.JetStream, name string, n int, ack func(what string) bool) []string {
	t.Helper()
	c, err := js.Consumer(t.Context(), bus.StreamJobs, name)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.FetchNoWait(n)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range batch.Messages() {
		what := m.Subject()[len("jobs.v1."):] + "." + m.Headers().Get("Ashbridge-Version")
		got = append(got, what)
		if ack != nil && ack(what) {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Error(); err != nil {
		t.Fatal(err)
	}
	return got
}

func everything(string) bool { return true }

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func put(t *testing.T, b *bus.Bus, s mirror.Subscriber) {
	t.Helper()
	if err := b.PutSubscriber(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestASubscriberGetsSnapshotAndTailOfItsEmployers(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	stock(t, b, 3, "a.1", "b.1", "c.1")
	some, all := bustest.NewSubscriber("a", "c"), bustest.NewSubscriber()
	put(t, b, some)
	put(t, b, all)
	put(t, b, some) // changes nothing
	same(t, "two employers", take(t, b.JetStream(), some.User(), 10, everything), "a.1.3", "c.1.3")
	same(t, "all employers", take(t, b.JetStream(), all.User(), 10, everything), "a.1.3", "b.1.3", "c.1.3")
	seq := stock(t, b, 0)
	publish(t, b, seq, msg("jobs.v1.a.1", "a-4", 4))
	same(t, "the tail", take(t, b.JetStream(), some.User(), 10, everything), "a.1.4")

	c, err := b.JetStream().Consumer(t.Context(), bus.StreamJobs, some.User())
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	if cfg.AckPolicy != jetstream.AckExplicitPolicy || cfg.AckWait != 30*time.Second || cfg.MaxAckPending != 1000 ||
		cfg.MaxDeliver != -1 || cfg.Metadata["ashbridge-subscriber"] != some.ID || cfg.Metadata["ashbridge-replay"] != "1" {
		t.Errorf("the consumer has the shape %+v", cfg)
	}
	// A request that outlives the server's memory of where its answers go would be answered no more.
	threshold := regexp.MustCompile(`response_threshold: "(.+?)"`).FindStringSubmatch(natsconf.Accounts)
	if kept, err := time.ParseDuration(threshold[1]); err != nil || cfg.MaxRequestExpires < 30*time.Second ||
		kept < cfg.MaxRequestExpires+20*time.Second {
		t.Errorf("requests may wait for %s, their way back is kept for %s", cfg.MaxRequestExpires, threshold[1])
	}
	list, err := b.BoardConsumers(t.Context())
	if err != nil || len(list) != 2 {
		t.Errorf("listed %+v, %v", list, err)
	}
	for _, odd := range []string{"", "a.b", "*", ">"} {
		if err := b.PutSubscriber(t.Context(), bustest.NewSubscriber(odd)); !errors.Is(err, bus.ErrNoSubject) {
			t.Errorf("employer %q: %v", odd, err)
		}
	}
}

func TestAReplayBeginsAnew(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	stock(t, b, 3, "a.1", "a.2")
	s := bustest.NewSubscriber()
	put(t, b, s)
	take(t, b.JetStream(), s.User(), 10, everything)
	seq, kept, err := b.JobPlace(t.Context(), "a", "2", 2)
	if err != nil || seq != 4 || kept != (mirror.Versions{Oldest: 1, Newest: 3}) {
		t.Fatalf("version 2 lies at %d of %+v, %v", seq, kept, err)
	}
	older := s
	s.Replay, s.Start = 2, mirror.Start{Kind: mirror.StartSequence, Sequence: seq}
	put(t, b, s)
	put(t, b, older) // is late, and undoes nothing
	same(t, "from a version", take(t, b.JetStream(), s.User(), 10, everything), "a.2.2", "a.1.3", "a.2.3")
	s.Replay, s.Start = 3, mirror.Start{Kind: mirror.StartTime, Time: time.Now().Add(-time.Hour)}
	put(t, b, s)
	if got := take(t, b.JetStream(), s.User(), 10, everything); len(got) != 6 {
		t.Errorf("from before the stream's beginning: %q", got)
	}
	s.Replay, s.Start = 4, mirror.Start{Kind: mirror.StartSnapshot}
	put(t, b, s)
	same(t, "the snapshot", take(t, b.JetStream(), s.User(), 10, everything), "a.1.3", "a.2.3")

	if err := b.DropBefore(t.Context(), "jobs.v1.a.2", 6); err != nil {
		t.Fatal(err)
	}
	if _, kept, err = b.JobPlace(t.Context(), "a", "2", 2); !errors.Is(err, mirror.ErrNoVersion) || kept.Oldest != 3 {
		t.Errorf("a version that is gone: %+v, %v", kept, err)
	}
	if _, kept, err = b.JobPlace(t.Context(), "a", "9", 1); !errors.Is(err, mirror.ErrNoVersion) || kept.Oldest != 0 {
		t.Errorf("a job that never was: %+v, %v", kept, err)
	}
	if _, _, err = b.JobPlace(t.Context(), "a", "*", 1); !errors.Is(err, bus.ErrNoSubject) {
		t.Errorf("a wildcard: %v", err)
	}
}

// A row's beginning becomes a snapshot when its consumer is lost; who has not heard of it may make it as it was to begin
// before, which is nowhere in the stream that was rebuilt.
func TestALostConsumerBeginsWithASnapshot(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	stock(t, b, 3, "a.1", "a.2")
	stale := bustest.NewSubscriber()
	stale.Start = mirror.Start{Kind: mirror.StartSequence, Sequence: 6}
	lost := stale
	lost.Start = mirror.Start{Kind: mirror.StartSnapshot}
	put(t, b, stale)
	put(t, b, lost)
	same(t, "some of the snapshot", take(t, b.JetStream(), lost.User(), 1, everything), "a.1.3")
	put(t, b, stale) // is late, and undoes nothing
	put(t, b, lost)
	same(t, "the rest", take(t, b.JetStream(), lost.User(), 10, everything), "a.2.3")
}

// What the old generation had not acknowledged comes again, what it had does not, and nothing between is skipped.
func TestARotationLosesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		taken int
		ack   func(string) bool
		want  []string
	}{
		"nothing delivered":           {0, nil, []string{"a.1.3", "a.2.3", "a.3.3", "a.1.4"}},
		"delivered, nothing acked":    {3, nil, []string{"a.1.3", "a.2.3", "a.3.3", "a.1.4"}},
		"the middle of the snapshot":  {1, everything, []string{"a.2.3", "a.3.3", "a.1.4"}},
		"all of it":                   {3, everything, []string{"a.1.4"}},
		"the first is not acked":      {3, func(s string) bool { return s != "a.1.3" }, []string{"a.1.3", "a.2.3", "a.3.3", "a.1.4"}},
		"a later one is not acked":    {3, func(s string) bool { return s != "a.2.3" }, []string{"a.2.3", "a.3.3", "a.1.4"}},
		"delivered in part, acked so": {2, func(s string) bool { return s == "a.1.3" }, []string{"a.2.3", "a.3.3", "a.1.4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
			seq := stock(t, b, 3, "a.1", "a.2", "a.3")
			s := bustest.NewSubscriber()
			put(t, b, s)
			if c.taken > 0 {
				take(t, b.JetStream(), s.User(), c.taken, c.ack)
			}
			old := s.User()
			s.Generation, s.Start = 2, mirror.Start{Kind: mirror.StartPrevious}
			put(t, b, s)
			publish(t, b, seq, msg("jobs.v1.a.1", "a-4", 4))
			same(t, "after it", take(t, b.JetStream(), s.User(), 20, everything), c.want...)
			if _, err := b.JetStream().Consumer(t.Context(), bus.StreamJobs, old); !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Errorf("the old consumer: %v", err)
			}
		})
	}
}

func TestARotationNeedsTheConsumerBefore(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := bustest.NewSubscriber()
	s.Generation, s.Start = 2, mirror.Start{Kind: mirror.StartPrevious}
	if err := b.PutSubscriber(t.Context(), s); !errors.Is(err, mirror.ErrNoConsumer) {
		t.Errorf("without one: %v", err)
	}
	// Two rotations while NATS was away: the second finds the consumer before the first.
	first := s
	first.Generation, first.Start = 1, mirror.Start{Kind: mirror.StartSnapshot}
	put(t, b, first)
	s.Generation = 3
	put(t, b, s)
	if err := b.DropSubscriber(t.Context(), s.ID, 3); err != nil {
		t.Fatal(err)
	}
	if list, err := b.BoardConsumers(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left: %+v, %v", list, err)
	}
}

func TestLagTellsWhatABoardHasToDo(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	began := time.Now()
	stock(t, b, 2, "a.1", "b.1", "a.2")
	s := bustest.NewSubscriber("a")
	if _, err := b.SubscriberLag(t.Context(), s); !errors.Is(err, mirror.ErrNoConsumer) {
		t.Errorf("without a consumer: %v", err)
	}
	put(t, b, s)
	lag := func() mirror.Lag {
		t.Helper()
		l, err := b.SubscriberLag(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := lag(); l.Pending != 2 || l.Unacknowledged != 0 || l.OldestAt == nil || l.OldestAt.Before(began) || l.DeliveredAt != nil {
		t.Errorf("before the first fetch: %+v", l)
	}
	take(t, b.JetStream(), s.User(), 1, nil)
	if l := lag(); l.Pending != 1 || l.Unacknowledged != 1 || l.DeliveredAt == nil || l.AcknowledgedAt != nil {
		t.Errorf("one delivered: %+v", l)
	}
	s.Replay = 2
	if _, err := b.SubscriberLag(t.Context(), s); !errors.Is(err, mirror.ErrNoConsumer) {
		t.Errorf("of another replay: %v", err)
	}
	put(t, b, s)
	take(t, b.JetStream(), s.User(), 2, everything)
	if l := lag(); l.Pending != 0 || l.Unacknowledged != 0 || l.OldestAt != nil || l.AcknowledgedAt == nil {
		t.Errorf("all acknowledged: %+v", l)
	}
	before := time.Now()
	publish(t, b, 6, msg("jobs.v1.b.1", "b-3", 3)) // none of its own
	publish(t, b, 7, msg("jobs.v1.a.1", "a-3", 3))
	if l := lag(); l.Pending != 1 || l.OldestAt == nil || l.OldestAt.Before(before) {
		t.Errorf("a new event: %+v", l)
	}
}

func TestWithoutNATSSubscribersAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.NewServer(t).URL())
	s := bustest.NewSubscriber()
	began := time.Now()
	_, lagErr := b.SubscriberLag(t.Context(), s)
	_, _, placeErr := b.JobPlace(t.Context(), "a", "1", 1)
	for _, err := range []error{b.PutSubscriber(t.Context(), s), b.DropSubscriber(t.Context(), s.ID, 1), lagErr, placeErr} {
		if err == nil {
			t.Error("no error")
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the refusals took %v", took)
	}
}

// board logs in as a job board does, with the plain client.
func board(t *testing.T, url, user, password string, o ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(o, nats.UserInfo(user, password), nats.CustomInboxPrefix(mirror.InboxPrefix(user)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestABoardConsumesWithThePlainClient(t *testing.T) {
	t.Parallel()
	g := bustest.StartGuarded(t)
	b := bustest.Ready(t, bustest.Connect(t, g.As(natsconf.UserAdmin)))
	seq := stock(t, b, 3, "a.1", "a.2")
	s := bustest.NewSubscriber()
	user, password := g.Board(b, s)
	nc := board(t, g.URL(), user, password, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		t.Errorf("the server complains: %v", err)
	}))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "fetched", take(t, js, user, 10, everything), "a.1.3", "a.2.3")
	c, err := js.Consumer(t.Context(), bus.StreamJobs, user)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	consuming, err := c.Consume(func(m jetstream.Msg) {
		_ = m.Ack()
		got <- m.Subject()
	})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, seq, msg("jobs.v1.a.1", "a-4", 4))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case subject := <-got:
		if subject != "jobs.v1.a.1" {
			t.Errorf("consumed %s", subject)
		}
	case <-ctx.Done():
		t.Error("nothing was consumed")
	}
	consuming.Stop()
	<-consuming.Closed()
	bustest.Eventually(t, "the acknowledgement counts", func() bool {
		l, err := b.SubscriberLag(t.Context(), s)
		return err == nil && l.Pending+l.Unacknowledged == 0
	})
}

// A stream that lost its end leaves the consumers of a replicated stream where they stood.
func TestDropBoardsPast(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	last := stock(t, b, 3, "a.1")
	behind, past := bustest.NewSubscriber(), bustest.NewSubscriber()
	past.Start = mirror.Start{Kind: mirror.StartSequence, Sequence: last + 10}
	for _, s := range []mirror.Subscriber{behind, past} {
		if err := b.PutSubscriber(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]string{{past.User()}, nil} {
		if got, err := b.DropBoardsPast(t.Context(), last); err != nil || !slices.Equal(got, want) {
			t.Errorf("dropped %v, %v; want %v", got, err, want)
		}
	}
	if there, err := b.BoardConsumers(t.Context()); err != nil || len(there) != 1 || there[0].Name != behind.User() {
		t.Errorf("%+v, %v are left", there, err)
	}
}
