package bus_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

func msg(subject, id string, version int64) bus.Msg {
	return bus.Msg{Subject: subject, ID: id, Version: version, Type: events.JobUpdated, Data: []byte(`{"id":"` + id + `"}`)}
}

func publish(t *testing.T, b *bus.Bus, expected uint64, msgs ...bus.Msg) uint64 {
	t.Helper()
	last, err := b.PublishBatch(t.Context(), msgs, expected)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// many makes n messages of as many jobs.
func many(n int) []bus.Msg {
	msgs := make([]bus.Msg, n)
	for i := range msgs {
		msgs[i] = msg(fmt.Sprintf("jobs.v1.c.%d", i), fmt.Sprintf("id-%d", i), 1)
	}
	return msgs
}

func TestPublishBatch(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	if last := publish(t, b, 0, many(bus.MaxBatch)...); last != bus.MaxBatch {
		t.Fatalf("last = %d", last)
	}
	if last := publish(t, b, bus.MaxBatch, msg("connections.v1.c", "x", 1)); last != bus.MaxBatch+1 {
		t.Fatalf("last = %d", last)
	}
	s, err := b.JetStream().Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.GetMsg(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Nats-Msg-Id": "id-6", events.HeaderVersion: "1", events.HeaderType: "job.updated",
		"Content-Type": "application/cloudevents+json",
	} {
		if got := raw.Header.Get(header); got != want {
			t.Errorf("header %s is %q, want %q", header, got, want)
		}
	}
	if raw.Subject != "jobs.v1.c.6" || string(raw.Data) != `{"id":"id-6"}` {
		t.Errorf("message 7 is %s %s", raw.Subject, raw.Data)
	}
}

func TestPublishBatchIsFenced(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	publish(t, b, 0, many(5)...)
	for _, expected := range []uint64{0, 4, 6} {
		for _, n := range []int{1, 2, 50} {
			msgs := make([]bus.Msg, n)
			for i := range msgs {
				msgs[i] = msg("jobs.v1.d.1", fmt.Sprintf("%d-%d-%d", expected, n, i), int64(i+1))
			}
			if _, err := b.PublishBatch(t.Context(), msgs, expected); !errors.Is(err, bus.ErrWrongLastSequence) {
				t.Errorf("%d messages at %d: %v", n, expected, err)
			}
		}
	}
	if info, err := b.JobsInfo(t.Context()); err != nil || info.LastSeq != 5 || info.Messages != 5 {
		t.Errorf("JobsInfo = %+v, %v", info, err)
	}
}

func TestPublishBatchRefusals(t *testing.T) {
	t.Parallel()
	srv := bustest.NewServer(t)
	srv.Launch = bustest.LaunchSmall(t, 64<<10)
	srv.Start()
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))

	large := msg("jobs.v1.c.1", "large", 1)
	large.Data = []byte(strings.Repeat("x", 64<<10))
	if b.Fits(large) {
		t.Error("a message of max_payload and its headers fits")
	}
	for _, msgs := range [][]bus.Msg{{large}, {msg("jobs.v1.c.2", "small", 1), large}} {
		if _, err := b.PublishBatch(t.Context(), msgs, 0); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("a batch of %d with a large message: %v", len(msgs), err)
		}
	}
	if _, err := b.PublishBatch(t.Context(), many(bus.MaxBatch+1), 0); err == nil {
		t.Error("a batch above the limit was taken")
	}
	same := many(20)
	same[19].ID = same[0].ID
	if _, err := b.PublishBatch(t.Context(), same, 0); !errors.Is(err, bus.ErrDuplicate) {
		t.Errorf("one id twice in a batch: %v", err)
	}
	if err := b.JetStream().DeleteStream(t.Context(), bus.StreamJobs); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3} {
		if _, err := b.PublishBatch(t.Context(), many(n), 0); !errors.Is(err, bus.ErrNoStream) {
			t.Errorf("%d messages without a stream: %v", n, err)
		}
	}
	if _, err := b.JobsInfo(t.Context()); !errors.Is(err, bus.ErrNoStream) {
		t.Errorf("JobsInfo without a stream: %v", err)
	}
}

