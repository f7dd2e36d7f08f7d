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
	Header  nats.Header
	Raw     []byte
	Event   events.Event
	// Job is the data of a job event.
	Job events.JobData
	// Version is the data's, of job events and of connection events.
	Version int64
}

// doc is the job of a job event as it stands in the message.
func (m message) doc() json.RawMessage {
	var data struct {
		Job json.RawMessage `json:"job"`
	}
	if err := json.Unmarshal(m.Event.Data, &data); err != nil {
		return nil
	}
	return data.Job
}

// parse reads the envelope and the data.
func (m *message) parse() error {
	if err := json.Unmarshal(m.Raw, &m.Event); err != nil {
		return err
	}
	if strings.HasPrefix(m.Subject, "jobs.") {
		if err := json.Unmarshal(m.Event.Data, &m.Job); err != nil {
			return err
		}
		m.Version = m.Job.Version
		return nil
	}
	var data events.ConnectionData
	err := json.Unmarshal(m.Event.Data, &data)
	m.Version = data.Version
	return err
}

// readStream returns all that lies on the stream JOBS now, in order.
func readStream(ctx context.Context, url string) ([]message, error) {
	ms, err := readMessages(ctx, url, events.Stream)
	if err != nil {
		return nil, err
	}
	for i := range ms {
		if err := ms[i].parse(); err != nil {
			return nil, fmt.Errorf("message %d: %w", ms[i].Seq, err)
		}
	}
	return ms, nil
}

// readMessages returns all that lies on a stream now, in order and as it is.
func readMessages(ctx context.Context, url, name string) ([]message, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, name)
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
		row := message{Seq: meta.Sequence.Stream, Subject: m.Subject(), Header: m.Headers(), Raw: m.Data()}
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
