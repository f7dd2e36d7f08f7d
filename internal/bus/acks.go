package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

const (
	ackPrefix = "$JS.EVENT.METRIC.CONSUMER.ACK." + StreamJobs + "."
	// everyAck has the server tell of each acknowledgement of a consumer. It does so only while somebody listens, and looks
	// for that before it makes the message, so that it costs nothing otherwise.
	everyAck = "100%"
)

// OnAcknowledged calls acked with the place in JOBS of each event that a consumer acknowledges, on a goroutine of the
// library, until unsubscribe. The subscription outlives reconnects. What is acknowledged meanwhile is not told later.
func (b *Bus) OnAcknowledged(consumer string, acked func(seq uint64)) (unsubscribe func(), err error) {
	if !isToken(consumer) {
		return nil, fmt.Errorf("consumer %q cannot be a subject", consumer)
	}
	sub, err := b.nc.Subscribe(ackPrefix+consumer, func(m *nats.Msg) {
		var told struct {
			Seq uint64 `json:"stream_seq"`
		}
		if json.Unmarshal(m.Data, &told) == nil && told.Seq > 0 {
			acked(told.Seq)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listening for acknowledgements of %s: %w", consumer, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a closed connection
}

// TellAcks has the server tell of the acknowledgements of a consumer that was made before that was wanted.
// mirror.ErrNoConsumer, ErrNoStream.
func (b *Bus) TellAcks(ctx context.Context, consumer string) error {
	ctx, done := b.call(ctx, 2*apiTimeout)
	defer done()
	info, err := b.consumerInfo(ctx, consumer)
	if err == nil {
		cfg := info.Config
		cfg.SampleFrequency = everyAck
		_, err = b.js.UpdateConsumer(ctx, StreamJobs, cfg)
		err = consumerError(err)
	}
	if err != nil {
		return fmt.Errorf("having NATS tell of acknowledgements of %s: %w", consumer, because(ctx, err))
	}
	return nil
}
