package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

// message is one message of the stream JOBS.
type message struct {
	Seq     uint64
	Subject string
	Raw     []byte
	Event   events.Event
	// Job is the data of a job event.
	Job events.JobData
}

// readStream returns all that lies on the stream now, in order.
func readStream(ctx context.Context, url string) ([]message, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, events.Stream)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	if info.State.Msgs == 0 {
		return nil, nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	it, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer it.Stop()
	var out []message
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("reading the stream after %d of %d: %w", len(out), info.State.LastSeq, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		row := message{Seq: meta.Sequence.Stream, Subject: m.Subject(), Raw: m.Data()}
		if err := json.Unmarshal(m.Data(), &row.Event); err != nil {
			return nil, err
		}
		if strings.HasPrefix(row.Subject, "jobs.") {
			if err := json.Unmarshal(row.Event.Data, &row.Job); err != nil {
				return nil, err
			}
		}
		out = append(out, row)
		if row.Seq >= info.State.LastSeq {
			return out, nil
		}
	}
}

// folded is the state of jobs as a board would hold it after reading the stream: per subject the last message.
func folded(ms []message) map[string]message {
	out := map[string]message{}
	for _, m := range ms {
		if strings.HasPrefix(m.Subject, "jobs.") {
			out[m.Subject] = m
		}
	}
	return out
}

// judgeOrder checks P3: no id twice, and per job versions that rise by one from the oldest one kept.
func judgeOrder(t testing.TB, ms []message) {
	t.Helper()
	ids := map[string]uint64{}
	last := map[string]int64{}
	for _, m := range ms {
		if prior, twice := ids[m.Event.ID]; twice {
			t.Errorf("event id %s at %d and again at %d", m.Event.ID, prior, m.Seq)
		}
		ids[m.Event.ID] = m.Seq
		if !strings.HasPrefix(m.Subject, "jobs.") {
			continue
		}
		if before, seen := last[m.Subject]; seen && m.Job.Version != before+1 {
			t.Errorf("%s: version %d follows %d at %d", m.Subject, m.Job.Version, before, m.Seq)
		}
		last[m.Subject] = m.Job.Version
	}
}

// watch subscribes to the stream's live tail and hands on each event with the time of its arrival.
func watch(t testing.TB, url string) <-chan arrival {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan arrival, 1<<16)
	sub, err := nc.Subscribe("jobs.v1.>", func(m *nats.Msg) {
		version, _ := strconv.ParseInt(m.Header.Get(events.HeaderVersion), 10, 64)
		ch <- arrival{At: time.Now(), Subject: m.Subject, Type: m.Header.Get(events.HeaderType), Version: version, Raw: m.Data}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sub.Unsubscribe()
		nc.Close()
	})
	return ch
}

type arrival struct {
	At      time.Time
	Subject string
	Type    string
	Version int64
	Raw     []byte
}
