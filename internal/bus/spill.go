package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

const (
	spillTimeout = 2 * time.Second
	spillAckWait = 10 * time.Second
	spillBatch   = 500
)

// Spill stores a delivery; nil means that the server has stored it, on disk where its sync_interval is always.
func (b *Bus) Spill(ctx context.Context, d mirror.Delivery) error {
	if !isToken(d.Connection) {
		return fmt.Errorf("delivery with connection %q cannot be a subject", d.Connection)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encoding a delivery: %w", err)
	}
	ctx, done := b.call(ctx, spillTimeout)
	defer done()
	msg := &nats.Msg{Subject: spillPrefix + d.Connection, Data: data}
	if _, err = b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(StreamSpill), jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("spilling a delivery: %w", because(ctx, publishError(err)))
	}
	return nil
}

// spillReader is the durable consumer on SPILL, shared by all gateways.
type spillReader struct {
	mu       sync.Mutex
	consumer jetstream.Consumer
}

// DrainSpill hands stored deliveries to commit, in batches, and acknowledges each batch that it took. It returns when
// the stream is empty, at the first error, or with ctx. A batch that was not taken, or whose acknowledgement was lost,
// comes again: commit must stand repetition.
func (b *Bus) DrainSpill(ctx context.Context, commit func(ctx context.Context, ds []mirror.Delivery) error) error {
	for ctx.Err() == nil {
		n, err := b.drainOnce(ctx, commit)
		if err != nil {
			b.spill.forget()
			return fmt.Errorf("draining spilled deliveries: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
	return ctx.Err()
}

func (b *Bus) drainOnce(ctx context.Context, commit func(ctx context.Context, ds []mirror.Delivery) error) (int, error) {
	if !b.nc.IsConnected() {
		return 0, errDisconnected
	}
	consumer, err := b.spillConsumer(ctx)
	if err != nil {
		return 0, err
	}
	batch, err := consumer.FetchNoWait(spillBatch)
	if err != nil {
		return 0, fmt.Errorf("fetching: %w", err)
	}
	var msgs []jetstream.Msg
	var deliveries []mirror.Delivery
	for msg := range batch.Messages() {
		var d mirror.Delivery
		if err := json.Unmarshal(msg.Data(), &d); err != nil {
			b.log.ErrorContext(ctx, "dropped a spilled message that is no delivery", "subject", msg.Subject(), "error", err)
			_ = msg.Term() // else it comes back and is dropped again
			continue
		}
		msgs, deliveries = append(msgs, msg), append(deliveries, d)
	}
	if err := batch.Error(); err != nil {
		return 0, fmt.Errorf("fetching: %w", err)
	}
	if len(msgs) == 0 {
		return 0, nil
	}
	if err := commit(ctx, deliveries); err != nil {
		for _, msg := range msgs {
			_ = msg.Nak() // back for the next try; without it they come back after the time to acknowledge
		}
		return 0, fmt.Errorf("committing: %w", err)
	}
	for _, msg := range msgs {
		if err := msg.Ack(); err != nil {
			return len(msgs), fmt.Errorf("acknowledging: %w", err)
		}
	}
	return len(msgs), nil
}

// spillConsumer creates the consumer once and keeps it until an error.
func (b *Bus) spillConsumer(ctx context.Context) (jetstream.Consumer, error) {
	b.spill.mu.Lock()
	defer b.spill.mu.Unlock()
	if b.spill.consumer != nil {
		return b.spill.consumer, nil
	}
	ctx, done := b.call(ctx, apiTimeout)
	defer done()
	consumer, err := b.js.CreateOrUpdateConsumer(ctx, StreamSpill, jetstream.ConsumerConfig{
		Durable:       spillConsumer,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       spillAckWait,
		MaxDeliver:    -1,
		MaxAckPending: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("creating the consumer: %w", because(ctx, err))
	}
	b.spill.consumer = consumer
	return consumer, nil
}

func (s *spillReader) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumer = nil
}