func TestFullStreamRefusesAndKeeps(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), MaxBytesJobs: 64 << 10, MaxBytesSpill: 4 << 10}))
	big := func(i int) bus.Msg {
		m := msg(fmt.Sprintf("jobs.v1.c.%d", i), fmt.Sprint(i), 1)
		m.Data = []byte(strings.Repeat("x", 10<<10))
		return m
	}
	last := uint64(0)
	var err error
	for i := 0; err == nil; i++ {
		if i > 20 {
			t.Fatal("the stream never filled")
		}
		var l uint64
		if l, err = b.PublishBatch(t.Context(), []bus.Msg{big(i), msg(fmt.Sprintf("jobs.v1.d.%d", i), fmt.Sprint("d", i), 1)}, last); err == nil {
			last = l
		}
	}
	if errors.Is(err, bus.ErrUnknownOutcome) || errors.Is(err, bus.ErrWrongLastSequence) {
		t.Errorf("a full stream answers %v", err)
	}
	if entries, l, err := b.Tail(t.Context(), 100); err != nil || l != last || len(entries) != int(last) {
		t.Errorf("%d of %d messages are left: %v", len(entries), last, err)
	}
	for i := 0; ; i++ {
		if err := b.Spill(t.Context(), mirror.Delivery{Connection: "c", Dedupe: strings.Repeat("x", 1<<10)}); err != nil {
			break
		}
		if i > 20 {
			t.Fatal("SPILL never filled")
		}
	}
}

// A few messages go one by one: where the stream refuses one, those before it may be there, and the error says so.
func TestAFewMessagesAreStoredInPart(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.ConnectOptions(t, bus.Options{URL: srv.URL(), MaxBytesJobs: 32 << 10}))
	big := msg("jobs.v1.c.3", "big", 1)
	big.Data = []byte(strings.Repeat("x", 64<<10))
	msgs := []bus.Msg{msg("jobs.v1.c.1", "1", 1), msg("jobs.v1.c.2", "2", 1), big, msg("jobs.v1.c.4", "4", 1)}
	_, err := b.PublishBatch(t.Context(), msgs, 0)
	if !errors.Is(err, bus.ErrUnknownOutcome) {
		t.Errorf("a part was stored: %v", err)
	}
	entries, last, err := b.Tail(t.Context(), 100)
	if err != nil || last != 2 || len(entries) != 2 || entries[1].ID != "2" {
		t.Errorf("stored are %v up to %d: %v", entries, last, err)
	}
	if last := publish(t, b, 2, msgs[3]); last != 3 {
		t.Errorf("last = %d", last)
	}
}

// A publish that was reported as failed must not appear later.
func TestFailedPublishIsNotStoredLater(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	b := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	publish(t, b, 0, many(3)...)
	srv.Stop()
	// At once, while the library may not have noticed yet, and again when it has.
	for range 2 {
		for _, msgs := range [][]bus.Msg{{msg("jobs.v1.c.1", "lost-1", 2)}, many(20)} {
			if _, err := b.PublishBatch(t.Context(), msgs, 3); err == nil {
				t.Fatal("published without a server")
			}
		}
		if err := b.Spill(t.Context(), mirror.Delivery{Connection: "c", Action: "lost"}); err == nil {
			t.Fatal("spilled without a server")
		}
		bustest.Eventually(t, "the loss of the connection is noticed", func() bool { return !b.Connected() })
	}
	srv.Start()
	bustest.Ready(t, b)
	if last := publish(t, b, 3, msg("jobs.v1.c.1", "next", 2)); last != 4 {
		t.Errorf("last = %d", last)
	}
	s, err := b.JetStream().Stream(t.Context(), bus.StreamSpill)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d deliveries were spilled after all", n)
	}
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	srv := bustest.StartServer(t)
	proxy := bustest.StartProxy(t, srv.Addr())
	direct := bustest.Ready(t, bustest.Connect(t, srv.URL()))
	b := bustest.Ready(t, bustest.Connect(t, proxy.URL()))
	for i, n := range []int{1, 20} {
		before, err := direct.JobsInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		msgs := many(n)
		for j := range msgs {
			msgs[j].ID = fmt.Sprintf("round-%d-%d", i, j)
		}
		proxy.LoseReplies()
		var wg sync.WaitGroup
		var got error
		began := time.Now()
		wg.Go(func() { _, got = b.PublishBatch(t.Context(), msgs, before.LastSeq) })
		bustest.Eventually(t, "the server has stored the batch", func() bool {
			info, err := direct.JobsInfo(t.Context())
			return err == nil && info.LastSeq == before.LastSeq+uint64(n)
		})
		proxy.Cut()
		wg.Wait()
		if !errors.Is(got, bus.ErrUnknownOutcome) {
			t.Fatalf("%d messages: %v", n, got)
		}
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("a lost connection was noticed after %v", took)
		}
		bustest.Ready(t, b)
	}
}

