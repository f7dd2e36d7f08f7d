package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/bebitcoiner/ashbridge/schema/events"
)

const (
	// MaxBatch is how many messages an atomic batch holds at most, by the server's limit.
	MaxBatch = 1000

	// few is up to how many messages are published one after another. An atomic batch has a store of its own made by the
	// server, and some fsyncs for that: measured, it takes as long as eight messages of their own.
	few = 8

	batchTimeout = 10 * time.Second
	// singleTimeout is for one message. A cluster answers nothing to what came in the moment in which its leader changed, and
	// until it is known that nothing comes, all others wait.
	singleTimeout = 3 * time.Second
	// headerRoom is kept for the headers of a message, those of a batch among them.
	headerRoom = 1 << 10
)

// Msg is an event on its way to JOBS or RECORDS.
type Msg struct {
	Subject string
	// ID is the event's id; a message that is sent again has the same one.
	ID      string
	Version int64
	Type    events.Type
	// Data is the CloudEvent as JSON.
	Data []byte
}

func (m Msg) nats(stream string) *nats.Msg {
	msg := nats.NewMsg(m.Subject)
	msg.Header[headerID] = []string{m.ID}
	msg.Header[events.HeaderVersion] = []string{strconv.FormatInt(m.Version, 10)}
	msg.Header[events.HeaderType] = []string{string(m.Type)}
	msg.Header[headerContentType] = []string{contentType}
	msg.Header[jetstream.ExpectedStreamHeader] = []string{stream}
	msg.Data = m.Data
	return msg
}

// Fits says whether the server and the stream take a message of this size.
func (b *Bus) Fits(m Msg) bool {
	limit := int64(MaxMessage)
	if served := b.nc.MaxPayload(); served > 0 {
		limit = min(limit, served)
	}
	return int64(len(m.Data))+headerRoom <= limit
}

// PublishBatch publishes messages to JOBS if the stream's last sequence is expected, and returns the new last sequence:
// the messages lie at expected+1 and following. ErrWrongLastSequence, ErrDuplicate, ErrTooLarge, ErrNoStream: nothing was
// stored. ErrUnknownOutcome: see there; a few of the messages, the first ones, may be stored and the others not. Any other
// error is a refusal by the server, for example of a full stream, and nothing was stored.
func (b *Bus) PublishBatch(ctx context.Context, msgs []Msg, expected uint64) (uint64, error) {
	if len(msgs) < 2 || len(msgs) > few {
		return b.publishBatch(ctx, StreamJobs, msgs, expected)
	}
	for _, m := range msgs {
		if !b.Fits(m) {
			return 0, fmt.Errorf("event %s: %w", m.ID, ErrTooLarge)
		}
	}
	last := expected
	for i := range msgs {
		var err error
		if last, err = b.publishBatch(ctx, StreamJobs, msgs[i:i+1], last); err == nil {
			continue
		}
		if i > 0 {
			// Not wrapped: what the error says of its own message is not true of those before it.
			err = fmt.Errorf("%w: %d of %d messages were stored: %s", ErrUnknownOutcome, i, len(msgs), err.Error())
		}
		return 0, err
	}
	return last, nil
}

// publishBatch stores all messages or none.
func (b *Bus) publishBatch(ctx context.Context, stream string, msgs []Msg, expected uint64) (uint64, error) {
	if len(msgs) == 0 {
		return expected, nil
	}
	if len(msgs) > MaxBatch {
		return 0, fmt.Errorf("batch of %d messages is above %d", len(msgs), MaxBatch)
	}
	out := make([]*nats.Msg, len(msgs))
	for i, m := range msgs {
		if !b.Fits(m) {
			return 0, fmt.Errorf("event %s: %w", m.ID, ErrTooLarge)
		}
		out[i] = m.nats(stream)
	}
	if !b.nc.IsConnected() {
		return 0, fmt.Errorf("publishing events: %w", errDisconnected)
	}
	out[0].Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(expected, 10)}

	timeout := batchTimeout
	if len(out) == 1 {
		timeout = singleTimeout
	}
	ctx, done := b.call(ctx, timeout)
	defer done()
	last, err := b.publish(ctx, out)
	if err != nil {
		return 0, fmt.Errorf("publishing events: %w", publishError(err))
	}
	if want := expected + uint64(len(msgs)); last != want {
		return 0, fmt.Errorf("publishing events: server answered with sequence %d instead of %d: %w", last, want, ErrUnknownOutcome)
	}
	return last, nil
}

// publish sends one message as it is, since a batch of one would cost a second fsync of its staging.
func (b *Bus) publish(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	if len(msgs) > 1 {
		// The answer to the commit says all. Waiting for one to the first message would cost a round trip, under a
		// deadline of the library that a lost connection does not end.
		ack, err := jetstreamext.PublishMsgBatch(ctx, b.js, msgs, jetstreamext.BatchFlowControl{})
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	}
	ack, err := b.js.PublishMsg(ctx, msgs[0], jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, err
	}
	if ack.Duplicate {
		return 0, ErrDuplicate
	}
	return ack.Sequence, nil
}
