package notifier_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/bus"
	"github.com/bebitcoiner/ashbridge/internal/bus/bustest"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
	"github.com/bebitcoiner/ashbridge/notifier"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// A process that dies while one batch is noted and the next is published leaves both in the stream and in the outbox.
func TestCrashWithTwoBatches(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	release := make(chan struct{})
	s.set(func() {
		s.beforeNote = func(ps []mirror.Published) error {
			if len(ps) > 0 {
				<-release
				return errCrash
			}
			return nil
		}
	})
	for i := range 2500 {
		s.commit("c", fmt.Sprint(i), 1)
	}
	first := start(t, s, b, "a")
	sent := func() uint64 {
		info, err := b.JobsInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.LastSeq
	}
	bustest.Eventually(t, "two batches are in the stream", func() bool { return sent() >= 2000 })
	s.commit("c", "0", 1)
	close(release)
	first.stop()
	if n := sent(); n != 2000 || s.waiting() != 2501 {
		t.Errorf("%d are in the stream and %d in the outbox", n, s.waiting())
	}
	s.set(func() { s.beforeNote = nil })
	second := start(t, s, b, "b")
	drained(t, s)
	judge(t, b, s, true)
	second.count(t, "stream_losses_total", 0)
	second.count(t, "published_total", 501)
}

// Both batches together hold no more of one job than the stream keeps, so that after a crash all of them can be seen.
func TestNoMoreOfAJobInFlightThanIsKept(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	var mu sync.Mutex
	noting, most := 0, 0
	s.set(func() {
		s.afterNote = func(ps []mirror.Published) error {
			mu.Lock()
			defer mu.Unlock()
			noting -= len(ps)
			return nil
		}
	})
	s.commit("c", "busy", 5*bus.KeptPerSubject)
	r := start(t, s, b, "a", func(o *notifier.Options) {
		o.OnPublished = func(events.Event, mirror.Outgoing) {
			mu.Lock()
			defer mu.Unlock()
			noting++
			most = max(most, noting)
		}
	})
	drained(t, s)
	judge(t, b, s, true)
	r.count(t, "published_total", 5*bus.KeptPerSubject)
	mu.Lock()
	defer mu.Unlock()
	if most > bus.KeptPerSubject {
		t.Errorf("%d events of a job were published and not noted", most)
	}
}

// The message is what encoding/json would make of the event.
func TestMessageIsTheEncodedEvent(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	var mu sync.Mutex
	heard := map[string]events.Event{}
	start(t, s, b, "a", func(o *notifier.Options) {
		o.OnPublished = func(e events.Event, o mirror.Outgoing) {
			mu.Lock()
			defer mu.Unlock()
			heard[o.EventID] = e
		}
	})
	// Ids as Ashby never gives them, and data as the database stores it.
	odd := s.begin("c", `odd"<ä>\id`)
	odd.o.Data = bytes.ReplaceAll(odd.o.Data, []byte(`"title"`), []byte(`"\u003cb\u003e":"<b>&</b>","title"`))
	odd.commit()
	s.commit("c", "1", 3)
	s.commit("c", "", 2)
	drained(t, s)
	stream, err := b.JetStream().Stream(t.Context(), events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 6; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		e := heard[m.Header.Get("Nats-Msg-Id")]
		mu.Unlock()
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Data, bytes.TrimSpace(want.Bytes())) {
			t.Errorf("message %s\nwant    %s", m.Data, want.Bytes())
		}
	}
}

// The metrics read the data's head alone; the data is laid out as the contract's own types lay it out.
func TestLagIsReadFromTheHeadOfTheData(t *testing.T) {
	t.Parallel()
	b := bustest.Ready(t, bustest.Connect(t, bustest.StartServer(t).URL()))
	s := newStore(t)
	raw, err := os.ReadFile("../schema/events/testdata/job.updated.json")
	if err != nil {
		t.Fatal(err)
	}
	var e struct{ Data events.JobData }
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	r := start(t, s, b, "a")
	tx := s.begin("c", "1")
	e.Data.Version = 1
	if tx.o.Data, err = json.Marshal(e.Data); err != nil {
		t.Fatal(err)
	}
	tx.commit()
	drained(t, s)
	bustest.Eventually(t, "the lag is counted", func() bool {
		return r.metric(t, "ashbridge_relay_changed_to_published_seconds") == 1
	})
}