func TestTailAndVersions(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	entries, last, err := b.Tail(t.Context(), 10)
	if err != nil || len(entries) != 0 || last != 0 {
		t.Fatalf("Tail of an empty stream = %v, %d, %v", entries, last, err)
	}
	if c, err := b.Contents(t.Context()); err != nil || len(c.Places) != 0 || c.Last != 0 || c.Read != 0 {
		t.Fatalf("Contents of an empty stream = %+v, %v", c, err)
	}

	// Subject a goes beyond what is kept, b has a hole, c is plain; 2,400 others make it several fetches long.
	seq := uint64(0)
	for v := int64(1); v <= 20; v++ {
		seq = publish(t, b, seq, msg("jobs.v1.x.a", fmt.Sprintf("a-%d", v), v))
	}
	for _, v := range []int64{1, 2, 4, 5} {
		seq = publish(t, b, seq, msg("jobs.v1.x.b", fmt.Sprintf("b-%d", v), v))
	}
	for i := range 3 {
		msgs := many(800)
		for j := range msgs {
			msgs[j].Subject, msgs[j].ID = fmt.Sprintf("jobs.v1.y%d.%d", i, j), fmt.Sprintf("%d-%d", i, j)
		}
		seq = publish(t, b, seq, msgs...)
	}
	seq = publish(t, b, seq, msg("connections.v1.x", "c-1", 1), msg("connections.v1.x", "c-2", 2))

	entries, last, err = b.Tail(t.Context(), 3)
	if err != nil || last != seq || len(entries) != 3 {
		t.Fatalf("Tail = %+v, %d, %v", entries, last, err)
	}
	want := bus.Entry{Seq: seq, Subject: "connections.v1.x", ID: "c-2", Version: 2}
	if entries[2] != want {
		t.Errorf("last entry %+v, want %+v", entries[2], want)
	}
	seq = publish(t, b, seq, bus.Msg{Subject: "jobs.v1.x.d", ID: "d-1", Data: []byte("{}")})
	c, err := b.Contents(t.Context())
	if err != nil || c.Last != seq || len(c.Places) != 2404 || c.Read != 16+4+2400+3 {
		t.Fatalf("Contents: %d places, %d read, last %d, %v", len(c.Places), c.Read, c.Last, err)
	}
	for subject, want := range map[string]bus.Place{
		"jobs.v1.x.a":      {Version: 20, ID: "a-20", Seq: 20, Kept: 16, Whole: 16},
		"jobs.v1.x.b":      {Version: 5, ID: "b-5", Seq: 24, Hole: 23, Kept: 4, Whole: 2},
		"jobs.v1.x.d":      {Version: 0, ID: "d-1", Seq: seq, Kept: 1, Whole: 1, Foreign: true},
		"connections.v1.x": {Version: 2, ID: "c-2", Seq: seq - 1, Kept: 2, Whole: 2},
	} {
		if got := c.Places[subject]; got != want {
			t.Errorf("%s: %+v, want %+v", subject, got, want)
		}
	}
	if err := b.DropBefore(t.Context(), "jobs.v1.x.b", 23); err != nil {
		t.Fatal(err)
	}
	c, err = b.Contents(t.Context())
	want2 := bus.Place{Version: 5, ID: "b-5", Seq: 24, Kept: 2, Whole: 2}
	if got := c.Places["jobs.v1.x.b"]; err != nil || got != want2 {
		t.Errorf("after DropBefore: %+v, %v", got, err)
	}
	noReaderLeft(t, b)
}

func noReaderLeft(t *testing.T, b *bus.Bus) {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), bus.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.ConsumerNames(t.Context()).Name() {
		t.Errorf("consumer %s was left behind", name)
	}
}
